//! What can go wrong on a disk, in words for the person who has to put it right.

use std::io;
use std::path::{Path, PathBuf};

use crate::platform;

/// Why an operation on a content's files failed. `Display` names the path and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A path the content would use must not be used; nothing was touched.
    #[error("{}: {why}", path.display())]
    Unsafe {
        /// Where.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The disk is, or would be, full. Heals by itself once there is space.
    #[error("the disk of {} is full: {needed} more bytes are needed, {free} are free", path.display())]
    Full {
        /// What could not be written.
        path: PathBuf,
        /// Bytes that are still to be written there, at least.
        needed: u64,
        /// Bytes that are free for us now; 0 if unknown.
        free: u64,
    },
    /// What was complete is not there, and the folder is on another volume than it was. Heals by itself when
    /// the volume is back; [`Content::open_anew`](crate::Content::open_anew) fetches it again.
    #[error(
        "{} is on another volume than when {name} was put there; is it mounted? To fetch it to this one: narrows-agent verify '{name}'",
        path.display()
    )]
    OtherVolume {
        /// The target.
        path: PathBuf,
        /// The content's.
        name: String,
    },
    /// Any other failure of the operating system.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: `read`, `write`, `rename`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such piece, or these bytes are not within it, or not all of it was given.
    #[error("piece {piece} has no {len} bytes at {begin}")]
    OutOfRange {
        /// Piece index.
        piece: u32,
        /// First byte within the piece.
        begin: u32,
        /// Number of bytes.
        len: u64,
    },
    /// Asked for bytes of a piece that is not there (any more).
    #[error("piece {0} is not here")]
    Missing(u32),
    /// `publish` before every piece is verified.
    #[error("{missing} pieces are missing; only whole content is moved to its target")]
    Incomplete {
        /// How many.
        missing: u32,
    },
    /// The caller's stop flag was raised; what was found until then is kept.
    #[error("stopped")]
    Stopped,
}

impl StorageError {
    /// Whether the disk is full (or a quota reached): the content waits and tries again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the process or the system is short of descriptors or memory: it says nothing of the disk, nor of what is
    /// on it.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        matches!(self, Self::Io { source, .. } if platform::is_shortage(source))
    }

    /// For `map_err`: an error of the system, told as [`Self::Full`] when that is what it means.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                path,
                needed: 1,
                free: 0,
            },
            _ => Self::Io { action, path, source },
        }
    }
}
