//! Which pieces a peer has (BEP 3).

use bytes::Bytes;

use crate::WireError;

/// Which pieces a peer has. Kept as it is sent (BEP 3): the first piece is the highest bit of the first
/// byte.
///
/// The number of set bits is kept too, so [`count`](Self::count) and [`is_full`](Self::is_full) cost nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bitfield {
    bits: Vec<u8>,
    len: u32,
    count: u32,
}

impl Bitfield {
    /// A bitfield of `len` pieces with no bit set.
    pub fn new(len: u32) -> Self {
        Self {
            bits: vec![0; byte_len(len)],
            len,
            count: 0,
        }
    }

    /// A bitfield of `len` pieces with every bit set.
    pub fn full(len: u32) -> Self {
        let mut bits = vec![0xff; byte_len(len)];
        if let Some(last) = bits.last_mut() {
            *last &= !spare_mask(len);
        }
        Self {
            bits,
            len,
            count: len,
        }
    }

    /// Takes the payload of a `Bitfield` message for a content of `len` pieces.
    ///
    /// # Errors
    /// [`WireError::BitfieldLength`] unless it has exactly as many bytes as `len` bits need, and
    /// [`WireError::SpareBits`] if a bit beyond the last piece is set (BEP 3: drop the connection).
    pub fn from_wire(bytes: &[u8], len: u32) -> Result<Self, WireError> {
        if bytes.len() != byte_len(len) {
            return Err(WireError::BitfieldLength {
                found: bytes.len(),
                pieces: len,
            });
        }
        if bytes.last().is_some_and(|last| last & spare_mask(len) != 0) {
            return Err(WireError::SpareBits);
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(Self {
            bits: bytes.to_vec(),
            len,
            count,
        })
    }

    /// The payload of a `Bitfield` message.
    pub fn to_wire(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bits)
    }

    /// The bits as sent, borrowed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    /// Number of pieces, set or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no bit is set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether every bit is set.
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Number of set bits.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether `piece` is set; `false` for a piece that does not exist.
    pub fn has(&self, piece: u32) -> bool {
        piece < self.len && self.bits[(piece / 8) as usize] & bit(piece) != 0
    }

    /// Sets `piece`; says whether that changed anything. A piece that does not exist is ignored.
    pub fn set(&mut self, piece: u32) -> bool {
        let new = piece < self.len && !self.has(piece);
        if new {
            self.bits[(piece / 8) as usize] |= bit(piece);
            self.count += 1;
        }
        new
    }

    /// Clears `piece`; says whether that changed anything.
    pub fn unset(&mut self, piece: u32) -> bool {
        let was = self.has(piece);
        if was {
            self.bits[(piece / 8) as usize] &= !bit(piece);
            self.count -= 1;
        }
        was
    }

    /// The set pieces, ascending. Empty stretches cost one step per 64 pieces.
    pub fn iter_ones(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.bits.len().div_ceil(8)).flat_map(move |index| Ones {
            word: self.word(index),
            base: index as u32 * 64,
        })
    }

    /// The pieces that are not set, ascending.
    pub fn iter_missing(&self) -> impl Iterator<Item = u32> + '_ {
        let len = self.len;
        (0..self.bits.len().div_ceil(8))
            .flat_map(move |index| Ones {
                word: !self.word(index),
                base: index as u32 * 64,
            })
            .take_while(move |piece| *piece < len)
    }

    /// Bits `index * 64 ..` as one word, first piece in the highest bit, zero beyond the end.
    fn word(&self, index: usize) -> u64 {
        let rest = &self.bits[index * 8..];
        let mut word = [0; 8];
        let n = rest.len().min(8);
        word[..n].copy_from_slice(&rest[..n]);
        u64::from_be_bytes(word)
    }
}

impl std::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitfield({} of {})", self.count, self.len)
    }
}

fn byte_len(pieces: u32) -> usize {
    pieces.div_ceil(8) as usize
}

fn bit(piece: u32) -> u8 {
    0x80 >> (piece % 8)
}

/// The bits of the last byte that belong to no piece.
fn spare_mask(len: u32) -> u8 {
    match len % 8 {
        0 => 0,
        used => 0xff >> used,
    }
}

/// The set bits of a word, highest first.
struct Ones {
    word: u64,
    base: u32,
}

impl Iterator for Ones {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.word == 0 {
            return None;
        }
        let lead = self.word.leading_zeros();
        self.word &= !(1 << (63 - lead));
        Some(self.base + lead)
    }
}
