//! Windows. Every component below a folder is looked at before it is used; there are no inodes to compare and
//! no way to swap two folders in one step.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IoSlice};
use std::os::windows::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::{Access, Executable, Kind, Stat, through_symlink};

/// Junctions and symbolic links.
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;

/// A consumer or a virus scanner has the file open.
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_ACCESS_DENIED: i32 = 5;

/// A folder and what lies below it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

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
        let path = self.checked(path)?;
        let write = access == Access::Write;
        let file = OpenOptions::new().read(true).write(write).create(write).truncate(false).open(path)?;
        if file.metadata()?.is_file() {
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
        let above = self.checked(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        match fs::symlink_metadata(above.join(name)) {
            Ok(metadata) => Ok(Some(to_stat(&metadata))),
            Err(error) if super::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the folder and those above it. Access rights are inherited.
    pub(crate) fn make_folders(&self, path: &Path, _private: bool) -> io::Result<()> {
        fs::create_dir_all(self.checked(path)?)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.checked(from)?, self.checked(to)?);
        let mut attempts = 0;
        loop {
            match fs::rename(&from, &to) {
                Err(error) if attempts < 10 && is_shared(&error) => attempts += 1,
                result => return result,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
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
        let above = self.checked(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let text = fs::read_link(above.join(name)).ok();
        let text = text.and_then(|text| text.into_os_string().into_string().ok());
        Ok(text.map(|text| text.replace('\\', "/")))
    }

    /// Windows has no such bit.
    pub(crate) fn make_executable(&self, _: &Path) -> io::Result<Executable> {
        Ok(Executable::Is)
    }

    /// Removes what is no folder; a symbolic link or junction itself.
    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let above = self.checked(path.parent().unwrap_or(Path::new("")))?;
        let whole = above.join(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        fs::remove_file(&whole).or_else(|_| fs::remove_dir(&whole))
    }

    /// The names in a folder.
    pub(crate) fn entries(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(self.checked(path)?)?.map(|entry| Ok(entry?.file_name())).collect()
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
        fs::remove_dir(self.checked(path)?)
    }

    /// The whole path, unless one of its parts below the folder is a link.
    fn checked(&self, path: &Path) -> io::Result<PathBuf> {
        let mut whole = self.0.clone();
        for component in path.components() {
            let Component::Normal(name) = component else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            whole.push(name);
            match fs::symlink_metadata(&whole) {
                Ok(metadata) if to_stat(&metadata).kind == Kind::Symlink => return Err(through_symlink()),
                Err(error) if !super::is_absent(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(whole)
    }
}

fn is_shared(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(ERROR_SHARING_VIOLATION | ERROR_ACCESS_DENIED)
    )
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
