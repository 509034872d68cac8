//! Unix. Paths below a folder are walked component by component with `O_NOFOLLOW`, which no symbolic link can
//! divert, not even one that appears meanwhile.

mod transfer;
mod volume;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;

use super::{Access, Executable, Kind, Stat, through_symlink};

pub(crate) use transfer::{allocate, copy_rights, read_exact_at, write_all_at};
pub(crate) use volume::{has_extended_attributes, inode, mount_points, volume};

/// Folders in each other that [`Folder::remove_tree`] removes: each is held open on the way down. The longest
/// path of a content has as many components.
const MAX_TREE: usize = 512;

/// Of the process, and of the system.
pub(super) const SHORTAGES: [i32; 2] = [Errno::MFILE.raw_os_error(), Errno::NFILE.raw_os_error()];

/// A folder, held open, and what lies below it.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// The path itself may lead through symbolic links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(fs::open(path, flags, Mode::empty())?))
    }

    /// The folder itself.
    pub(crate) fn own_stat(&self) -> io::Result<Stat> {
        Ok(to_stat(&fs::fstat(&self.0)?))
    }

    /// Whether the path leads here.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        match (fs::fstat(&self.0), fs::stat(path)) {
            (Ok(here), Ok(there)) => (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino),
            _ => false,
        }
    }

    pub(crate) fn file(&self, path: &Path, access: Access) -> io::Result<File> {
        // NONBLOCK: a named pipe must not hold us up; it means nothing for files
        let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR | OFlags::CREATE,
        };
        self.with_parent(path, |parent, name| {
            let file =
                fs::openat(parent, name, common | flags, Mode::from_raw_mode(0o666)).map_err(|errno| {
                    if errno == Errno::LOOP {
                        through_symlink()
                    } else {
                        errno.into()
                    }
                })?;
            let file = File::from(file);
            if file.metadata()?.is_file() {
                Ok(file)
            } else {
                Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is not a regular file",
                ))
            }
        })
    }

    /// What stands there; `None` if nothing, or if a folder on the way is none.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let stat = self.with_parent(path, |parent, name| {
            Ok(fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
        });
        match stat {
            Ok(stat) => Ok(Some(to_stat(&stat))),
            Err(error) if super::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the folder and those above it; `private`: the first one is for us alone.
    pub(crate) fn make_folders(&self, path: &Path, private: bool) -> io::Result<()> {
        let mut at = self.0.try_clone()?;
        for (depth, name) in names(path)?.into_iter().enumerate() {
            let mode = if private && depth == 0 { 0o700 } else { 0o777 };
            match fs::mkdirat(&at, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => at = enter(&at, name)?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with_parent(from, |a, from| {
            self.with_parent(to, |b, to| Ok(fs::renameat(a, from, b, to)?))
        })
    }

    /// [`rename`](Self::rename) that replaces nothing, in one step where the file system can.
    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with_parent(from, |a, from| {
            self.with_parent(to, |b, to| rename_new(a, from, b, to))
        })
    }

    /// A second name for a file, which does not exist yet.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with_parent(from, |a, from| {
            self.with_parent(to, |b, to| Ok(fs::linkat(a, from, b, to, AtFlags::empty())?))
        })
    }

    /// Lets all users execute a file that may read it, as git does: so the umask that it was made with is
    /// honoured.
    pub(crate) fn make_executable(&self, path: &Path) -> io::Result<Executable> {
        let file = self.file(path, Access::Read)?;
        let stat = fs::fstat(&file)?;
        let mode = Mode::from_raw_mode(stat.st_mode as RawMode);
        let readers = Mode::from_raw_mode((mode & (Mode::RUSR | Mode::RGRP | Mode::ROTH)).as_raw_mode() >> 2);
        match fs::fchmod(&file, mode | readers | Mode::XUSR) {
            Err(Errno::PERM) if fs::fstat(&file)?.st_uid != rustix::process::geteuid().as_raw() => {
                Ok(Executable::NotOurs)
            }
            Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(Executable::NotHeld),
            Err(errno) => Err(errno.into()),
            Ok(()) if to_stat(&fs::fstat(&file)?).executable => Ok(Executable::Is),
            Ok(()) => Ok(Executable::NotHeld),
        }
    }

    /// Makes a symbolic link of this text where nothing stands.
    pub(crate) fn symlink(&self, text: &str, path: &Path) -> io::Result<()> {
        self.with_parent(path, |parent, name| Ok(fs::symlinkat(text, parent, name)?))
    }

    /// The text of a symbolic link; `None` if it is no text, or if no link stands there.
    pub(crate) fn read_link(&self, path: &Path) -> io::Result<Option<String>> {
        let text = self.with_parent(path, |parent, name| Ok(fs::readlinkat(parent, name, Vec::new())?));
        match text {
            Ok(text) => Ok(text.into_string().ok()),
            Err(error) if super::is_absent(&error) || error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what is no folder; a symbolic link itself.
    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.with_parent(path, |parent, name| {
            Ok(fs::unlinkat(parent, name, AtFlags::empty())?)
        })
    }

    /// The names in a folder.
    pub(crate) fn entries(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut at = self.0.try_clone()?;
        for name in names(path)? {
            at = enter(&at, name)?;
        }
        let mut out = Vec::new();
        for entry in fs::Dir::read_from(&at)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                out.push(name.to_owned());
            }
        }
        Ok(out)
    }

    /// Swaps two paths in one step; [`io::ErrorKind::Unsupported`] where the system or the file system
    /// cannot.
    pub(crate) fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        self.with_parent(a, |parent_a, a| {
            self.with_parent(b, |parent_b, b| swap(parent_a, a, parent_b, b))
        })
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut at = self.0.try_clone()?;
        for name in names(path)? {
            at = enter(&at, name)?;
        }
        match fs::fsync(&at) {
            Ok(()) | Err(Errno::INVAL) => Ok(()), // some network file systems know no such thing
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes everything on this file system durable; [`io::ErrorKind::Unsupported`] where there is no such
    /// call.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return Ok(fs::syncfs(&self.0)?);
        #[cfg(not(target_os = "linux"))]
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Bytes that we may still write to this file system.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        let stat = fs::fstatvfs(&self.0)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.with_parent(path, |parent, name| {
            Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
        })
    }

    /// Removes a folder with all that is in it, links themselves. What comes in meanwhile stays, and with it
    /// the folder: an error then.
    pub(crate) fn remove_tree(&self, path: &Path) -> io::Result<()> {
        self.with_parent(path, |parent, name| remove_tree(parent, name, MAX_TREE))
    }

    fn with_parent<T>(
        &self,
        path: &Path,
        act: impl FnOnce(&OwnedFd, &Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut names = names(path)?;
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut inner: Option<OwnedFd> = None;
        for name in names {
            inner = Some(enter(inner.as_ref().unwrap_or(&self.0), name)?);
        }
        act(inner.as_ref().unwrap_or(&self.0), last)
    }
}

