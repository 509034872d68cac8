//! Where a content was put: on which volume, in which folder. When a complete content is not where it was and
//! the volume is another one, a mount is missing; to fetch it again would cost the WAN and fill the disk
//! below.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::StorageError;
use crate::platform;

/// Inodes up to here are those of file systems' roots, which are equal on many volumes.
const ROOTS: u64 = 1024;

/// A target folder as it was. It is in the record; a content that has moved with its target is at another
/// place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// As far as it is Unicode.
    target: String,
    /// Kind of file system and its identity, both in hexadecimal; the identity is missing where it does not
    /// outlive a restart. None where the system does not say.
    volume: Option<(String, Option<String>)>,
    /// The folder's inode; none if there is no folder.
    folder: Option<u64>,
}

impl Place {
    /// The place at this path now. The folder need not be there: then the volume is that on which it would be
    /// made.
    pub(crate) fn of(target: &Path) -> Self {
        let there = target.ancestors().find(|path| path.exists());
        Self {
            target: target.to_string_lossy().into_owned(),
            volume: there.and_then(platform::volume),
            folder: platform::inode(target),
        }
    }

    /// Whether what was put here has to be on this volume, and `now` is another one.
    fn is_other_volume(&self, now: &Self) -> bool {
        let (Some(then), Some(volume)) = (&self.volume, &now.volume) else {
            return false;
        };
        // some file systems have an identity that changes with the order in which disks are found
        let same_folder = self.folder.is_some_and(|inode| inode > ROOTS) && self.folder == now.folder;
        self.target == now.target && then != volume && !(then.0 == volume.0 && same_folder)
    }
}

/// Refuses to open at `now` what was put at `before` and is not there.
///
/// # Errors
/// [`StorageError::OtherVolume`].
pub(crate) fn require_volume(
    before: Option<&Place>,
    now: &Place,
    name: &str,
    is_there: impl FnOnce() -> bool,
) -> Result<(), StorageError> {
    match before {
        Some(before) if before.is_other_volume(now) && !is_there() => Err(StorageError::OtherVolume {
            path: now.target.clone().into(),
            name: name.to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(target: &str, kind: &str, id: Option<&str>, folder: Option<u64>) -> Place {
        Place {
            target: target.into(),
            volume: Some((kind.to_owned(), id.map(str::to_owned))),
            folder,
        }
    }

    #[test]
    fn a_missing_mount_is_told_from_a_volume_that_only_looks_different() {
        let before = place("/opt/deploy", "ef53", Some("a"), Some(2));
        let refused = |before: &Place, now: &Place, there: bool| {
            require_volume(Some(before), now, "office", || there).is_err()
        };
        let below = place("/opt/deploy", "ef53", Some("b"), Some(70_000));
        assert!(refused(&before, &below, false));
        assert!(!refused(&before, &below, true), "what is there may be used");
        let no_folder = place("/opt/deploy", "9123683e", Some("c"), None);
        assert!(refused(&before, &no_folder, false));
        // deleted, on the same volume
        assert!(!refused(
            &before,
            &place("/opt/deploy", "ef53", Some("a"), None),
            false
        ));
        // the operator has configured another target
        assert!(!refused(
            &before,
            &place("/srv", "ef53", Some("b"), Some(2)),
            false
        ));
        // roots have equal inodes, other folders have not
        assert!(refused(
            &before,
            &place("/opt/deploy", "ef53", Some("b"), Some(2)),
            false
        ));
        let renumbered = place("/opt/deploy", "58465342", Some("802"), Some(70_000));
        let then = place("/opt/deploy", "58465342", Some("801"), Some(70_000));
        assert!(!refused(&then, &renumbered, false));
        // what is in memory is expected to be gone, but not to become a disk
        let memory = place("/opt/deploy", "1021994", None, Some(2));
        assert!(!refused(&memory, &memory, false));
        assert!(refused(&memory, &below, false));
        // where the system says nothing, and with records from before
        let unknown = Place {
            volume: None,
            ..below
        };
        assert!(!refused(&before, &unknown, false) && !refused(&unknown, &before, false));
        assert!(require_volume(None, &before, "office", || false).is_ok());
    }
}
