//! Private keys in files.

use std::path::Path;

use narrows_host::private;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::sign::SigningKey;

use crate::files::{self, FileError};
use crate::provider;
use std::sync::Arc;

const KEY: &str = "private key";

/// A key that can sign, with what it was read from.
pub(crate) struct Key {
    pub(crate) der: PrivateKeyDer<'static>,
    pub(crate) signing: Arc<dyn SigningKey>,
}

/// Makes a key (ECDSA with P-256, which every TLS library takes), unless something stands at `path`: false then. The
/// file is for its owner alone, and on the disk when this returns.
///
/// # Errors
/// That it cannot be written.
pub fn make_key(path: &Path) -> Result<bool, FileError> {
    let unwritable = |source| FileError::Unwritable {
        path: path.to_owned(),
        source,
    };
    if std::fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .map_err(|_| unwritable(std::io::Error::other("the system gives no random numbers")))?;
    let text = files::pem("PRIVATE KEY", made.as_ref());
    private::create_new(path, |out| out.write_all(text.as_bytes())).map_err(unwritable)
}

/// The pin of the key in a file.
///
/// # Errors
/// That there is none.
pub fn read_key(path: &Path) -> Result<crate::Pin, FileError> {
    let key = read(path)?;
    key.signing
        .public_key()
        .map(|public| crate::Pin::of(&public))
        .ok_or_else(|| unusable(path, "it has no public part"))
}

/// The key in a file; which users may read it is not looked at.
pub(crate) fn read(path: &Path) -> Result<Key, FileError> {
    let bytes = files::read(path, KEY)?;
    let der = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => FileError::Nothing {
            path: path.to_owned(),
            wanted: KEY,
            label: "PRIVATE KEY",
            help: if bytes.windows(9).any(|part| part == b"ENCRYPTED") {
                "it is encrypted: keep it without a password, as `openssl pkey -in OLD -out NEW` writes it"
            } else {
                "name the file of the key"
            },
        },
        error => unusable(path, &error.to_string()),
    })?;
    let signing = provider()
        .key_provider
        .load_private_key(der.clone_key())
        .map_err(|error| unusable(path, &error.to_string()))?;
    Ok(Key { der, signing })
}

fn unusable(path: &Path, reason: &str) -> FileError {
    FileError::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
        help: "a key is ECDSA (P-256, P-384), RSA (2048 to 8192 bits) or Ed25519, in PEM",
    }
}
