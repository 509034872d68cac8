//! Files and folders that no other user reads or writes: secrets, and what a program believes of its own.

use std::io::{self, Write};
use std::path::Path;

use crate::durable;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::{is_for_group_at_most, is_private, is_private_folder, make_folder};
#[cfg(windows)]
pub use windows::{restrict_folder, system_program};

/// Creates the file, or replaces it whole ([`durable::replace`]), for its owner alone from the first moment
/// on: whatever its permissions and its owner were, and without following a link. On Windows administrators
/// and the system have access too.
///
/// # Errors
/// The system's; what stood at `path` stays then. Where Windows has no access lists (FAT, for one) the file is
/// written all the same, and the log says so.
pub fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let create = |new: &Path| {
        // left by a crash, or put there by another user
        match std::fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        system::create(new)
    };
    durable::replace_with(path, create, fill)
}

/// Creates the file as [`replace`] does, unless something stands at `path`: false then, and that stays. Of two
/// processes that do so at once one makes it.
///
/// # Errors
/// The system's.
pub fn create_new(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let own = path.with_file_name(name);
    replace(&own, fill)?;
    // a rename would replace what came in between
    let made = match std::fs::hard_link(&own, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    };
    std::fs::remove_file(&own)?;
    durable::sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    made
}

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, OpenOptions, metadata, symlink_metadata};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    pub(super) fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    /// Whether `path` is a file of this process' user that no other user may read or write: else another one
    /// may have put it there.
    pub fn is_private(path: &Path) -> bool {
        symlink_metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o077 == 0 && is_ours(&file))
    }

    /// Whether at most a group beside its owner may read `path`, and none of them but the owner write to it; it may be a
    /// link.
    pub fn is_for_group_at_most(path: &Path) -> bool {
        metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o027 == 0)
    }

    /// Makes a folder that no other user may enter; false if something stands there.
    ///
    /// # Errors
    /// The system's.
    pub fn make_folder(path: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Whether `path` is a folder of ours, and no link, into which no other user can put anything.
    pub fn is_private_folder(path: &Path) -> bool {
        symlink_metadata(path)
            .is_ok_and(|folder| folder.is_dir() && folder.mode() & 0o022 == 0 && is_ours(&folder))
    }

    fn is_ours(metadata: &std::fs::Metadata) -> bool {
        metadata.uid() == rustix::process::geteuid().as_raw()
    }
}

#[cfg(windows)]
mod windows {
    use std::fs::{File, OpenOptions, symlink_metadata};
    use std::io;
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    // well-known security identifiers: their names depend on the language of the system
    const SYSTEM: &str = "*S-1-5-18";
    const ADMINISTRATORS: &str = "*S-1-5-32-544";
    const USERS: &str = "*S-1-5-32-545";
    const OWNER: &str = "*S-1-3-4";

    pub(super) fn create(path: &Path) -> io::Result<File> {
        // until the list is right no other process opens the file; icacls reads nothing of it, and may
        let file = OpenOptions::new().write(true).create_new(true).share_mode(0).open(path)?;
        let grants = [SYSTEM, ADMINISTRATORS, OWNER].map(|who| format!("{who}:F"));
        if let Err(error) = restrict(path, &grants) {
            tracing::warn!(
                path = %path.display(), %error,
                "cannot keep other users from reading this file; its folder's access list applies"
            );
        }
        Ok(file)
    }

    /// Whether `path` is a file and no link. Owners are not compared: who may write to its folder is for that
    /// folder's access list, which [`replace`](super::replace) does not depend on.
    pub fn is_private(path: &Path) -> bool {
        symlink_metadata(path).is_ok_and(|file| file.is_file())
    }

