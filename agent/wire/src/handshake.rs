//! The first 68 bytes of a connection (BEP 3).

use narrows_protocol::{InfoHash, PeerId};

use crate::WireError;

/// The first 20 bytes of every connection (BEP 3).
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The first message of each side: which peer it is, which content it wants, what it can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// The content.
    pub info_hash: InfoHash,
    /// The sender.
    pub peer_id: PeerId,
    /// The sender speaks the fast extension (BEP 6).
    pub fast: bool,
    /// The sender speaks the extension protocol (BEP 10).
    pub extended: bool,
}

impl Handshake {
    /// Length of a handshake in bytes.
    pub const LEN: usize = 68;

    /// As it is sent.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..20].copy_from_slice(PROTOCOL);
        if self.extended {
            out[20 + 5] |= 0x10;
        }
        if self.fast {
            out[20 + 7] |= 0x04;
        }
        out[28..48].copy_from_slice(&self.info_hash.0);
        out[48..].copy_from_slice(&self.peer_id.0);
        out
    }

    /// Reads one; unknown reserved bits are ignored.
    ///
    /// # Errors
    /// [`WireError::NotBitTorrent`] if it does not begin with [`PROTOCOL`].
    pub fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, WireError> {
        if &bytes[..20] != PROTOCOL {
            return Err(WireError::NotBitTorrent);
        }
        let mut info_hash = [0; 20];
        info_hash.copy_from_slice(&bytes[28..48]);
        let mut peer_id = [0; 20];
        peer_id.copy_from_slice(&bytes[48..]);
        Ok(Self {
            info_hash: InfoHash(info_hash),
            peer_id: PeerId(peer_id),
            fast: bytes[20 + 7] & 0x04 != 0,
            extended: bytes[20 + 5] & 0x10 != 0,
        })
    }
}
