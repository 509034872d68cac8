//! URL queries: pairs, percent-encoding, and what can be wrong with a request.

use thiserror::Error;

/// Most bytes of a query; an announce needs about 300, a scrape 71 for each hash.
const MAX_QUERY: usize = 8 * 1024;
/// Most pairs of a query.
const MAX_PAIRS: usize = 128;

/// Why a request is refused. The texts are constants that are safe to show to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Error)]
#[error("{}", self.reason())]
#[expect(missing_docs, reason = "`reason` says what each means")]
pub enum RequestError {
    TooLong,
    TooManyKeys,
    MissingInfoHash,
    BadInfoHash,
    DuplicateInfoHash,
    MissingPeerId,
    BadPeerId,
    MissingPort,
    BadPort,
    BadAgent,
    BadRole,
    BadGateway,
    BadLost,
    BadPreference,
    BadShare,
    BadGone,
    BadFrom,
    FullScrape,
}

impl RequestError {
    /// The constant text.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "the query is longer than 8 KiB",
            Self::TooManyKeys => "the query has more than 128 keys",
            Self::MissingInfoHash => "info_hash is missing",
            Self::BadInfoHash => "info_hash is not 20 percent-encoded bytes",
            Self::DuplicateInfoHash => "info_hash is given more than once",
            Self::MissingPeerId => "peer_id is missing",
            Self::BadPeerId => "peer_id is not 20 percent-encoded bytes",
            Self::MissingPort => "port is missing",
            Self::BadPort => "port is not a number from 1 to 65535",
            Self::BadAgent => "agent is not an id of 1 to 64 printable characters",
            Self::BadRole => "role is neither gateway nor member",
            Self::BadGateway => "gateway is not an address with a port",
            Self::BadLost => "lost is not an address with a port",
            Self::BadPreference => "gw is none of auto, never, prefer",
            Self::BadShare => "share is neither always nor never",
            Self::BadGone => "gone is not an address with a port",
            Self::BadFrom => "from is not SITE:BYTES",
            Self::FullScrape => "a scrape without info_hash is not offered; name the hashes",
        }
    }
}

/// The pairs of a query. A key without `=` has an empty value; what follows the first `=` is the value.
pub(crate) struct Pairs<'q> {
    rest: Option<&'q str>,
    seen: usize,
}

impl<'q> Pairs<'q> {
    pub(crate) fn new(query: &'q str) -> Result<Self, RequestError> {
        if query.len() > MAX_QUERY {
            return Err(RequestError::TooLong);
        }
        Ok(Self {
            rest: Some(query),
            seen: 0,
        })
    }
}

impl<'q> Iterator for Pairs<'q> {
    type Item = Result<(&'q str, &'q str), RequestError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (pair, rest) = match self.rest?.split_once('&') {
                Some((pair, rest)) => (pair, Some(rest)),
                None => (self.rest?, None),
            };
            self.rest = rest;
            if pair.is_empty() {
                continue;
            }
            self.seen += 1;
            if self.seen > MAX_PAIRS {
                self.rest = None;
                return Some(Err(RequestError::TooManyKeys));
            }
            return Some(Ok(pair.split_once('=').unwrap_or((pair, ""))));
        }
    }
}

/// Decodes exactly 20 bytes; `None` for any other number or a broken escape.
pub(crate) fn decode20(value: &str) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    let mut decoded = Bytes(value.as_bytes());
    for byte in &mut out {
        *byte = decoded.next()??;
    }
    decoded.next().is_none().then_some(out)
}

/// Decodes a percent-encoded text (RFC 3986), with `+` for a space; `None` for a broken escape or bytes that
/// are not UTF-8.
pub fn decode_text(value: &str) -> Option<String> {
    if !value.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Some(value.to_owned());
    }
    let bytes: Option<Vec<u8>> = Bytes(value.as_bytes()).collect();
    String::from_utf8(bytes?).ok()
}

/// Appends bytes so that [`decode20`] and [`decode_text`] read them back.
pub fn encode(bytes: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Decoded bytes one by one. `+` is a space, as HTML forms and most libraries write it.
struct Bytes<'q>(&'q [u8]);

impl Iterator for Bytes<'_> {
    /// `None` marks a broken escape.
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {
            [] => None,
            [b'%', high, low, rest @ ..] => {
                self.0 = rest;
                Some(hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low))
            }
            [b'%', ..] => {
                self.0 = &[];
                Some(None)
            }
            [b'+', rest @ ..] => {
                self.0 = rest;
                Some(Some(b' '))
            }
            [byte, rest @ ..] => {
                self.0 = rest;
                Some(Some(*byte))
            }
        }
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
