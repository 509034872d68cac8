//! Metainfo (.torrent files): BEP 3, announce tiers (BEP 12), private torrents (BEP 27), padding, executable
//! files and symbolic links (BEP 47); the v1 half of hybrid torrents (BEP 52). No I/O: bytes in, bytes out.

pub mod create;
mod lengths;
pub mod links;
pub mod names;
mod order;
mod parse;

pub use lengths::{BLOCK, Lengths};
pub use parse::MAX_SIZE;

use crate::announce::{AnnounceUrl, AnnounceUrlError};
use crate::ids::InfoHash;
use links::LinkError;
use names::{NameError, Names};

/// What a .torrent describes. Everything in it has been checked: names are safe where they must do (Linux and
/// Windows, if it was not asked for otherwise), lengths add up, there is a hash for every piece.
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
    /// BEP 47 `x`: its owner may execute it.
    pub executable: bool,
    /// BEP 47 `l`: a symbolic link, without bytes, to what stands at this path below the content's name: a
    /// file, a folder or another link of the content, never empty.
    pub link: Option<Vec<String>>,
}

impl File {
    /// Whether it has a place of its own on disk for its bytes: padding and links have none.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        !self.padding && self.link.is_none()
    }
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

    /// All hashes in piece order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8; 20]> {
        self.0.iter()
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pieces", self.0.len())
    }
}

impl Metainfo {
    /// The trackers that agents cannot announce to, and why.
    pub fn unusable_trackers(&self) -> impl Iterator<Item = (&str, AnnounceUrlError)> {
        let urls = self.announce.iter().flatten();
        urls.filter_map(|url| Some((url.as_str(), url.parse::<AnnounceUrl>().err()?)))
    }

    /// Why agents can announce to no tracker of it at all, for a person; `None`: there is one that they can
    /// use.
    pub fn without_tracker(&self) -> Option<String> {
        let unusable: Vec<String> = self
            .unusable_trackers()
            .map(|(url, error)| format!("its tracker {url} cannot be announced to: {error}"))
            .collect();
        match self.announce.iter().flatten().count() {
            0 => Some("it names no tracker".to_owned()),
            all if all == unusable.len() => Some(unusable.join("; ")),
            _ => None,
        }
    }

    /// Reads a .torrent file whose names must do on Linux and Windows.
    ///
    /// # Errors
    /// Whatever makes it unusable or unsafe, in words for the person who made it.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        Self::parse_for(bytes, Names::Portable)
    }

    /// [`parse`](Self::parse) with names that must do on these machines.
    ///
    /// # Errors
    /// As there.
    pub fn parse_for(bytes: &[u8], names: Names) -> Result<Self, MetainfoError> {
        parse::parse(bytes, names)
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
    /// Not bencoding, or keys not in order.
    #[error("not a usable .torrent file: {0}")]
    Malformed(String),
    /// Larger than [`MAX_SIZE`].
    #[error(
        "larger than {} MiB, and no more is read: if it is a torrent, make it with larger pieces",
        MAX_SIZE >> 20
    )]
    TooLarge,
    /// A key that BEP 3 demands is not there.
    #[error("the .torrent file has no `{0}`")]
    Missing(&'static str),
    /// A key has a value of the wrong type.
    #[error("`{key}` in the .torrent file is not {expected}")]
    WrongType {
        /// Which key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Both `length` and `files`.
    #[error("the .torrent file says both `length` and `files`; it must be one")]
    LengthAndFiles,
    /// BEP 52 without the v1 keys.
    #[error("this is a BitTorrent v2 torrent; make it as v1 or hybrid")]
    V2Only,
    /// Not a multiple of 16 KiB up to 64 MiB.
    #[error("the piece length {0} is not a multiple of 16 KiB from 16 KiB to 64 MiB")]
    PieceLength(u64),
    /// The number of hashes does not fit the length.
    #[error("`pieces` in the .torrent file has {bytes} bytes; {expected} pieces need 20 each")]
    PieceCount {
        /// Bytes of `pieces`.
        bytes: usize,
        /// How many pieces there are by length.
        expected: u64,
    },
    /// No bytes in any file.
    #[error("the torrent has no content: all files are empty")]
    Empty,
    /// The sum of the lengths exceeds all file systems.
    #[error("the files of the torrent are together longer than any disk")]
    TooLong,
    /// BEP 47 `attr` with `l` for the content itself.
    #[error("{name:?} itself is a symbolic link, which leads nowhere but out of the content")]
    Symlink {
        /// The content's.
        name: String,
    },
    /// A link that leads out of the content, or nowhere.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A name that is unsafe or impossible on Linux or Windows.
    #[error(transparent)]
    Name(#[from] NameError),
}
