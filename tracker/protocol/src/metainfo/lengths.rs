//! How a content is cut into pieces and pieces into blocks.

/// What one request asks for, in bytes; a piece's last block may be shorter (BEP 3).
pub const BLOCK: u32 = 16 * 1024;

/// A content's size and piece length, and everything that follows from these two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lengths {
    piece_length: u32,
    total: u64,
}

impl Lengths {
    /// `None` if either is zero or there would be more than `u32::MAX` pieces. What a torrent may say beyond
    /// that (multiples of [`BLOCK`], ...) is for [`Metainfo::parse`](super::Metainfo::parse) to check.
    #[must_use]
    pub fn new(piece_length: u32, total: u64) -> Option<Self> {
        if piece_length == 0 || total == 0 {
            return None;
        }
        u32::try_from(total.div_ceil(u64::from(piece_length))).ok()?;
        Some(Self { piece_length, total })
    }

    /// For values that were checked already, as in a parsed [`Metainfo`](super::Metainfo).
    pub(super) fn checked(piece_length: u32, total: u64) -> Self {
        Self {
            piece_length: piece_length.max(1),
            total,
        }
    }

    /// Bytes of every piece but the last.
    #[must_use]
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Bytes of the whole content.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Number of pieces; at least 1.
    #[must_use]
    pub fn piece_count(&self) -> u32 {
        // `new` made sure that it fits
        u32::try_from(self.total.div_ceil(u64::from(self.piece_length))).unwrap_or(u32::MAX)
    }

    /// Offset of a piece's first byte in the content, whether or not there is such a piece.
    #[must_use]
    pub fn piece_offset(&self, piece: u32) -> u64 {
        u64::from(piece) * u64::from(self.piece_length)
    }

    /// Bytes of this piece; 0 if there is no such piece.
    #[must_use]
    pub fn piece_size(&self, piece: u32) -> u32 {
        let rest = self.total.saturating_sub(self.piece_offset(piece));
        u32::try_from(rest).map_or(self.piece_length, |rest| rest.min(self.piece_length))
    }

    /// Bytes of the block that begins there: [`BLOCK`], less at the end of a piece, 0 beyond it.
    #[must_use]
    pub fn block_len(&self, piece: u32, begin: u32) -> u32 {
        self.piece_size(piece).saturating_sub(begin).min(BLOCK)
    }

    /// Number of blocks of this piece; 0 if there is no such piece.
    #[must_use]
    pub fn block_count(&self, piece: u32) -> u32 {
        self.piece_size(piece).div_ceil(BLOCK)
    }
}
