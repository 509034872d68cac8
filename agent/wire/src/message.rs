//! The messages of the peer wire protocol, as values.

use bytes::Bytes;

/// A part of a piece: what is requested, rejected, cancelled and sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Block {
    /// Index of the piece.
    pub piece: u32,
    /// Offset in the piece, in bytes.
    pub begin: u32,
    /// Length in bytes.
    pub len: u32,
}

/// One message of a connection, after the handshake.
///
/// Indices and offsets are as the peer sent them: whether a piece exists is for the swarm to judge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Nothing; keeps the connection open.
    KeepAlive,
    /// BEP 3, id 0.
    Choke,
    /// BEP 3, id 1.
    Unchoke,
    /// BEP 3, id 2.
    Interested,
    /// BEP 3, id 3.
    NotInterested,
    /// BEP 3, id 4: the sender has this piece.
    Have(u32),
    /// BEP 3, id 5: raw bits, first piece in the highest bit; see
    /// [`Bitfield::from_wire`](crate::Bitfield::from_wire).
    Bitfield(Bytes),
    /// BEP 3, id 6.
    Request(Block),
    /// BEP 3, id 7: the data of a block, a slice of the receive buffer.
    Piece {
        /// Index of the piece.
        piece: u32,
        /// Offset in the piece, in bytes.
        begin: u32,
        /// 1 byte to 16 KiB.
        data: Bytes,
    },
    /// BEP 3, id 8.
    Cancel(Block),
    /// BEP 5, id 9: a DHT port, which we ignore.
    Port(u16),
    /// BEP 6, id 13.
    Suggest(u32),
    /// BEP 6, id 14.
    HaveAll,
    /// BEP 6, id 15.
    HaveNone,
    /// BEP 6, id 16.
    Reject(Block),
    /// BEP 6, id 17.
    AllowedFast(u32),
    /// BEP 10, id 20; `id` 0 is the extension handshake, see [`ExtendedHandshake`](crate::ExtendedHandshake).
    Extended {
        /// The extension's id, as the receiver of the message chose it.
        id: u8,
        /// At most 16 KiB.
        payload: Bytes,
    },
}
