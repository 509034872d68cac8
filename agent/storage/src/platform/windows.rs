//! Windows. Every folder on the way below a folder is opened itself, whatever link it may be, and held open in a
//! way that lets no program rename or remove it while what is in it is used; where a file that was opened lies in
//! the end is compared with where it was looked for. There are no inodes to compare and no way to swap two
//! folders in one step.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IoSlice};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::{Access, Executable, Kind, Stat, through_symlink};

/// Junctions and symbolic links.
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;

/// Of opening: a link itself; a folder.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// What a folder is held open for: a look at it, and its names, without which Windows lets others remove it.
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const FILE_LIST_DIRECTORY: u32 = 0x1;

/// What others may do with it meanwhile: read and write, not rename or remove.
const FILE_SHARE_READ: u32 = 0x1;
const FILE_SHARE_WRITE: u32 = 0x2;

/// How often a folder or file that another program has open is tried again, and after how long.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// `ERROR_TOO_MANY_OPEN_FILES`, `ERROR_NO_SYSTEM_RESOURCES`.
pub(super) const SHORTAGES: [i32; 2] = [4, 1450];

/// A consumer or a virus scanner has the file open.
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_ACCESS_DENIED: i32 = 5;

/// A folder and what lies below it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// A whole path; the folders on its way stay what they are as long as this lives.
struct Held {
    whole: PathBuf,
    /// Open.
    way: Vec<File>,
}

impl Folder {
    /// The path itself may lead through symbolic links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // the verbatim form has no limit of 260 characters
        let path = fs::canonicalize(path)?;
        if path.is_dir() {
            Ok(Self(path))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// The folder itself.
    pub(crate) fn own_stat(&self) -> io::Result<Stat> {
        Ok(to_stat(&fs::metadata(&self.0)?))
    }

    /// Whether the path leads here. A folder that was exchanged for another of its name is not told apart.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        fs::canonicalize(path).is_ok_and(|path| path == self.0)
    }

    pub(crate) fn file(&self, path: &Path, access: Access) -> io::Result<File> {
        let held = self.above(path)?;
        let write = access == Access::Write;
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .create(write)
            .truncate(false)
            .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
            .open(&held.whole)?;
        let metadata = file.metadata()?;
        if to_stat(&metadata).kind == Kind::Symlink || !is_same(&fs::canonicalize(&held.whole)?, &held.whole)
        {
            Err(through_symlink())
        } else if metadata.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ))
        }
    }

    /// What stands there; `None` if nothing.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let metadata = self.above(path).and_then(|held| fs::symlink_metadata(&held.whole));
        match metadata {
            Ok(metadata) => Ok(Some(to_stat(&metadata))),
            Err(error) if super::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the folder and those above it. Access rights are inherited.
    pub(crate) fn make_folders(&self, path: &Path, _private: bool) -> io::Result<()> {
        let mut held = self.held(Path::new(""))?;
        for name in names(path)? {
            held.whole.push(name);
            match fs::create_dir(&held.whole) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => held.way.push(enter(&held.whole)?),
            }
        }
        Ok(())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.above(from)?, self.above(to)?);
        patiently(&[ERROR_SHARING_VIOLATION, ERROR_ACCESS_DENIED], || {
            fs::rename(&from.whole, &to.whole)
        })
    }

    /// [`rename`](Self::rename) that replaces nothing.
    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.stat(to)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.rename(from, to),
        }
    }

    /// [`io::ErrorKind::Unsupported`]: without inodes it could not be told afterwards that both are one file.
    pub(crate) fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// [`io::ErrorKind::Unsupported`]: it needs a right that services mostly lack, and a word beforehand
    /// whether it leads to a folder.
    pub(crate) fn symlink(&self, _: &str, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The text of a symbolic link, with slashes; `None` if it is no text, or if no link stands there.
    pub(crate) fn read_link(&self, path: &Path) -> io::Result<Option<String>> {
        let held = match self.above(path) {
            Err(error) if super::is_absent(&error) => return Ok(None),
            held => held?,
        };
        let text = fs::read_link(&held.whole).ok();
        let text = text.and_then(|text| text.into_os_string().into_string().ok());
        Ok(text.map(|text| text.replace('\\', "/")))
    }

    /// Windows has no such bit.
    pub(crate) fn make_executable(&self, _: &Path) -> io::Result<Executable> {
        Ok(Executable::Is)
    }

    /// Removes what is no folder; a symbolic link or junction itself.
    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let held = self.above(path)?;
        fs::remove_file(&held.whole).or_else(|_| fs::remove_dir(&held.whole))
    }

    /// The names in a folder.
    pub(crate) fn entries(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let held = self.held(path)?;
        fs::read_dir(&held.whole)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// [`io::ErrorKind::Unsupported`]: there is no such call.
    pub(crate) fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// NTFS journals its names; there is nothing to call.
    pub(crate) fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    /// [`io::ErrorKind::Unsupported`]: there is no such call for us.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Bytes that we may still write to this volume.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        fs4::available_space(&self.0)
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let held = self.above(path)?;
        fs::remove_dir(&held.whole)
    }

    /// Removes a folder with all that is in it, links themselves.
    pub(crate) fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let held = self.above(path)?;
        // it goes down by handles, and does not follow a link that comes meanwhile either
        match to_stat(&fs::symlink_metadata(&held.whole)?).kind {
            Kind::Symlink => Err(through_symlink()),
            _ => fs::remove_dir_all(&held.whole),
        }
    }

    /// The whole path, all folders above its last part held, unless one of them is a link.
    fn above(&self, path: &Path) -> io::Result<Held> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut held = self.held(path.parent().unwrap_or(Path::new("")))?;
        held.whole.push(name);
        Ok(held)
    }

    /// The whole path of a folder, it and all above it held, unless one of them is a link.
    fn held(&self, path: &Path) -> io::Result<Held> {
        let mut held = Held {
            whole: self.0.clone(),
            way: Vec::new(),
        };
        for name in names(path)? {
            held.whole.push(name);
            held.way.push(enter(&held.whole)?);
        }
        Ok(held)
    }
}

