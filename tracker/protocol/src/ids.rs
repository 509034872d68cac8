//! The two 20-byte names of BitTorrent: the torrent's and the peer's.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The SHA-1 of a torrent's info dictionary (BEP 3), or the first 20 bytes of its SHA-256 (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash(pub [u8; 20]);

/// A peer's own name for itself: 20 arbitrary bytes (BEP 3), by convention a client's tag and randomness (BEP
/// 20).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

/// A text that is no info hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("an info hash has 40 hexadecimal digits (BitTorrent v1) or 64 (v2)")]
pub struct ParseInfoHashError;

impl FromStr for InfoHash {
    type Err = ParseInfoHashError;

    /// Reads 40 hexadecimal digits, or the 64 of a v2 torrent, of which the first 40 count (BEP 52).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if !matches!(digits.len(), 40 | 64) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParseInfoHashError);
        }
        let mut hash = [0; 20];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |d: u8| char::from(d).to_digit(16).map_or(0, |d| d as u8);
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
