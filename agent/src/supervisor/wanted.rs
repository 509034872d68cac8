//! What a configuration asks for: its entries with their torrents read. Blocking.

use std::path::PathBuf;
use std::sync::Arc;

use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::{GatewayPreference, Sharing};

use super::places::{self, Place, PlaceFault};
use super::torrent::{TorrentError, read_torrent};
use crate::config::Config;

/// Why an entry of `content` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// Its torrent could not be read, or is none: it may come later, or be half-written.
    #[error(transparent)]
    Unread(#[from] TorrentError),
    /// Another entry is the same content: reading it again changes nothing.
    #[error("{} is the same content as {}; remove one of the two entries", torrent.display(), other.display())]
    Duplicate { torrent: PathBuf, other: PathBuf },
    /// Another content, or the agent itself, is where it is to go.
    #[error(transparent)]
    Place(#[from] PlaceFault),
}

/// An entry of `content`, read. Two that are equal need no restart of the content.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) torrent: PathBuf,
    pub(super) target: PathBuf,
    pub(super) gateway: GatewayPreference,
    pub(super) share: Sharing,
    /// For which machines its names must do.
    pub(super) names: Names,
    /// What it describes, or what is wrong with it.
    pub(super) meta: Result<Arc<Metainfo>, Arc<Unusable>>,
}

impl Wanted {
    /// Whether it is as unusable as the other one, for the same reason.
    pub(super) fn is_broken_as(&self, other: &Self) -> bool {
        let why = |wanted: &Self| wanted.meta.as_ref().err().map(ToString::to_string);
        self.meta.is_err() && why(self) == why(other) && self.torrent == other.torrent
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
        matches!(&self.meta, Err(why) if matches!(**why, Unusable::Unread(_)))
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
        let meta = read_torrent(&entry.torrent, config.names)
            .map(|meta| Arc::new(announced_to(meta, config)))
            .map_err(|error| Arc::new(error.into()));
        let mut wanted = Wanted {
            torrent: entry.torrent.clone(),
            target: entry.target.clone(),
            gateway: config.gateway,
            share: config.share,
            names: config.names,
            meta,
        };
        if let Some(first) = out.iter().find(|first| first.same_content(&wanted)) {
            wanted.meta = Err(Arc::new(Unusable::Duplicate {
                torrent: wanted.torrent.clone(),
                other: first.torrent.clone(),
            }));
        }
        out.push(wanted);
    }
    refuse_places(&mut out, config, running);
    out
}

/// With the trackers of the configuration, if it names any, each a tier of its own: a tracker can move, and .torrents stay as
/// they are.
fn announced_to(meta: Metainfo, config: &Config) -> Metainfo {
    if config.tracker.is_empty() {
        return meta;
    }
    Metainfo {
        announce: config.tracker.iter().map(|url| vec![url.to_string()]).collect(),
        ..meta
    }
}

/// All mistakes in the contents of a configuration, for a person.
pub(crate) fn mistakes(config: &Config) -> Vec<String> {
    let wanted = read(config, &[]).into_iter();
    wanted.filter_map(|wanted| Some(wanted.meta.err()?.to_string())).collect()
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
            wanted.meta = Err(Arc::new(fault.into()));
        }
    }
}
