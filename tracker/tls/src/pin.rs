//! What a public key is known by.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::digest::{SHA256, digest};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use thiserror::Error;

/// What [`Pin`] is written with; a `=` that was lost while it was copied does no harm.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The SHA-256 of a public key as certificates carry it (SubjectPublicKeyInfo; RFC 7469, 2.4). Written
/// `sha256/BASE64`; curl's `sha256//BASE64` is read, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin([u8; 32]);

/// Why a text is no pin, and what to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PinError {
    /// It begins with something else.
    #[error("a pin begins with `sha256/`; copy the whole line that `narrows-tracker pin` prints")]
    NoAlgorithm,
    /// What follows is not the base64 of 32 bytes.
    #[error(
        "after `sha256/` a pin has 44 letters, digits, `+`, `/` and a `=` at the end; copy the whole line that \
         `narrows-tracker pin` prints"
    )]
    NotBase64,
}

impl Pin {
    /// Of a public key.
    pub fn of(key: &SubjectPublicKeyInfoDer<'_>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(hash)
    }

    /// The hash itself.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash in base64, without what is before it.
    pub(crate) fn base64(&self) -> String {
        BASE64.encode(self.0)
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("sha256/").ok_or(PinError::NoAlgorithm)?;
        let decode = |text: &str| BASE64.decode(text).ok().and_then(|hash| hash.try_into().ok());
        // a slash is a digit of base64: of 43 that begin with one, as HPKP writes it, it is the first; of 44 it is curl's
        let curl = rest.strip_prefix('/').and_then(decode);
        curl.or_else(|| decode(rest)).map(Self).ok_or(PinError::NotBase64)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", self.base64())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written_and_as_curl_writes_it() {
        // every first digit, also the slash
        for first in 0..=255 {
            let pin = Pin([first; 32]);
            let text = pin.to_string();
            assert_eq!(text.len(), "sha256/".len() + 44);
            let curls = text.replacen('/', "//", 1);
            for text in [&text, &curls, &text.trim_end_matches('=').to_owned()] {
                assert_eq!(text.parse(), Ok(pin), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_pin_says_what_to_copy() {
        for (text, error) in [
            ("", PinError::NoAlgorithm),
            ("SHA256:abc", PinError::NoAlgorithm),
            (
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                PinError::NoAlgorithm,
            ),
            ("sha256/", PinError::NotBase64),
            ("sha256/47DEQpj8HBSa", PinError::NotBase64),
            (
                "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF!=",
                PinError::NotBase64,
            ),
            (
                "sha256///47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                PinError::NotBase64,
            ),
        ] {
            assert_eq!(text.parse::<Pin>(), Err(error), "{text}");
        }
    }
}