    /// Whether `path` is a file; who may read it is for its access list.
    pub fn is_for_group_at_most(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|file| file.is_file())
    }

    /// Makes a folder, with the access list of that above it; false if something stands there.
    ///
    /// # Errors
    /// The system's.
    pub fn make_folder(path: &Path) -> io::Result<bool> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Whether `path` is a folder and no link. Owners are not compared, as with [`is_private`].
    pub fn is_private_folder(path: &Path) -> bool {
        symlink_metadata(path).is_ok_and(|folder| folder.is_dir())
    }

    /// Makes a folder where all users read and only administrators, who own it, and the system write, whatever
    /// may be done in that above it. Its owner is set first, since an owner may change the list; the list is set
    /// whatever came of that.
    ///
    /// # Errors
    /// The system's.
    pub fn restrict_folder(path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)?;
        let owned = icacls(path, &["/setowner".to_owned(), ADMINISTRATORS.to_owned()]);
        let inherited = |who: &str, may: &str| format!("{who}:(OI)(CI){may}");
        restrict(
            path,
            &[
                inherited(SYSTEM, "F"),
                inherited(ADMINISTRATORS, "F"),
                inherited(USERS, "RX"),
            ],
        )?;
        owned
    }

    /// Makes `grants` the whole access list of a file or folder.
    fn restrict(path: &Path, grants: &[String]) -> io::Result<()> {
        let whole = ["/inheritance:r", "/grant:r"].map(str::to_owned);
        icacls(path, &[&whole, grants].concat())
    }

    /// Every call of Windows for access lists and owners needs unsafe code; this program of its own does not.
    fn icacls(path: &Path, arguments: &[String]) -> io::Result<()> {
        /// No console window flashes up.
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        let done = Command::new(system_program("icacls.exe"))
            .arg(path)
            .args(arguments)
            .creation_flags(CREATE_NO_WINDOW)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if done.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("icacls: {done}")))
        }
    }

    /// A program of Windows itself, never one of that name elsewhere in the search path.
    pub fn system_program(name: &str) -> PathBuf {
        let root = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\Windows".into());
        PathBuf::from(root).join("System32").join(name)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn write(path: &Path, text: &str) -> io::Result<()> {
        replace(path, |out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_is_its_owners_alone_before_a_byte_is_in_it_and_after_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "everyone read this").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!is_private(&file));
        replace(&file, |out| {
            assert_eq!(mode(&dir.path().join("token.new")), 0o600);
            out.write_all(b"secret")
        })
        .unwrap();
        assert!(is_private(&file));
        assert_eq!(
            (fs::read_to_string(&file).unwrap().as_str(), mode(&file)),
            ("secret", 0o600)
        );
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced_by_one_that_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let make = |text: &'static str| create_new(&file, |out| out.write_all(text.as_bytes()));
        assert!(make("first").unwrap() && is_private(&file));
        assert!(!make("second").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "first");
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
    }

    #[test]
    fn a_key_of_a_company_may_be_read_by_a_group_and_by_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "secret").unwrap();
        for (mode, is) in [
            (0o600, true),
            (0o640, true),
            (0o440, true),
            (0o660, false),
            (0o644, false),
            (0o604, false),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_for_group_at_most(&file), is, "{mode:o}");
        }
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("token"), dir.path().join("other"));
        fs::write(&other, "other").unwrap();
        symlink(&other, &file).unwrap();
        symlink(&other, dir.path().join("token.new")).unwrap();
        assert!(!is_private(&file));
        write(&file, "secret").unwrap();
        assert!(is_private(&file));
        assert_eq!(fs::read_to_string(&other).unwrap(), "other");
    }

    #[test]
    fn what_a_crash_left_does_not_stand_in_the_way_and_a_failure_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(dir.path().join("token.new"), "half").unwrap();
        write(&file, "secret").unwrap();
        let failed = replace(&file, |_| Err(io::Error::other("disk full")));
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "secret");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_made_for_its_owner_and_one_that_others_write_to_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        assert!(make_folder(&folder).unwrap() && is_private_folder(&folder));
        assert_eq!(mode(&folder), 0o700);
        assert!(!make_folder(&folder).unwrap(), "it is there already");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_private_folder(&folder));
        let link = dir.path().join("link");
        symlink(dir.path(), &link).unwrap();
        assert!(!is_private_folder(&link));
    }
}
