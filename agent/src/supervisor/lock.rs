//! One agent per state folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::StartError;

/// An agent that was just killed may hold the lock for a moment.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(100);

/// Locks the state folder as long as the file is open; the system lets go of it when a process ends, however
/// it ends.
///
/// # Errors
/// [`StartError::StateInUse`], [`StartError::LockFile`] or [`StartError::Lock`].
pub(super) async fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("agent.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| StartError::LockFile { path, source })?;
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => tokio::time::sleep(BETWEEN).await,
            done => return finish(done, folder).map(|()| file),
        }
    }
    let done = file.try_lock();
    finish(done, folder).map(|()| file)
}

fn finish(done: Result<(), TryLockError>, folder: &Path) -> Result<(), StartError> {
    let folder = folder.to_owned();
    match done {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StartError::StateInUse(folder)),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::debug!(%error, "this file system knows no locks; a second agent would not be noticed");
            Ok(())
        }
        Err(TryLockError::Error(source)) => Err(StartError::Lock { folder, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_folder_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        // a folder in the file's place: refused to any user, root too
        std::fs::create_dir(dir.path().join("agent.lock")).expect("made");
        let text = lock(dir.path()).await.expect_err("no file").to_string();
        let path = dir.path().join("agent.lock");
        assert!(text.contains(&path.display().to_string()), "{text}");
        let source = io::ErrorKind::PermissionDenied.into();
        let denied = StartError::LockFile { path, source }.to_string();
        assert!(denied.contains("belong to the user"), "{denied}");
    }

    #[tokio::test]
    async fn a_second_agent_is_told_what_is_in_its_way_until_the_first_one_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = lock(dir.path()).await.expect("no other agent");
        let error = lock(dir.path()).await.expect_err("it is locked");
        assert!(matches!(error, StartError::StateInUse(_)));
        assert!(error.to_string().contains("another running agent"));
        drop(first);
        assert!(lock(dir.path()).await.is_ok());
    }
}
