//! What the operator paused, over restarts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use narrows_host::durable;
use narrows_protocol::InfoHash;

/// A pause or its end holds now, but a restart will not know.
#[derive(Debug, thiserror::Error)]
#[error(
    "done, but it cannot be kept over a restart: cannot write to the state folder {}: {source}; make room there and say it again",
    folder.display()
)]
pub struct NotKept {
    pub(super) folder: PathBuf,
    pub(super) source: io::Error,
}

impl NotKept {
    /// Whether the disk is full, or a quota reached.
    pub(crate) fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// What the operator paused. It holds over a restart: the file `paused` has a line `all`, or an info hash a
/// line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Paused {
    pub(super) all: bool,
    one: BTreeSet<String>,
}

impl Paused {
    /// As the file says; without a file nothing is paused.
    pub(super) fn load(folder: &Path) -> Paused {
        let text = std::fs::read_to_string(file(folder)).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (all, one): (Vec<&str>, Vec<&str>) = lines.partition(|line| *line == "all");
        Paused {
            all: !all.is_empty(),
            one: one.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Writes the file whole, or removes it if nothing is paused.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let path = file(folder);
        if *self == Paused::default() {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let all = self.all.then_some("all").into_iter();
        let lines: Vec<&str> = all.chain(self.one.iter().map(String::as_str)).collect();
        durable::replace(&path, |out| writeln!(out, "{}", lines.join("\n")))
    }

    /// Whether this content is paused.
    pub(super) fn holds(&self, info_hash: InfoHash) -> bool {
        self.all || self.one.contains(&info_hash.to_string())
    }

    /// Pauses one content, or with `None` all.
    pub(super) fn pause(&mut self, which: Option<InfoHash>) {
        match which {
            Some(one) => {
                self.one.insert(one.to_string());
            }
            None => self.all = true,
        }
    }

    /// Ends the pause of one content, or with `None` of all. `known`: all content there is, of which the
    /// others stay paused if all were.
    pub(super) fn resume(&mut self, which: Option<InfoHash>, known: impl Iterator<Item = InfoHash>) {
        let Some(one) = which else {
            *self = Paused::default();
            return;
        };
        if std::mem::take(&mut self.all) {
            self.one.extend(known.map(|info_hash| info_hash.to_string()));
        }
        self.one.remove(&one.to_string());
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("paused")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: InfoHash = InfoHash([1; 20]);
    const B: InfoHash = InfoHash([2; 20]);

    #[test]
    fn a_pause_holds_over_a_restart_and_one_content_may_go_on_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut paused = Paused::load(dir.path());
        assert!(!paused.holds(A));
        paused.pause(None);
        paused.save(dir.path()).expect("saved");
        let mut paused = Paused::load(dir.path());
        assert!(paused.all && paused.holds(A) && paused.holds(B));
        paused.resume(Some(A), [A, B].into_iter());
        paused.save(dir.path()).expect("saved");
        let mut paused = Paused::load(dir.path());
        assert!(!paused.all && !paused.holds(A) && paused.holds(B));
        paused.resume(None, std::iter::empty());
        paused.save(dir.path()).expect("saved");
        assert_eq!(Paused::load(dir.path()), Paused::default());
        assert!(!file(dir.path()).exists());
    }
}
