//! Metainfo (.torrent files): BEP 3, announce tiers (BEP 12), private torrents (BEP 27), padding files (BEP 47);
//! the v1 half of hybrid torrents (BEP 52). No I/O: bytes in, bytes out.

mod lengths;

pub use lengths::{BLOCK, Lengths};

use crate::ids::InfoHash;

/// What a .torrent describes. Everything in it has been checked: names are safe on Linux and Windows,
/// lengths add up, there is a hash for every piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metainfo {
    /// SHA-1 of the info dictionary's bytes exactly as they stand in the file.
    pub info_hash: InfoHash,
    /// Tracker URLs in tiers (BEP 12); a lone `announce` is one tier of one. May be empty.
    pub announce: Vec<Vec<String>>,
    /// Name of the file, or of the folder that holds the files.
    pub name: String,
    /// Bytes of every piece but the last: a multiple of 16 KiB, at most 64 MiB.
    pub piece_length: u32,
    /// SHA-1 of every piece.
    pub pieces: Pieces,
    /// In the order of their bytes; never empty. Padding files included.
    pub files: Vec<File>,
    /// Whether `name` is a folder.
    pub multi_file: bool,
    /// BEP 27: peers come from the torrent's trackers only.
    pub private: bool,
    /// Bytes of all files together, padding included; at least 1.
    pub total: u64,
}

/// One file of a content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Components below the content's name; empty for a single-file content.
    pub path: Vec<String>,
    /// Bytes; may be 0.
    pub length: u64,
    /// Where it begins in the content.
    pub offset: u64,
    /// BEP 47 padding: zeros that are hashed but never stored.
    pub padding: bool,
}

/// The SHA-1 hashes of all pieces.
#[derive(Clone, PartialEq, Eq)]
pub struct Pieces(Vec<[u8; 20]>);

impl Pieces {
    /// Hashes in piece order.
    #[must_use]
    pub fn new(hashes: Vec<[u8; 20]>) -> Self {
        Self(hashes)
    }

    /// Number of pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no pieces; never so in a parsed [`Metainfo`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This piece's hash, if there is such a piece.
    #[must_use]
    pub fn hash(&self, piece: u32) -> Option<&[u8; 20]> {
        self.0.get(usize::try_from(piece).ok()?)
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pieces", self.0.len())
    }
}

impl Metainfo {
    /// Reads a .torrent file.
    ///
    /// # Errors
    /// Whatever makes it unusable or unsafe, in words for the person who made it.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        let _ = bytes;
        Err(MetainfoError::Malformed("not yet".to_owned()))
    }

    /// Size and piece length, and what follows from these.
    #[must_use]
    pub fn lengths(&self) -> Lengths {
        Lengths::checked(self.piece_length, self.total)
    }

    /// Number of pieces.
    #[must_use]
    pub fn piece_count(&self) -> u32 {
        self.lengths().piece_count()
    }

    /// Bytes of this piece; 0 if there is no such piece.
    #[must_use]
    pub fn piece_size(&self, piece: u32) -> u32 {
        self.lengths().piece_size(piece)
    }
}

/// Why a .torrent is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetainfoError {
    /// Not bencoding, or a key is missing or of the wrong type.
    #[error("not a usable .torrent: {0}")]
    Malformed(String),
}
