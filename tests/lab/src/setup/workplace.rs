//! The folder of a run, and whether there is room for it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Stop;
use crate::content::Gathered;
use crate::deployment::Deployment;
use crate::players::files::{Layout, free_space};
use crate::values::Size;

/// Room that is left over for logs, resume data and the system.
const SPARE: u64 = 64 << 20;

/// The folder of a run; removed at the end unless it is kept.
#[derive(Debug)]
pub enum Workplace {
    /// Removed when dropped.
    Temporary(TempDir),
    /// The user's.
    Kept(PathBuf),
}

impl Workplace {
    /// An empty folder.
    pub(crate) fn new(keep: Option<&Path>) -> Result<Workplace, Stop> {
        let Some(dir) = keep else {
            let made = tempfile::Builder::new().prefix("narrows-lab-").tempdir();
            return made.map(Workplace::Temporary).map_err(|error| {
                Stop::Missing(format!(
                    "cannot make a folder in {}: {error}",
                    std::env::temp_dir().display()
                ))
            });
        };
        let wrong = |error: std::io::Error| Stop::Wrong(format!("--keep: {}: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(wrong)?;
        if fs::read_dir(dir).map_err(wrong)?.next().is_some() {
            return Err(Stop::Wrong(format!(
                "--keep: {} is not empty; name a new folder",
                dir.display()
            )));
        }
        Ok(Workplace::Kept(fs::canonicalize(dir).map_err(wrong)?))
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        match self {
            Workplace::Temporary(dir) => dir.path(),
            Workplace::Kept(dir) => dir,
        }
    }

    /// After a failure: keeps logs and configuration, and removes the data unless the folder is the user's.
    /// Where the logs are.
    pub fn keep_logs(self, layout: &Layout, deployment: &Deployment) -> PathBuf {
        match self {
            Workplace::Kept(dir) => dir,
            Workplace::Temporary(dir) => {
                for place in &deployment.agents {
                    let _ = fs::remove_dir_all(layout.data(place));
                }
                let _ = fs::remove_dir_all(dir.path().join("content"));
                dir.keep()
            }
        }
    }
}

/// Refuses to begin what the disk cannot hold: a copy for each client, and the content if it is gathered.
pub(crate) fn space(
    workplace: &Workplace,
    deployment: &Deployment,
    given: Option<&Gathered>,
    size: Size,
) -> Result<(), Stop> {
    let clients = deployment.clients().count() as u64;
    let (bytes, copies) = match given {
        Some(content) => (content.bytes, clients),
        None => (size.0, clients + 1),
    };
    let need = bytes.saturating_mul(copies).saturating_add(SPARE);
    let free = free_space(workplace.path()).map_err(|error| Stop::Missing(format!("{error:#}")))?;
    if need > free {
        return Err(Stop::Missing(format!(
            "{} for {clients} clients needs {} of space and {} has {}; use a smaller --size, fewer --clients, or \
             another disk with --keep DIR or TMPDIR",
            Size(bytes),
            Size(need),
            workplace.path().display(),
            Size(free.max(1)),
        )));
    }
    Ok(())
}
