//! How a reload changes what runs: [`change`] decides, [`Agent::apply`] carries it out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use narrows_config::LoadError;
use narrows_protocol::InfoHash;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::start::stop_all;
use super::wanted::{self, Wanted};
use super::{Agent, Entry, read_torrent};
use crate::config::Config;
use crate::content::{self, Spec};
use crate::resources::descriptors;

/// What a reload did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Names of content that is now fetched or seeded.
    pub added: Vec<String>,
    /// Names of content that no longer is.
    pub removed: Vec<String>,
    /// Names of content whose .torrent cannot be read at the moment: what runs goes on, and it is tried
    /// again.
    #[serde(default)]
    pub unread: Vec<String>,
    /// What changed in the file but needs a restart.
    pub needs_restart: Vec<String>,
}

/// Why a reload was refused; everything runs as before.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// This agent was not started from a file.
    #[error("this agent has no configuration file")]
    NoFile,
    /// A fault of this program.
    #[error(
        "reading the configuration or a .torrent that it names made this program panic, which is a fault of ours: \
         please report it with the panic in the log; until then undo the last change of these files"
    )]
    Panicked,
}

/// What becomes of one wanted entry.
enum Next {
    /// It runs already.
    Runs(Entry),
    /// It is as broken as it was.
    Broken(Wanted),
    /// It is new, or new in something that needs a start.
    Start(Wanted),
}

/// What a reload changes.
struct Change {
    /// In the order of the configuration.
    next: Vec<Next>,
    /// What runs and is not wanted any more.
    gone: Vec<Entry>,
    /// Names of what did not run, and is not wanted any more.
    forgotten: Vec<String>,
}

impl Agent {
    /// Reads the configuration again and applies what changed.
    ///
    /// # Errors
    /// That the file is wrong, with all that is wrong; nothing changes then.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let path = self.config_path.clone().ok_or(ReloadError::NoFile)?;
        let mut current = self.config.lock().await;
        let new = spawn_blocking(move || Config::load(&path)).await.map_err(|_| ReloadError::Panicked)??;
        let trust_changed = self.services.trackers.trust(&new.trust);
        let (mut added, removed) = self.apply(&new).await?;
        added.sort();
        if trust_changed {
            // a tracker that was not believed may be now
            self.announce_in_turn(false, Duration::ZERO).await;
        }
        let unread = self.entries().into_iter().filter(|entry| entry.unread.is_some());
        let reloaded = Reloaded {
            added,
            removed,
            unread: unread.map(|entry| entry.wanted.name()).collect(),
            needs_restart: needs_restart(&current, &new),
        };
        for what in &reloaded.needs_restart {
            tracing::warn!("`{what}` changed; that needs a restart");
        }
        *current = new;
        Ok(reloaded)
    }

    /// Looks whether a torrent that could not be read can be now, and if so applies the configuration in
    /// force again.
    pub(super) async fn retry_unread(&self) {
        let unread = self
            .entries()
            .into_iter()
            .filter(|entry| entry.unread.is_some() || (entry.handle.is_none() && entry.wanted.is_unread()));
        let paths: Vec<_> = unread.map(|entry| (entry.wanted.torrent, entry.wanted.names)).collect();
        if paths.is_empty() {
            return;
        }
        let any =
            spawn_blocking(move || paths.iter().any(|(path, names)| read_torrent(path, *names).is_ok()));
        if any.await.unwrap_or(false) {
            let config = self.config.lock().await;
            match self.apply(&config).await {
                Ok((added, _)) => tracing::info!(?added, "a torrent that could not be read can be now"),
                Err(error) => tracing::error!("{error}"),
            }
        }
    }

    /// Makes the running contents those of `config`; names of the added and the removed.
    ///
    /// # Errors
    /// [`ReloadError::Panicked`]; everything runs as before.
    pub(super) async fn apply(&self, config: &Config) -> Result<(Vec<String>, Vec<String>), ReloadError> {
        let running = self.entries();
        let (config, known) = (config.clone(), running.clone());
        let limits = config.limits;
        let read = spawn_blocking(move || {
            let known: Vec<Wanted> = known.into_iter().map(|entry| entry.wanted).collect();
            wanted::read(&config, &known)
        });
        let wanted = read.await.map_err(|_| ReloadError::Panicked)?;
        self.services.resources.upload.set_rate(limits.upload);
        self.services.resources.download.set_rate(limits.download);
        let all = contents(&wanted);
        let Change {
            next,
            gone,
            forgotten,
        } = change(running, wanted);
        // what is removed is served no more from here on
        let kept = next.iter().filter_map(|next| match next {
            Next::Runs(entry) => Some(entry.clone()),
            Next::Broken(_) | Next::Start(_) => None,
        });
        self.set_entries(kept.collect());
        stop_all(&gone).await;
        if let Some(all) = all {
            self.clean_leftovers(all).await;
        }
        let mut added = Vec::new();
        let entries = next.into_iter().map(|next| match next {
            Next::Runs(entry) => entry,
            Next::Broken(wanted) => Entry::broken(wanted),
            Next::Start(wanted) => {
                added.push(wanted.name());
                self.start_content(wanted)
            }
        });
        let entries: Vec<Entry> = entries.collect();
        let descriptors = self.services.resources.descriptors;
        if let Some(shortage) = descriptors::shortage(descriptors, entries.len() as u64) {
            tracing::warn!("{shortage}");
        }
        self.set_entries(entries);
        let removed = gone.iter().map(|entry| entry.wanted.name());
        Ok((added, removed.chain(forgotten).collect()))
    }

    /// Removes what was fetched of contents that are not wanted any more.
    async fn clean_leftovers(&self, wanted: Vec<(InfoHash, PathBuf)>) {
        let (state, files) = (self.state.clone(), Arc::clone(&self.services.resources.files));
        let removed = spawn_blocking(move || narrows_storage::clean_leftovers(&state, &wanted, &files)).await;
        for folder in removed.unwrap_or_default() {
            tracing::info!(folder = %folder.display(), "removed what was fetched of a content that is not wanted any more");
        }
    }

    fn start_content(&self, wanted: Wanted) -> Entry {
        let meta = match &wanted.meta {
            Ok(meta) => meta.clone(),
            Err(error) => {
                tracing::error!(torrent = %wanted.torrent.display(), %error, "cannot use this torrent");
                return Entry::broken(wanted);
            }
        };
        let spec = Spec {
            paused: self.with_paused(|paused| paused.holds(meta.info_hash)),
            meta,
            target: wanted.target.clone(),
            state: self.state.clone(),
            gateway: wanted.gateway,
            share: wanted.share,
            scrub: self.scrub,
        };
        Entry {
            handle: Some(content::spawn(spec, self.services.clone())),
            wanted,
            unread: None,
        }
    }
}

