//! The brakes as they outlive a restart: `brakes.json` in the state folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use narrows_assignment::Brakes;
use narrows_host::durable;
use thiserror::Error;

const FILE: &str = "brakes.json";

/// Where brakes are kept over a restart, and who changes them: one at a time.
#[derive(Debug, Default)]
pub(crate) struct BrakeFile {
    folder: Option<PathBuf>,
    changing: Mutex<()>,
}

/// The brakes are as asked, but a restart would forget it.
#[derive(Debug, Error)]
#[error(
    "the brakes are as you asked, but cannot be written to {}, so that a restart of the tracker forgets it: {source}; see \
     to the folder and ask again", .file.display()
)]
pub(crate) struct Unwritten {
    file: PathBuf,
    /// The system's reason.
    source: io::Error,
}

impl BrakeFile {
    /// Brakes are kept in `folder`; without one, a restart releases them.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            changing: Mutex::new(()),
        }
    }

    /// The file's path.
    pub(crate) fn path_in(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// What was braked when the tracker ended; nothing if there is no file.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub(crate) fn load(folder: &Path) -> io::Result<Brakes> {
        match std::fs::read(Self::path_in(folder)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Brakes::default()),
            Err(error) => Err(error),
        }
    }

    /// Whether brakes outlive a restart.
    pub(crate) fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    /// Held from reading the brakes in force until the changed ones are written.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the brakes down, if there is a folder. A reader sees the old file or the new one, whole.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn save(&self, brakes: &Brakes) -> Result<(), Unwritten> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let file = Self::path_in(folder);
        write(folder, &file, brakes).map_err(|source| Unwritten { file, source })
    }
}

fn write(folder: &Path, file: &Path, brakes: &Brakes) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let text = serde_json::to_vec_pretty(brakes)?;
    durable::replace(file, |out| out.write_all(&text))
}
