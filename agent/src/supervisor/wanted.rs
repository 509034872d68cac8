//! What a configuration asks for: its entries with their torrents read. Blocking.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{Metainfo, MetainfoError};
use narrows_protocol::{GatewayPreference, Sharing};

use super::places::{self, Place};
use crate::config::Config;

/// The largest .torrent that is read, in bytes.
const MAX_TORRENT: u64 = 64 << 20;

/// An entry of `content`, read. Two that are equal need no restart of the content.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) torrent: PathBuf,
    pub(super) target: PathBuf,
    pub(super) gateway: GatewayPreference,
    pub(super) share: Sharing,
    /// For which machines its names must do.
    pub(super) names: Names,
    /// Or what is wrong with the torrent, for a person.
    pub(super) meta: Result<Arc<Metainfo>, String>,
    /// Another entry is the same content, or the place is taken: reading the torrent again changes nothing.
    pub(super) duplicate: bool,
}

impl Wanted {
    /// Whether it is as unusable as the other one, for the same reason.
    pub(super) fn is_broken_as(&self, other: &Self) -> bool {
        let error = self.meta.as_ref().err();
        error.is_some() && error == other.meta.as_ref().err() && self.torrent == other.torrent
    }

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

/// Reads the torrents of all entries. One that cannot be used is an error in its place; the others go on. Of
/// two that are in each other's way a running one is right, else the first.
pub(super) fn read(config: &Config, running: &[Wanted]) -> Vec<Wanted> {
    let mut out: Vec<Wanted> = Vec::new();
    for entry in &config.content {
        let meta = read_torrent(&entry.torrent, config.names).map(Arc::new);
        let mut wanted = Wanted {
            torrent: entry.torrent.clone(),
            target: entry.target.clone(),
            gateway: config.gateway,
            share: config.share,
            names: config.names,
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
    refuse_places(&mut out, config, running);
    out
}

/// All mistakes in the contents of a configuration, for a person.
pub(crate) fn mistakes(config: &Config) -> Vec<String> {
    let wanted = read(config, &[]);
    wanted.into_iter().filter_map(|wanted| wanted.meta.err()).collect()
}

fn refuse_places(out: &mut [Wanted], config: &Config, running: &[Wanted]) {
    let runs = |wanted: &Wanted| {
        let same = |one: &Wanted| one.same_content(wanted) && one.target == wanted.target;
        running.iter().any(same)
    };
    let place = |wanted: &Wanted| Place {
        label: format!("{} ({})", wanted.name(), wanted.torrent.display()),
        target: places::resolved(&wanted.target),
        name: wanted.name(),
    };
    // what runs goes on while its torrent cannot be read
    let unread: Vec<&Wanted> = out.iter().filter(|wanted| wanted.is_unread()).collect();
    let stays = |one: &&Wanted| one.meta.is_ok() && unread.iter().any(|wanted| wanted.torrent == one.torrent);
    let mut found: Vec<Place> = running.iter().filter(stays).map(place).collect();
    let before = found.len();
    let mut good: Vec<&mut Wanted> = out.iter_mut().filter(|wanted| wanted.meta.is_ok()).collect();
    good.sort_by_key(|wanted| !runs(wanted));
    found.extend(good.iter().map(|wanted| place(wanted)));
    let own = [
        ("state", places::resolved(&config.state)),
        ("data", places::resolved(&config.data)),
    ];
    let faults = places::faults(&found, &own).into_iter().skip(before);
    for (wanted, fault) in good.into_iter().zip(faults) {
        if let Some(fault) = fault {
            wanted.duplicate = true;
            wanted.meta = Err(fault);
        }
    }
}

/// Reads a .torrent that an agent may use whose names must do on these machines.
pub(crate) fn read_torrent(path: &Path, names: Names) -> Result<Metainfo, String> {
    let explained = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_TORRENT + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > MAX_TORRENT {
        return Err(explained(&"larger than 64 MiB, which no torrent of ours is"));
    }
    let meta = Metainfo::parse_for(&bytes, names).map_err(|error| match &error {
        MetainfoError::Name(name) if name.why.is_of_windows() && !cfg!(windows) => explained(&format!(
            "{error}; machines with Linux take it with `names: linux` in agent.yaml (`--names linux` for get), others not at all"
        )),
        _ => explained(&error),
    })?;
    if !meta.private {
        return Err(explained(
            &"not a private torrent (BEP 27), so its peers would not be the tracker's alone; make it with `narrows-agent create`",
        ));
    }
    if cfg!(windows)
        && let Some(link) = meta.files.iter().find(|file| file.link.is_some())
    {
        return Err(explained(&format!(
            "has symbolic links, as {}, which agents on Windows do not make; put what they lead to in their place and make \
             the torrent anew, or keep it from machines with Windows",
            link.path.join("/")
        )));
    }
    Ok(meta)
}