/// Opens a folder itself, and holds it, unless it is a link.
fn enter(path: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .access_mode(FILE_READ_ATTRIBUTES | FILE_LIST_DIRECTORY)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
            .open(path)
    };
    let folder = patiently(&[ERROR_SHARING_VIOLATION], open)?;
    match to_stat(&folder.metadata()?).kind {
        Kind::Symlink => Err(through_symlink()),
        Kind::Folder => Ok(folder),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Tries again while another program has it open, which is what these errors mean.
fn patiently<T>(shared: &[i32], act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let is_shared = |error: &io::Error| error.raw_os_error().is_some_and(|code| shared.contains(&code));
    for _ in 0..ATTEMPTS {
        match act() {
            Err(error) if is_shared(&error) => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
    act()
}

/// The components of a relative path without `.` and `..`.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    path.components()
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        })
        .collect()
}

/// Whether two whole paths are the same to Windows, but for letters in which its table differs from Unicode's.
fn is_same(a: &Path, b: &Path) -> bool {
    a.as_os_str().to_string_lossy().to_lowercase() == b.as_os_str().to_string_lossy().to_lowercase()
}

fn to_stat(metadata: &Metadata) -> Stat {
    /// 100 ns ticks from 1601 to 1970.
    const EPOCH: i64 = 116_444_736_000_000_000;
    let kind = if metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        Kind::Symlink
    } else if metadata.is_dir() {
        Kind::Folder
    } else {
        Kind::File
    };
    let ticks = i64::try_from(metadata.last_write_time()).unwrap_or(i64::MAX);
    let size = metadata.file_size();
    Stat {
        kind,
        size,
        modified: (ticks - EPOCH).saturating_mul(100),
        id: 0,
        allocated: size,
        executable: true,
        mode: 0,
    }
}

/// The length is set when a file is made, and NTFS allocates it then.
pub(crate) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fills `buf` from this offset on.
pub(crate) fn read_exact_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.seek_read(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buf = &mut buf[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all slices one after the other.
pub(crate) fn write_all_at(file: &File, slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    for slice in slices {
        let mut rest: &[u8] = slice;
        while !rest.is_empty() {
            match file.seek_write(rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// See [`Folder::sync_folder`].
pub(crate) fn sync_folder_at(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The volume that is mounted in the nearest folder above, else the drive or share: the standard library does
/// not tell a volume's serial number. So a volume that is not mounted in its folder is missed; another one
/// under the same letter is not told apart. None where the system has no final path for it, as for some RAM
/// disks.
pub(crate) fn volume(path: &Path) -> Option<(String, Option<String>)> {
    let path = fs::canonicalize(path).ok()?;
    let mounted = path.ancestors().find_map(|folder| {
        let leads_to = fs::read_link(folder).ok()?;
        super::mounted::volume_guid(leads_to.to_str()?)
    });
    if let Some(guid) = mounted {
        return Some(("volume".to_owned(), Some(guid)));
    }
    match path.components().next()? {
        Component::Prefix(prefix) => {
            let name = prefix.as_os_str().to_str()?.to_ascii_uppercase();
            Some(("drive".to_owned(), Some(name)))
        }
        _ => None,
    }
}

/// They come from the folder.
pub(crate) fn copy_rights(_: &File, _: &File) -> io::Result<()> {
    Ok(())
}

/// Not looked for.
pub(crate) fn has_extended_attributes(_: &Path) -> bool {
    false
}

/// Not looked for: a folder that leads to another volume is a link here, which is refused as such.
pub(crate) fn mount_points() -> Vec<PathBuf> {
    Vec::new()
}

/// There is none.
pub(crate) fn inode(_: &Path) -> Option<u64> {
    None
}
