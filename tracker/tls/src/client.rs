//! Which servers a client believes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, OtherError, RootCertStore,
    SignatureScheme,
};
use thiserror::Error;

use crate::files::{self, FileError};
use crate::pin::Pin;
use crate::{identity, provider};

/// Which servers a client believes. What is given has to hold: with pins the server's key is one of them, with
/// authorities its certificate is one of theirs, in force, and for the name that was asked for. With neither no server is
/// believed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trust {
    /// The server's key is one of these: two while it is replaced by another one.
    pub pins: Vec<Pin>,
    /// A file with the certificates of authorities, in PEM.
    pub authorities: Option<PathBuf>,
}

/// Why no server can be believed.
#[derive(Debug, Error)]
pub enum TrustError {
    /// Neither a pin nor an authority is known.
    #[error("neither a pin nor an authority is known")]
    Empty,
    /// The file of the authorities.
    #[error(transparent)]
    File(#[from] FileError),
    /// The library's reason.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// A server has another key than it should.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "it has the key {found}, which is none of those that are known ({}): if its key was changed, say the new one; else another \
     machine answers in its place", .known.iter().map(Pin::to_string).collect::<Vec<_>>().join(", ")
)]
pub struct WrongPin {
    /// What it showed.
    pub found: Pin,
    /// What is believed.
    pub known: Vec<Pin>,
}

/// What came of a handshake that failed, as far as a person can do something about it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// Another key.
    #[error("{0}")]
    WrongPin(WrongPin),
    /// It answers in the clear.
    #[error("it does not speak TLS at this port; look where it listens for https")]
    NotTls,
    /// It has a certificate of another authority.
    #[error("its certificate is of no authority that is known")]
    UnknownAuthority,
    /// It is for another name.
    #[error("its certificate is not for the name that it was called by")]
    OtherName,
    /// It is out of date, or the clock of this machine is.
    #[error("its certificate has run out, or is not in force yet; or this machine's clock is wrong")]
    OutOfDate,
    /// It broke off.
    #[error("it ended the connection during the handshake")]
    BrokeOff,
    /// Something else.
    #[error("TLS: {0}")]
    Other(String),
}

impl Trust {
    /// Whether it believes none.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.authorities.is_none()
    }

    /// How to speak to such a server.
    ///
    /// # Errors
    /// That no server could be believed.
    pub fn client(&self) -> Result<Arc<ClientConfig>, TrustError> {
        if self.is_empty() {
            return Err(TrustError::Empty);
        }
        let provider = provider();
        let authorities = match &self.authorities {
            None => None,
            Some(path) => {
                let bytes = files::read(path, "certificate")?;
                let mut roots = RootCertStore::empty();
                for certificate in identity::certificates(&bytes, path)? {
                    // a machine's list has some that are older than the rules
                    let _ = roots.add(certificate);
                }
                if roots.is_empty() {
                    return Err(FileError::Unusable {
                        path: path.clone(),
                        reason: "none of its certificates is one of an authority".to_owned(),
                        help: "name a file with the certificate of your authority, in PEM",
                    }
                    .into());
                }
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                Some(verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?)
            }
        };
        let verifier = Verifier {
            pins: self.pins.clone(),
            authorities,
            provider: Arc::clone(&provider),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl Fault {
    /// What became of a handshake.
    pub fn of(error: &io::Error) -> Self {
        let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::BrokeOff,
                _ => Self::Other(error.to_string()),
            };
        };
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            error => Self::Other(error.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Other(OtherError(other)) => match other.downcast_ref::<WrongPin>() {
                Some(wrong) => Self::WrongPin(wrong.clone()),
                None => Self::Other(other.to_string()),
            },
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::OutOfDate,
            error => Self::Other(format!("its certificate: {error}")),
        }
    }
}

/// Looks at the key, and at the certificate where there are authorities. That the server has the key is shown by its
/// signature, in any case.
#[derive(Debug)]
struct Verifier {
    pins: Vec<Pin>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.pins.is_empty() {
            let found = Pin::of(&ParsedCertificate::try_from(own)?.subject_public_key_info());
            if !self.pins.contains(&found) {
                let known = self.pins.clone();
                let wrong = OtherError(Arc::new(WrongPin { found, known }));
                return Err(CertificateError::Other(wrong).into());
            }
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(own, between, name, ocsp, now),
            None if self.pins.is_empty() => Err(CertificateError::UnknownIssuer.into()),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