/// The contents that are wanted and where; `None` if an entry does not say which content it is.
fn contents(wanted: &[Wanted]) -> Option<Vec<(InfoHash, PathBuf)>> {
    let content = |wanted: &Wanted| Some((wanted.meta.as_ref().ok()?.info_hash, wanted.target.clone()));
    wanted.iter().map(content).collect()
}

/// What is to change so that what is `wanted` runs. An entry that cannot be read now takes nothing away: its
/// torrent may be half-written, or its share not mounted.
fn change(entries: Vec<Entry>, wanted: Vec<Wanted>) -> Change {
    // what is as broken as before is neither new nor gone
    let (broken, running): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| entry.handle.is_none());
    let is_wanted = |entry: &&Entry| wanted.iter().any(|new| new.torrent == entry.wanted.torrent);
    let forgotten =
        broken.iter().filter(|entry| !is_wanted(entry)).map(|entry| entry.wanted.name()).collect();
    let (kept, gone): (Vec<Entry>, Vec<Entry>) =
        running.into_iter().partition(|entry| wanted.iter().any(|wanted| is_of(entry, wanted)));
    let next = wanted.into_iter().map(|wanted| {
        let Some(runs) = kept.iter().find(|entry| is_of(entry, &wanted)) else {
            return match broken.iter().any(|entry| wanted.is_broken_as(&entry.wanted)) {
                true => Next::Broken(wanted),
                false => Next::Start(wanted),
            };
        };
        let unread = wanted.meta.err();
        if let Some(reason) = unread.as_ref().filter(|_| runs.unread.is_none()) {
            let content = runs.wanted.name();
            tracing::warn!(content, %reason, "what runs goes on; its torrent is tried again");
        }
        Next::Runs(Entry {
            unread,
            ..runs.clone()
        })
    });
    Change {
        next: next.collect(),
        gone,
        forgotten,
    }
}

/// Whether a running entry is what is wanted, as far as that can be read.
fn is_of(entry: &Entry, wanted: &Wanted) -> bool {
    match wanted.is_unread() {
        true => entry.wanted.torrent == wanted.torrent,
        false => entry.wanted == *wanted,
    }
}

fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let changed = [
        ("id", old.id != new.id),
        ("listen", old.listen != new.listen),
        ("control", old.control != new.control),
        ("control_names", old.control_names != new.control_names),
        ("announce_metrics", old.announce_metrics != new.announce_metrics),
        ("state", old.state != new.state),
        ("scrub", old.scrub != new.scrub),
        ("serve", old.serve != new.serve),
    ];
    changed.iter().filter(|(_, changed)| *changed).map(|(key, _)| (*key).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use narrows_protocol::metainfo::Metainfo;
    use narrows_protocol::metainfo::names::Names;
    use narrows_protocol::{GatewayPreference, Sharing};
    use tokio::sync::mpsc;

    use super::super::torrent::TorrentError;
    use super::super::wanted::Unusable;
    use super::*;
    use crate::content::Handle;

    /// The entry `name.torrent`; without a torrent one that cannot be read.
    fn wanted(name: &str, meta: Option<&Arc<Metainfo>>) -> Wanted {
        let torrent = PathBuf::from(format!("{name}.torrent"));
        let source = std::io::ErrorKind::NotFound.into();
        let path = torrent.clone();
        let meta = meta.cloned().ok_or(TorrentError::Unreadable { path, source });
        Wanted {
            torrent,
            target: PathBuf::from("target"),
            gateway: GatewayPreference::Auto,
            share: Sharing::Always,
            names: Names::Portable,
            meta: meta.map_err(|error| Arc::new(Unusable::from(error))),
        }
    }

    fn running(wanted: Wanted) -> Entry {
        let info_hash = wanted.meta.as_ref().expect("a good one").info_hash;
        Entry {
            handle: Some(Handle {
                name: wanted.name(),
                info_hash,
                commands: mpsc::channel(1).0,
                inputs: mpsc::channel(1).0,
            }),
            wanted,
            unread: None,
        }
    }

    fn content(folder: &Path, name: &str) -> Arc<Metainfo> {
        std::fs::write(folder.join(name), name).expect("written");
        let made = narrows_storage::create(&folder.join(name), Default::default(), &|_, _| {});
        Arc::new(Metainfo::parse(&made.expect("a torrent").torrent).expect("it parses"))
    }

    /// What becomes of each wanted entry, what goes and what is forgotten, in words.
    fn changed(entries: Vec<Entry>, wanted: Vec<Wanted>) -> [Vec<String>; 3] {
        let change = change(entries, wanted);
        let next = change.next.iter().map(|next| match next {
            Next::Runs(entry) if entry.unread.is_some() => format!("{} runs unread", entry.wanted.name()),
            Next::Runs(entry) => format!("{} runs", entry.wanted.name()),
            Next::Broken(wanted) => format!("{} is broken", wanted.name()),
            Next::Start(wanted) => format!("{} starts", wanted.name()),
        });
        let gone = change.gone.iter().map(|entry| entry.wanted.name());
        [next.collect(), gone.collect(), change.forgotten]
    }

    #[test]
    fn what_is_as_before_runs_on_and_what_changed_starts_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let (one, two) = (content(dir.path(), "one"), content(dir.path(), "two"));
        let before = || vec![running(wanted("a", Some(&one))), running(wanted("b", Some(&two)))];
        let same = changed(before(), vec![wanted("b", Some(&two)), wanted("a", Some(&one))]);
        assert_eq!(same, [vec!["two runs", "one runs"], vec![], vec![]]);
        let moved = Wanted {
            target: PathBuf::from("elsewhere"),
            ..wanted("a", Some(&one))
        };
        let other = changed(before(), vec![moved]);
        assert_eq!(other, [vec!["one starts"], vec!["one", "two"], vec![]]);
    }

    #[test]
    fn an_entry_that_cannot_be_read_takes_nothing_away_and_is_new_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let one = content(dir.path(), "one");
        let unread = changed(vec![running(wanted("a", Some(&one)))], vec![wanted("a", None)]);
        assert_eq!(unread, [vec!["one runs unread"], vec![], vec![]]);
        let new = changed(vec![], vec![wanted("a", None)]);
        assert_eq!(new, [vec!["a.torrent starts"], vec![], vec![]]);
        let again = changed(vec![Entry::broken(wanted("a", None))], vec![wanted("a", None)]);
        assert_eq!(again, [vec!["a.torrent is broken"], vec![], vec![]]);
        let removed = changed(vec![Entry::broken(wanted("a", None))], vec![]);
        assert_eq!(removed, [vec![], vec![], vec!["a.torrent".to_owned()]]);
    }
}
