//! The certificate that a program makes for its own key. Agents look at the key alone; stock clients, browsers and
//! Prometheus want a certificate that is for a name, and can be told to trust this one. It has no end (RFC 5280,
//! 4.1.2.5): nothing runs out.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use crate::pin::Pin;

/// Signs a certificate for `names`, each a name or an address, with a P-256 key; `None` if it is another kind of key, or
/// no certificate can be for such a name.
pub(crate) fn own(
    key: &PrivateKeyDer<'_>,
    public: &SubjectPublicKeyInfoDer<'_>,
    names: &[String],
) -> Option<Vec<u8>> {
    let pair = KeyPair::from_der_and_sign_algo(key, &PKCS_ECDSA_P256_SHA256).ok()?;
    let pin = Pin::of(public);
    let mut params = CertificateParams::default();
    // of the key, so that two trackers that one client trusts are told apart
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Narrows tracker {}", pin.base64()));
    params.serial_number = Some(SerialNumber::from_slice(&pin.bytes()[..16]));
    // before any clock that is wrong, and the end that means none
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31) + Duration::from_secs(24 * 3600 - 1);
    // this signs no others
    params.is_ca = IsCa::ExplicitNoCa;
    let name = |name: &String| match name.parse::<IpAddr>() {
        Ok(ip) => Some(SanType::IpAddress(ip)),
        Err(_) => Some(SanType::DnsName(name.as_str().try_into().ok()?)),
    };
    params.subject_alt_names = names.iter().map(name).collect::<Option<_>>()?;
    Some(params.self_signed(&pair).ok()?.der().to_vec())
}
