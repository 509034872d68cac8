//! Messages out of bytes and into bytes: framing, lengths, kinds (BEP 3, 6, 10).

use bytes::{Buf, BufMut, BytesMut};

use crate::{BLOCK_LEN, Block, MAX_EXTENDED, Message, WireError};

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const PORT: u8 = 9;
const SUGGEST: u8 = 13;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
const REJECT: u8 = 16;
const ALLOWED_FAST: u8 = 17;
const EXTENDED: u8 = 20;

/// Cuts messages out of a byte stream and writes them. Knows the content's size, so that it can refuse what
/// no honest peer would send before it is buffered.
#[derive(Debug, Clone, Copy)]
pub struct Codec {
    bitfield_len: u32,
    max_len: u32,
}

impl Codec {
    /// Bytes of a `Piece` message before its data: length prefix, id, piece, begin.
    pub const PIECE_HEADER: usize = 13;

    /// A codec for a content of `piece_count` pieces.
    pub fn new(piece_count: u32) -> Self {
        let bitfield_len = piece_count.div_ceil(8);
        let max_len = (1 + bitfield_len).max(9 + BLOCK_LEN).max(2 + MAX_EXTENDED as u32);
        Self {
            bitfield_len,
            max_len,
        }
    }

    /// The most bytes one message takes, length prefix included: more than this never has to be buffered.
    pub fn max_message(&self) -> usize {
        4 + self.max_len as usize
    }

    /// Takes the next message off the front of `buf`, if it is there as a whole. The data of a piece is not
    /// copied. Messages of unknown ids are skipped, as BEP 3 and 10 expect.
    ///
    /// # Errors
    /// A length prefix beyond every message of this content, or not that of its kind. The stream is lost
    /// then: close it.
    pub fn decode(&self, buf: &mut BytesMut) -> Result<Option<Message>, WireError> {
        loop {
            let Some(prefix) = buf.first_chunk::<4>() else {
                return Ok(None);
            };
            let len = u32::from_be_bytes(*prefix);
            if len == 0 {
                buf.advance(4);
                return Ok(Some(Message::KeepAlive));
            }
            if len > self.max_len {
                return Err(WireError::TooLong {
                    len,
                    max: self.max_len,
                });
            }
            let Some(&id) = buf.get(4) else { return Ok(None) };
            if !self.allows(id, len) {
                return Err(WireError::WrongLength { id, len });
            }
            if buf.len() < 4 + len as usize {
                return Ok(None);
            }
            buf.advance(5);
            let payload = buf.split_to(len as usize - 1);
            if let Some(message) = parse(id, payload) {
                return Ok(Some(message));
            }
        }
    }

    /// Appends `message` to `out`.
    pub fn encode(message: &Message, out: &mut BytesMut) {
        match message {
            Message::KeepAlive => out.put_u32(0),
            Message::Choke => put_bare(out, CHOKE),
            Message::Unchoke => put_bare(out, UNCHOKE),
            Message::Interested => put_bare(out, INTERESTED),
            Message::NotInterested => put_bare(out, NOT_INTERESTED),
            Message::Have(piece) => put_index(out, HAVE, *piece),
            Message::Bitfield(bits) => {
                out.put_u32(1 + bits.len() as u32);
                out.put_u8(BITFIELD);
                out.put_slice(bits);
            }
            Message::Request(block) => put_block(out, REQUEST, *block),
            Message::Piece { piece, begin, data } => {
                let block = Block {
                    piece: *piece,
                    begin: *begin,
                    len: data.len() as u32,
                };
                Self::encode_piece_header(block, out);
                out.put_slice(data);
            }
            Message::Cancel(block) => put_block(out, CANCEL, *block),
            Message::Port(port) => {
                out.put_u32(3);
                out.put_u8(PORT);
                out.put_u16(*port);
            }
            Message::Suggest(piece) => put_index(out, SUGGEST, *piece),
            Message::HaveAll => put_bare(out, HAVE_ALL),
            Message::HaveNone => put_bare(out, HAVE_NONE),
            Message::Reject(block) => put_block(out, REJECT, *block),
            Message::AllowedFast(piece) => put_index(out, ALLOWED_FAST, *piece),
            Message::Extended { id, payload } => {
                out.put_u32(2 + payload.len() as u32);
                out.put_u8(EXTENDED);
                out.put_u8(*id);
                out.put_slice(payload);
            }
        }
    }

    /// Appends the first 13 bytes of a `Piece` message; `block.len` bytes of data must follow. So a server
    /// reads the data from disk straight behind its header.
    pub fn encode_piece_header(block: Block, out: &mut BytesMut) {
        out.put_u32(9 + block.len);
        out.put_u8(PIECE);
        out.put_u32(block.piece);
        out.put_u32(block.begin);
    }

    /// Whether a message of kind `id` may have `len` bytes, id included.
    fn allows(&self, id: u8, len: u32) -> bool {
        match id {
            CHOKE | UNCHOKE | INTERESTED | NOT_INTERESTED | HAVE_ALL | HAVE_NONE => len == 1,
            HAVE | SUGGEST | ALLOWED_FAST => len == 5,
            BITFIELD => len == 1 + self.bitfield_len,
            REQUEST | CANCEL | REJECT => len == 13,
            PIECE => (10..=9 + BLOCK_LEN).contains(&len),
            PORT => len == 3,
            EXTENDED => (2..=2 + MAX_EXTENDED as u32).contains(&len),
            _ => true,
        }
    }
}

/// Reads a payload whose length [`Codec::allows`] has accepted; `None` for an unknown id.
fn parse(id: u8, mut payload: BytesMut) -> Option<Message> {
    Some(match id {
        CHOKE => Message::Choke,
        UNCHOKE => Message::Unchoke,
        INTERESTED => Message::Interested,
        NOT_INTERESTED => Message::NotInterested,
        HAVE => Message::Have(payload.get_u32()),
        BITFIELD => Message::Bitfield(payload.freeze()),
        REQUEST => Message::Request(block(&mut payload)),
        PIECE => Message::Piece {
            piece: payload.get_u32(),
            begin: payload.get_u32(),
            data: payload.freeze(),
        },
        CANCEL => Message::Cancel(block(&mut payload)),
        PORT => Message::Port(payload.get_u16()),
        SUGGEST => Message::Suggest(payload.get_u32()),
        HAVE_ALL => Message::HaveAll,
        HAVE_NONE => Message::HaveNone,
        REJECT => Message::Reject(block(&mut payload)),
        ALLOWED_FAST => Message::AllowedFast(payload.get_u32()),
        EXTENDED => Message::Extended {
            id: payload.get_u8(),
            payload: payload.freeze(),
        },
        _ => return None,
    })
}

fn block(payload: &mut BytesMut) -> Block {
    Block {
        piece: payload.get_u32(),
        begin: payload.get_u32(),
        len: payload.get_u32(),
    }
}

fn put_bare(out: &mut BytesMut, id: u8) {
    out.put_u32(1);
    out.put_u8(id);
}

fn put_index(out: &mut BytesMut, id: u8, piece: u32) {
    out.put_u32(5);
    out.put_u8(id);
    out.put_u32(piece);
}

fn put_block(out: &mut BytesMut, id: u8, block: Block) {
    out.put_u32(13);
    out.put_u8(id);
    out.put_u32(block.piece);
    out.put_u32(block.begin);
    out.put_u32(block.len);
}
