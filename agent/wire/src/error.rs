//! What ends a connection: bytes that the protocol does not allow.

use thiserror::Error;

/// What a peer sent that the protocol does not allow. Each of them ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// The length prefix is larger than any message of this content can be.
    #[error("message of {len} bytes announced, at most {max} are allowed")]
    TooLong {
        /// Claimed length in bytes.
        len: u32,
        /// What this content allows, in bytes.
        max: u32,
    },
    /// The length prefix does not fit the kind of message.
    #[error("message {id} has a length of {len} bytes, which its kind does not allow")]
    WrongLength {
        /// The message id (BEP 3, 6, 10).
        id: u8,
        /// Claimed length in bytes, id included.
        len: u32,
    },
    /// A bitfield of the wrong size.
    #[error("bitfield of {found} bytes for {pieces} pieces")]
    BitfieldLength {
        /// Bytes that came.
        found: usize,
        /// Pieces of the content.
        pieces: u32,
    },
    /// A bitfield whose bits beyond the last piece are not zero.
    #[error("bitfield claims pieces beyond the last one")]
    SpareBits,
    /// A handshake that is not BitTorrent's.
    #[error("the handshake is not one of BitTorrent")]
    NotBitTorrent,
    /// An extension handshake that is no well-formed dictionary, too large, or too deep.
    #[error("bad extension handshake: {0}")]
    BadExtended(&'static str),
}
