//! What a configuration asks for: its entries with their torrents read. Blocking.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use narrows_protocol::Sharing;
use narrows_protocol::metainfo::Metainfo;
use narrows_swarm::GatewayMode;

use crate::config::ContentEntry;

/// The largest .torrent that is read, in bytes.
const MAX_TORRENT: u64 = 64 << 20;

/// An entry of `content`, read. Two that are equal need no restart of the content.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) torrent: PathBuf,
    pub(super) target: PathBuf,
    pub(super) gateway: GatewayMode,
    pub(super) share: Sharing,
    /// Or what is wrong with the torrent, for a person.
    pub(super) meta: Result<Arc<Metainfo>, String>,
    /// Another entry is the same content: reading this one again changes nothing.
    pub(super) duplicate: bool,
}

impl Wanted {
    /// The content's name; the torrent's path if that could not be read.
    pub(super) fn name(&self) -> String {
        match &self.meta {
            Ok(meta) => meta.name.clone(),
            Err(_) => self.torrent.display().to_string(),
        }
    }

    /// Whether the torrent could not be read, or is none: it may come later, or be half-written.
    pub(super) fn is_unread(&self) -> bool {
        self.meta.is_err() && !self.duplicate
    }

    fn same_content(&self, other: &Self) -> bool {
        matches!((&self.meta, &other.meta), (Ok(a), Ok(b)) if a.info_hash == b.info_hash)
    }
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        let trackers = |wanted: &Self| wanted.meta.as_ref().map(|meta| meta.announce.clone()).ok();
        self.target == other.target
            && self.gateway == other.gateway
            && self.share == other.share
            && self.same_content(other)
            && trackers(self) == trackers(other)
    }
}

/// Reads the torrents of all entries. One that cannot be used is an error in its place; the others go on.
pub(super) fn read(entries: &[ContentEntry], gateway: GatewayMode, share: Sharing) -> Vec<Wanted> {
    let mut out: Vec<Wanted> = Vec::new();
    for entry in entries {
        let meta = read_torrent(&entry.torrent).map(Arc::new);
        let mut wanted = Wanted {
            torrent: entry.torrent.clone(),
            target: entry.target.clone(),
            gateway,
            share,
            meta,
            duplicate: false,
        };
        if let Some(first) = out.iter().find(|first| first.same_content(&wanted)) {
            let (this, other) = (wanted.torrent.display(), first.torrent.display());
            wanted.duplicate = true;
            wanted.meta = Err(format!(
                "{this} is the same content as {other}; remove one of the two entries"
            ));
        }
        out.push(wanted);
    }
    out
}

/// Reads a .torrent that this agent may use.
pub(crate) fn read_torrent(path: &Path) -> Result<Metainfo, String> {
    let explained = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_TORRENT + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > MAX_TORRENT {
        return Err(explained(&"larger than 64 MiB, which no torrent of ours is"));
    }
    let meta = Metainfo::parse(&bytes).map_err(|error| explained(&error))?;
    if !meta.private {
        return Err(explained(
            &"not a private torrent (BEP 27), so its peers would not be the tracker's alone; make it with `narrows-agent create`",
        ));
    }
    Ok(meta)
}