/// Opens a folder in a folder, unless it is a symbolic link.
fn enter(at: &OwnedFd, name: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(at, name, flags, Mode::empty()).map_err(|errno| match errno {
        // which of the two a symbolic link gives depends on the system
        Errno::NOTDIR | Errno::LOOP => match fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if to_stat(&stat).kind == Kind::Symlink => through_symlink(),
            _ => errno.into(),
        },
        errno => errno.into(),
    })
}

/// Nothing is reached by a path of more than one component, so that no link can lead out.
fn remove_tree(parent: &OwnedFd, name: &Path, deeper: usize) -> io::Result<()> {
    let folder = enter(parent, name)?;
    for entry in fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let name = Path::new(name);
        let stat = to_stat(&fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?);
        match (stat.kind, deeper.checked_sub(1)) {
            (Kind::Folder, Some(deeper)) => remove_tree(&folder, name, deeper)?,
            (Kind::Folder, None) => return Err(io::Error::other("its folders lie too deep in each other")),
            _ => fs::unlinkat(&folder, name, AtFlags::empty())?,
        }
    }
    Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// The components of a relative path without `.` and `..`.
fn names(path: &Path) -> io::Result<Vec<&Path>> {
    path.components()
        .map(|component| match component {
            Component::Normal(name) => Ok(Path::new(name)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        })
        .collect()
}

#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "the widths of these fields differ between systems"
)]
fn to_stat(stat: &fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode as RawMode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Special,
    };
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Stat {
        kind,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: (stat.st_mtime as i64).saturating_mul(1_000_000_000).saturating_add(nanoseconds),
        id: stat.st_ino as u64,
        allocated: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
        executable: Mode::from_raw_mode(stat.st_mode as RawMode).contains(Mode::XUSR),
        mode: stat.st_mode as u32 & 0o7777,
    }
}

fn rename_new(parent_a: &OwnedFd, a: &Path, parent_b: &OwnedFd, b: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match fs::renameat_with(parent_a, a, parent_b, b, fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return Ok(result?),
    }
    match fs::statat(parent_b, b, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(Errno::NOENT) => Ok(fs::renameat(parent_a, a, parent_b, b)?),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(target_os = "linux")]
fn swap(parent_a: &OwnedFd, a: &Path, parent_b: &OwnedFd, b: &Path) -> io::Result<()> {
    use rustix::fs::RenameFlags;
    fs::renameat_with(parent_a, a, parent_b, b, RenameFlags::EXCHANGE).map_err(|errno| match errno {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => io::ErrorKind::Unsupported.into(),
        errno => errno.into(),
    })
}

#[cfg(not(target_os = "linux"))]
fn swap(_: &OwnedFd, _: &Path, _: &OwnedFd, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes a rename or a new name in this folder durable.
pub(crate) fn sync_folder_at(path: &Path) -> io::Result<()> {
    Folder::open(path)?.sync_folder(Path::new(""))
}

#[cfg(test)]
mod tests;
