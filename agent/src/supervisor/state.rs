//! What the state folder keeps for the whole agent: that one agent uses it, and what the operator paused.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use narrows_host::durable;
use narrows_protocol::InfoHash;

/// An agent that was just killed may hold the lock for a moment.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(100);

/// Another agent runs on the same state folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "the state folder {} is in use by another running agent; stop that one, or give this one a `state` folder of its own",
    .0.display()
)]
pub struct StateInUse(PathBuf);

/// What the operator said holds now, but a restart will not know.
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

/// Locks the state folder as long as the file is open; the system lets go of it when a process ends, however
/// it ends.
///
/// # Errors
/// [`StateInUse`] inside, or what the system says.
pub(super) async fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join("agent.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| with_path(&path, &error))?;
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => tokio::time::sleep(BETWEEN).await,
            done => return finish(done, folder).map(|()| file),
        }
    }
    let done = file.try_lock();
    finish(done, folder).map(|()| file)
}

/// Which file it was, and what to do: often root ran the agent first, and the service runs as another user.
fn with_path(path: &Path, error: &io::Error) -> io::Error {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let the state folder and all in it belong to the user that the agent runs as"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; give the agent a `state` folder that can be written to",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot open {}: {error}{help}", path.display()),
    )
}

fn finish(done: Result<(), TryLockError>, folder: &Path) -> io::Result<()> {
    match done {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            StateInUse(folder.to_owned()),
        )),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::debug!(%error, "this file system knows no locks; nobody checks for a second agent");
            Ok(())
        }
        Err(TryLockError::Error(error)) => Err(io::Error::new(
            error.kind(),
            format!("cannot lock the state folder {}: {error}", folder.display()),
        )),
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

    #[tokio::test]
    async fn a_state_folder_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        // a folder in the file's place: refused to any user, root too
        std::fs::create_dir(dir.path().join("agent.lock")).expect("made");
        let said = lock(dir.path()).await.expect_err("no file").to_string();
        let path = dir.path().join("agent.lock").display().to_string();
        assert!(said.contains(&path), "{said}");
        let denied = with_path(dir.path(), &io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
        assert!(denied.to_string().contains("belong to the user"), "{denied}");
    }

    #[tokio::test]
    async fn a_second_agent_is_told_who_is_in_its_way_until_the_first_one_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = lock(dir.path()).await.expect("nobody else");
        let error = lock(dir.path()).await.expect_err("it is locked");
        assert!(error.get_ref().is_some_and(|inner| inner.is::<StateInUse>()));
        assert!(error.to_string().contains("another running agent"));
        drop(first);
        assert!(lock(dir.path()).await.is_ok());
    }
}
