//! Where `get` keeps what an interrupted run needs: below the folder that the content goes into, which others
//! may write to. What stands there already is ours or refused, and no record there spares a byte its hash.

use std::path::{Path, PathBuf};

use narrows_host::private;
use narrows_protocol::InfoHash;

/// Below the target.
const FOLDER: &str = ".narrows-get";

/// Records of pieces. What says whose files are whose stays: without it all count as the user's, and more is
/// kept.
const RECORDS: [&str; 3] = ["resume", "journal", "scrub"];

/// The state folder for one content, made for us alone. Blocking.
pub(super) fn prepare(to: &Path, info_hash: InfoHash) -> anyhow::Result<PathBuf> {
    let failed = |path: &Path, error: std::io::Error| {
        anyhow::anyhow!("cannot make the folder {}: {error}", path.display())
    };
    std::fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    let above = to.join(FOLDER);
    let state = above.join(info_hash.to_string());
    for folder in [&above, &state] {
        let made = private::make_folder(folder).map_err(|error| failed(folder, error))?;
        anyhow::ensure!(
            made || private::is_private_folder(folder),
            "{} is there already and is not a folder of this user's alone: another user may say in it what is verified; \
             remove it, or choose another folder with --to",
            folder.display()
        );
    }
    for ending in RECORDS {
        let path = state.join(format!("{info_hash}.{ending}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                anyhow::bail!("cannot remove {}: {error}", path.display());
            }
            _ => {}
        }
    }
    Ok(state)
}

/// Removes what only an interrupted run would need; if that fails, it does no harm.
pub(super) fn forget(state: &Path) {
    let _ = std::fs::remove_dir_all(state);
    if let Some(parent) = state.parent() {
        let _ = std::fs::remove_dir(parent);
    }
}
