//! One .torrent of the folder: what it is, and what is wrong with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use narrows_protocol::InfoHash;
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{MAX_SIZE, Metainfo, MetainfoError};

use super::Content;

/// A .torrent that can be tracked.
pub(super) struct Torrent {
    pub(super) info_hash: InfoHash,
    pub(super) content: Content,
    /// What is wrong with it all the same, each with what to do.
    pub(super) warnings: Vec<String>,
}

/// Why a .torrent cannot be tracked.
#[derive(Debug, thiserror::Error)]
pub(super) enum TorrentError {
    #[error("it cannot be read: {0}; check its permissions")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Invalid(#[from] MetainfoError),
}

/// Reads and checks a file. Blocking.
pub(super) fn read(path: &Path) -> Result<Torrent, TorrentError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_SIZE {
        return Err(MetainfoError::TooLarge.into());
    }
    // no name of a file means anything here
    let metainfo = Metainfo::parse_for(&bytes, Names::Linux)?;
    let mut warnings = Vec::new();
    if !metainfo.private {
        let public = "torrent is not private: clients may find peers past the tracker, across any link";
        warnings.push(public.to_owned());
    }
    match metainfo.without_tracker() {
        Some(reason) => warnings.push(format!(
            "no agent can announce this torrent: {reason}; make it anew with narrows-agent create"
        )),
        None => warnings.extend(
            metainfo
                .unusable_trackers()
                .map(|(url, error)| format!("agents pass over the tracker {url} of this torrent: {error}")),
        ),
    }
    let name: Arc<str> = metainfo.name.as_str().into();
    Ok(Torrent {
        info_hash: metainfo.info_hash,
        content: Content {
            name: Arc::clone(&name),
            own_name: name,
            size: metainfo.total,
        },
        warnings,
    })
}
