//! Reads a .torrent, and says why an agent cannot use it. Blocking.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{MAX_SIZE, Metainfo, MetainfoError};

/// Why an agent cannot use a .torrent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorrentError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// It is no torrent, too large, or dangerous.
    #[error("{}: {source}", path.display())]
    Invalid { path: PathBuf, source: MetainfoError },
    /// It has a name that other machines than this one cannot hold.
    #[error(
        "{}: {source}; machines with Linux take it with `names: linux` in agent.yaml (`--names linux` for get), others not at all",
        path.display()
    )]
    NotPortable { path: PathBuf, source: MetainfoError },
    /// Its peers could come from elsewhere.
    #[error(
        "{}: not a private torrent (BEP 27), so its peers would not be the tracker's alone; make it with `narrows-agent create`",
        .0.display()
    )]
    NotPrivate(PathBuf),
    /// It has links, and this is Windows.
    #[error(
        "{}: has symbolic links, as {link}, which agents on Windows do not make; put what they lead to in their place and make \
         the torrent anew, or keep it from machines with Windows",
        path.display()
    )]
    Links { path: PathBuf, link: String },
}

/// Reads a .torrent that an agent may use whose names must do on these machines.
///
/// # Errors
/// See [`TorrentError`].
pub(crate) fn read_torrent(path: &Path, names: Names) -> Result<Metainfo, TorrentError> {
    let mut bytes = Vec::new();
    // one byte more than is parsed shows that it is too large
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_SIZE as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| TorrentError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    let meta = Metainfo::parse_for(&bytes, names).map_err(|source| {
        let path = path.to_owned();
        match &source {
            MetainfoError::Name(name) if name.why.is_of_windows() && !cfg!(windows) => {
                TorrentError::NotPortable { path, source }
            }
            _ => TorrentError::Invalid { path, source },
        }
    })?;
    if !meta.private {
        return Err(TorrentError::NotPrivate(path.to_owned()));
    }
    if cfg!(windows)
        && let Some(link) = meta.files.iter().find(|file| file.link.is_some())
    {
        return Err(TorrentError::Links {
            path: path.to_owned(),
            link: link.path.join("/"),
        });
    }
    Ok(meta)
}
