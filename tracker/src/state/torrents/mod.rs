//! The allow-list: a folder of .torrent files.

mod torrent;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use narrows_host::Repeats;
use narrows_protocol::InfoHash;
use tracing::{error, info, warn};

/// The contents that are tracked.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    by_hash: HashMap<InfoHash, Content>,
    /// Files that could not be used.
    pub(crate) broken: usize,
}

/// One content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Content {
    /// Its name for people, told apart from contents of the same name.
    pub(crate) name: Arc<str>,
    /// The name in its .torrent, whatever others there are: for what must not change while it is tracked.
    pub(crate) own_name: Arc<str>,
    /// Bytes.
    pub(crate) size: u64,
}

impl Contents {
    pub(crate) fn of(&self, hash: &InfoHash) -> Option<&Content> {
        self.by_hash.get(hash)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InfoHash, &Content)> {
        self.by_hash.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }
}

/// The folder as it was last seen; files that have not changed are not read again.
pub(crate) struct Folder {
    path: PathBuf,
    seen: HashMap<PathBuf, Seen>,
    /// Of listing it.
    pub(crate) failures: Repeats,
}

struct Seen {
    stamp: Stamp,
    /// What it is tracked as: as long as the file is broken, what it was before. A file that is overwritten
    /// in place is broken for a moment, and its peers are not forgotten for that.
    content: Option<(InfoHash, Content)>,
    broken: bool,
}

/// Changes when a file does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            seen: HashMap::new(),
            failures: Repeats::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the folder; `None` if nothing has changed.
    ///
    /// # Errors
    /// If the folder cannot be listed. What was known stays known: a network drive that is away for a moment
    /// must not end every rollout.
    pub(crate) fn scan(&mut self) -> io::Result<Option<Contents>> {
        let mut present = HashSet::new();
        let mut changed = false;
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if !is_torrent(&path) {
                continue;
            }
            // gone since it was listed
            let Ok(stamp) = stamp(&path) else { continue };
            present.insert(path.clone());
            if self.seen.get(&path).is_some_and(|seen| seen.stamp == stamp) {
                continue;
            }
            changed = true;
            let new = read(&path);
            let broken = new.is_none();
            let before = || self.seen.get(&path)?.content.clone();
            let content = new.or_else(before);
            if broken && content.is_some() {
                warn!(file = %path.display(), "what it was is tracked until the file is whole again or removed");
            }
            let seen = Seen {
                stamp,
                content,
                broken,
            };
            self.seen.insert(path, seen);
        }
        self.seen.retain(|path, _| {
            let stays = present.contains(path);
            if !stays {
                info!(file = %path.display(), "torrent removed");
                changed = true;
            }
            stays
        });
        Ok(changed.then(|| self.contents()))
    }

    /// What is wrong with its files, each with its name, in their order: for a look before anything is
    /// tracked.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub(crate) fn faults(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?.collect::<io::Result<Vec<_>>>()?;
        let mut files: Vec<PathBuf> =
            entries.iter().map(fs::DirEntry::path).filter(|path| is_torrent(path)).collect();
        files.sort();
        let faults = files.iter().flat_map(|path| {
            let faults = match torrent::read(path) {
                Ok(torrent) => torrent.warnings,
                Err(error) => vec![format!("this torrent will not be tracked: {error}")],
            };
            faults.into_iter().map(move |fault| format!("{}: {fault}", path.display()))
        });
        Ok(faults.collect())
    }

    fn contents(&self) -> Contents {
        let mut found: Vec<_> = self.seen.values().filter_map(|seen| seen.content.clone()).collect();
        found.sort_by_key(|(hash, _)| *hash);
        found.dedup_by_key(|(hash, _)| *hash);
        let mut names: HashMap<Arc<str>, usize> = HashMap::new();
        for (_, content) in &found {
            *names.entry(Arc::clone(&content.name)).or_default() += 1;
        }
        // two versions of a content often have one name; a person asks for one of them
        for (hash, content) in &mut found {
            if names.get(&content.name).is_some_and(|count| *count > 1) {
                let digits: String = hash.to_string().chars().take(8).collect();
                content.name = format!("{} ({digits})", content.name).into();
            }
        }
        let broken = self.seen.values().filter(|seen| seen.broken).count();
        Contents {
            by_hash: found.into_iter().collect(),
            broken,
        }
    }
}

fn is_torrent(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("torrent"))
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified().ok(),
        length: metadata.len(),
    })
}

/// Reads a file for tracking; what is wrong with it is logged.
fn read(path: &Path) -> Option<(InfoHash, Content)> {
    let file = path.display();
    let torrent = torrent::read(path)
        .inspect_err(|error| error!(%file, %error, "torrent refused; put nothing but torrents here"))
        .ok()?;
    for warning in torrent.warnings {
        warn!(%file, "{warning}");
    }
    info!(%file, info_hash = %torrent.info_hash, name = %torrent.content.name, "torrent tracked");
    Some((torrent.info_hash, torrent.content))
}

#[cfg(test)]
mod tests;
