//! What a query or a form says: `key=value&key=value`, percent-encoded.

use narrows_protocol::query::decode_text;
use thiserror::Error;

/// A key or a value that is not written as URLs are.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{text}` is not percent-encoded as URLs are; check it")]
pub(crate) struct QueryError {
    text: String,
}

/// The pairs of a query or of a form, decoded, in their order. A key without `=` has an empty value.
///
/// # Errors
/// The first key or value that cannot be decoded.
pub(crate) fn form(text: &str) -> Result<Vec<(String, String)>, QueryError> {
    let decode = |text: &str| {
        decode_text(text).ok_or_else(|| QueryError {
            text: text.to_owned(),
        })
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
