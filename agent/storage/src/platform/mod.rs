//! What differs between operating systems: positioned I/O, folders that are never left through a symbolic
//! link, swapping two trees, allocation. Both modules have the same items; nothing else knows the system.

use std::fmt;
use std::io;

#[cfg(any(windows, test))]
mod mounted;
#[cfg(target_os = "linux")]
mod mountinfo;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix::SHORTAGES;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows::SHORTAGES;
#[cfg(windows)]
pub(crate) use windows::*;

/// How a file below a [`Folder`] is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// For reading.
    Read,
    /// For reading and writing; made if it is not there. Its folder must exist.
    Write,
}

/// What stands at a path, the path itself not followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Inode; 0 where there is none to be had.
    pub(crate) id: u64,
    /// Bytes that the file system has set aside for it.
    pub(crate) allocated: u64,
    /// Whether its owner may execute it; where files have no such bit, always.
    pub(crate) executable: bool,
    /// Rights of owner, group and others, and setuid, setgid and sticky; 0 where there is no such thing.
    pub(crate) mode: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    File,
    Folder,
    Symlink,
    /// Pipes, devices and the like.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "no such thing lies in a folder of Windows")
    )]
    Special,
}

/// What came of making a file executable.
#[cfg_attr(windows, expect(dead_code, reason = "Windows has no such bit"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Executable {
    /// It is.
    Is,
    /// It is another user's, and only that user may do it.
    NotOurs,
    /// The file system holds no such bit.
    NotHeld,
}

/// The source of an [`io::Error`] for a path that would lead through a symbolic link.
#[derive(Debug)]
struct ThroughSymlink;

impl fmt::Display for ThroughSymlink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of the path is a symbolic link")
    }
}

impl std::error::Error for ThroughSymlink {}

fn through_symlink() -> io::Error {
    io::Error::other(ThroughSymlink)
}

/// Whether an error of a [`Folder`] means that a symbolic link is in the way.
pub(crate) fn is_symlink(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<ThroughSymlink>())
}

/// Whether an error says that the process or the system has no descriptors or memory left just now.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| SHORTAGES.contains(&code))
}

/// Whether an error says that nothing of the kind stands there.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
