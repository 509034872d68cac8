//! What a query or a form says: `key=value&key=value`, percent-encoded.

use narrows_protocol::query::decode_text;
use thiserror::Error;

/// The longest key or value, in bytes: what they name is compared with all names that there are.
pub(crate) const MAX_VALUE: usize = 512;

/// Why a query cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum QueryError {
    /// A key or a value that is not written as URLs are.
    #[error("`{text}` is not percent-encoded as URLs are; check it")]
    NotEncoded {
        /// What is written.
        text: String,
    },
    /// A key or a value that names nothing that there may be.
    #[error("`{beginning}…` is longer than {MAX_VALUE} bytes, and no name is")]
    TooLong {
        /// How it begins.
        beginning: String,
    },
}

/// A key or a value, if it is not too long.
pub(crate) fn bounded(text: String) -> Result<String, QueryError> {
    if text.len() > MAX_VALUE {
        let beginning = text.chars().take(32).collect();
        return Err(QueryError::TooLong { beginning });
    }
    Ok(text)
}

/// The pairs of a query or of a form, decoded, in their order. A key without `=` has an empty value.
///
/// # Errors
/// The first key or value that cannot be decoded, or is too long.
pub(crate) fn form(text: &str) -> Result<Vec<(String, String)>, QueryError> {
    let decode = |text: &str| {
        // three characters for each byte
        if text.len() > 3 * MAX_VALUE {
            return bounded(text.to_owned());
        }
        let decoded = decode_text(text).ok_or_else(|| QueryError::NotEncoded {
            text: text.to_owned(),
        });
        bounded(decoded?)
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_their_order() {
        let pairs = form("link=hq-m%C3%BCnchen&&site=a+b&all").unwrap();
        let expected = [("link", "hq-münchen"), ("site", "a b"), ("all", "")];
        assert!(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn what_is_longer_than_any_name_is_refused_and_not_repeated() {
        for text in ["x".repeat(MAX_VALUE + 1), "%78".repeat(MAX_VALUE + 1)] {
            for pair in [format!("agent={text}"), format!("{text}=1")] {
                let sentence = form(&pair).unwrap_err().to_string();
                assert!(
                    sentence.contains("longer than 512") && sentence.len() < 100,
                    "{sentence}"
                );
            }
        }
        assert!(form(&format!("agent={}", "%78".repeat(MAX_VALUE))).is_ok());
    }

    #[test]
    fn a_broken_escape_is_named() {
        for text in ["a%2", "%zz", "%FF"] {
            let sentence = form(&format!("site=b&content={text}")).unwrap_err().to_string();
            assert!(
                sentence.starts_with(&format!("`{text}` is not percent-encoded")),
                "{sentence}"
            );
        }
    }
}
