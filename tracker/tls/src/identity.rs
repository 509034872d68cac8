//! Who a server is: its key with a certificate, as it is kept in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use narrows_host::{durable, private};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::files::{self, FileError};
use crate::key::{self, make_key};
use crate::pin::Pin;
use crate::{certificate, provider};

/// The key that a program makes for itself, in its state folder; and the certificate for it, which any user may read.
const KEY_FILE: &str = "tls.key";
const CERTIFICATE_FILE: &str = "tls.crt";

const CERTIFICATE: &str = "certificate";

/// A server's key and certificates, read and fit for each other.
#[derive(Clone)]
pub struct Identity {
    pin: Pin,
    certified: Arc<CertifiedKey>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.pin)
    }
}

impl Identity {
    /// One's own: the key in `folder`, which is made if there is none and never replaced, and a certificate for `names`
    /// beside it, which is made anew when the key or a name has changed.
    ///
    /// # Errors
    /// That a file cannot be read or written, or was open to others.
    pub fn own(folder: &Path, names: &[String]) -> Result<Self, FileError> {
        let path = Self::key_path(folder);
        make_key(&path)?;
        if !private::is_private(&path) {
            return Err(FileError::NotPrivate { path });
        }
        let key = key::read(&path)?;
        let unusable = || FileError::Unusable {
            path: path.clone(),
            reason: "the program's own key is ECDSA with P-256 in PKCS#8".to_owned(),
            help: "make one as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` does; a key of another kind \
                   goes with a certificate: `tls: {certificate: FILE, key: FILE}`",
        };
        let public = key.signing.public_key().ok_or_else(unusable)?;
        let names: Vec<String> = names.iter().filter(|name| name.is_ascii()).cloned().collect();
        let says = format!(
            "# The certificate of this tracker's own key, {}, for {}\n",
            Pin::of(&public),
            names.join(", ")
        );
        let kept = Self::certificate_path(folder);
        let chain = match kept_certificate(&kept, &says) {
            Some(certificate) => certificate,
            None => {
                let made = certificate::own(&key.der, &public, &names).ok_or_else(unusable)?;
                let text = format!("{says}{}", files::pem("CERTIFICATE", &made));
                durable::replace(&kept, |out| out.write_all(text.as_bytes())).map_err(|source| {
                    FileError::Unwritable {
                        path: kept.clone(),
                        source,
                    }
                })?;
                CertificateDer::from(made)
            }
        };
        Self::of(vec![chain], key.der.clone_key(), &kept, &path)
    }

    /// A company's: `certificate` holds the server's own certificate and then those between it and the root.
    ///
    /// # Errors
    /// That a file cannot be read, is open to other users, or that the two do not belong together.
    pub fn given(certificate: &Path, key: &Path) -> Result<Self, FileError> {
        let bytes = files::read(certificate, CERTIFICATE)?;
        let chain = certificates(&bytes, certificate)?;
        // it is read first: that there is none is what to hear of
        let read = key::read(key)?;
        if !private::is_for_group_at_most(key) {
            return Err(FileError::Open { path: key.to_owned() });
        }
        Self::of(chain, read.der, certificate, key)
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        der: PrivateKeyDer<'static>,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, FileError> {
        let unusable = |path: &Path, error: rustls::Error| FileError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
            help: "name a file that TLS libraries take",
        };
        let first = chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        let parsed = ParsedCertificate::try_from(&first).map_err(|error| unusable(certificate, error))?;
        let pin = Pin::of(&parsed.subject_public_key_info());
        let certified = CertifiedKey::from_der(chain, der, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => FileError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
            error => unusable(key, error),
        })?;
        Ok(Self {
            pin,
            certified: Arc::new(certified),
        })
    }

    /// What clients know this key by.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// How to serve with it, for HTTP/1.1. A client that comes again soon goes on with a session: what it takes
    /// for that is a ticket that only this configuration can read, so that the server keeps nothing.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn server(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified))));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }

    /// Where the key lies that is made at the first start.
    pub fn key_path(folder: &Path) -> PathBuf {
        folder.join(KEY_FILE)
    }

    /// Where the certificate lies that belongs to it, for clients that want one.
    pub fn certificate_path(folder: &Path) -> PathBuf {
        folder.join(CERTIFICATE_FILE)
    }
}

/// All certificates of a file.
pub(crate) fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let chain = chain.map_err(|error| FileError::Unusable {
        path: path.to_owned(),
        reason: error.to_string(),
        help: "name a file that TLS libraries take",
    })?;
    if chain.is_empty() {
        return Err(FileError::Nothing {
            path: path.to_owned(),
            wanted: CERTIFICATE,
            label: "CERTIFICATE",
            help: "name the file of the certificate",
        });
    }
    Ok(chain)
}

/// The certificate that was made before, if it says the same.
fn kept_certificate(path: &Path, says: &str) -> Option<CertificateDer<'static>> {
    let bytes = files::read(path, CERTIFICATE).ok()?;
    let pem = bytes.strip_prefix(says.as_bytes())?;
    CertificateDer::from_pem_slice(pem).ok()
}
