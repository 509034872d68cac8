//! Whether content can be moved to its place in one step. Where a volume is mounted at or below that place,
//! or over the staging folder, it cannot: then it is refused in words before anything is fetched. What is
//! whole there already needs no move, and is served and mended where it stands.

use std::fs;
use std::path::{Path, PathBuf};

use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::STAGING_FOLDER;

use crate::platform;
use crate::records::claim::Claim;
use crate::{Content, StorageError};

/// What is mounted where, so that `name` in the folder `target` (without symbolic links) cannot be replaced,
/// and what that means. Pure.
fn obstacle<'a>(
    mounts: &'a [PathBuf],
    target: &Path,
    name: &str,
    info_hash: &str,
) -> Option<(&'a Path, &'static str)> {
    let place = target.join(name);
    let (above, staging) = (
        target.join(STAGING_FOLDER),
        target.join(STAGING_FOLDER).join(info_hash),
    );
    mounts.iter().find_map(|mount| {
        let why = if *mount == place {
            "is a mount point, which nothing can be moved to: set `target` to this folder itself, so that the content's own \
             lies on the volume, or mount the volume one folder higher"
        } else if mount.starts_with(&place) {
            "is mounted inside of what has to be replaced in one step: unmount it, or set another `target`"
        } else if *mount == above || mount.starts_with(&staging) {
            "is mounted over the folder of unfinished content, from where nothing can be moved to another volume: unmount it"
        } else {
            return None;
        };
        Some((mount.as_path(), why))
    })
}

fn require(target: &Path, meta: &Metainfo) -> Result<(), StorageError> {
    let Ok(target) = fs::canonicalize(target) else {
        return Ok(()); // nothing is mounted below
    };
    let mounts = platform::mount_points();
    match obstacle(&mounts, &target, &meta.name, &meta.info_hash.to_string()) {
        Some((mount, why)) => Err(StorageError::Unsafe {
            path: mount.to_owned(),
            why,
        }),
        None => Ok(()),
    }
}

impl Content {
    /// # Errors
    /// That the content cannot be moved to its target, once it is whole.
    pub(crate) fn require_movable(&self) -> Result<(), StorageError> {
        {
            let state = self.state();
            if state.published || state.repairing {
                return Ok(());
            }
        }
        require(self.disk.target(), self.layout().meta())
    }
}

/// Looks, for a person who checks a configuration, whether content can be moved to its target, without
/// hashing anything: what this agent knows to be there, or what has the right sizes, need not be moved.
/// Blocking.
///
/// # Errors
/// What is in the way.
pub fn check_place(meta: &Metainfo, target: &Path, state: &Path) -> Result<(), StorageError> {
    let claim = Claim::load_for(state, meta.info_hash, target, &meta.name);
    let is_known = claim.is_some_and(|claim| claim.origin.is_some());
    let top = target.join(&meta.name);
    let mut stored = meta.files.iter().filter(|file| file.is_stored());
    let seems_whole = stored.all(|file| {
        let path = file.path.iter().fold(top.clone(), |path, part| path.join(part));
        fs::symlink_metadata(path).is_ok_and(|stat| stat.is_file() && stat.len() == file.length)
    });
    match is_known || seems_whole {
        true => Ok(()),
        false => require(target, meta),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mounted_at_or_below_the_place_or_over_staging_is_in_the_way() {
        let ask = |mount: &str| {
            let mounts = ["/", "/opt/deploy", "/opt/deploy/other", mount].map(PathBuf::from);
            let found = obstacle(&mounts, Path::new("/opt/deploy"), "office", "0a1b");
            found.map(|(path, why)| (path.to_owned(), why))
        };
        for (mount, said) in [
            ("/opt/deploy/office", "is a mount point"),
            ("/opt/deploy/office/data/big", "inside of what has to be replaced"),
            ("/opt/deploy/.narrows", "unfinished content"),
            ("/opt/deploy/.narrows/0a1b", "unfinished content"),
        ] {
            let (path, why) = ask(mount).expect(mount);
            assert!(path == Path::new(mount) && why.contains(said), "{mount}: {why}");
        }
        for mount in [
            "/opt",
            "/opt/deploy/office2",
            "/opt/deploy/.narrows/replaced",
            "/opt/deploy/.narrows/ffff",
            "/srv",
        ] {
            assert_eq!(ask(mount), None, "{mount}");
        }
    }
}
