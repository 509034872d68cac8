//! The peer wire protocol: messages, handshake, extension handshake. No I/O.
//!
//! Bytes come in as a [`bytes::BytesMut`] the caller filled from a socket; messages come out, the data of a
//! [`Message::Piece`] as a slice of that very buffer. Nothing here allocates by a length a peer claims: a
//! message longer than its kind allows is refused from its first five bytes.
//!
//! ```
//! use narrows_wire::{BLOCK_LEN, Block, Codec, Message};
//!
//! let block = Block { piece: 3, begin: 0, len: BLOCK_LEN };
//! let mut buffer = bytes::BytesMut::new();
//! Codec::encode(&Message::Request(block), &mut buffer);
//!
//! let codec = Codec::new(20); // of a content of 20 pieces
//! assert_eq!(codec.decode(&mut buffer)?, Some(Message::Request(block)));
//! assert_eq!(codec.decode(&mut buffer)?, None); // no whole message is left
//! # Ok::<(), narrows_wire::WireError>(())
//! ```
//!
//! Sources: BEP 3 (messages, handshake), BEP 6 (fast extension), BEP 10 (extension protocol).

mod bitfield;
mod codec;
mod error;
mod extended;
mod handshake;
mod message;

pub use bitfield::Bitfield;
pub use codec::Codec;
pub use error::WireError;
pub use extended::{ExtendedHandshake, Extensions, Hello, MAX_EXTENDED, UPLOAD_ONLY, WRONG};
pub use handshake::{Handshake, PROTOCOL};
pub use message::{Block, Message};

/// The length of a block in bytes, except for the last one of a content: what every client requests (BEP 3).
pub const BLOCK_LEN: u32 = 16 * 1024;
