//! Bytes into and out of open files at an offset, and the space for them.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{self, Mode, RawMode};
use rustix::io::Errno;

/// Allocates a file's bytes, where that is cheap; elsewhere `Unsupported`. It reads as zeros.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match fs::fallocate(file.as_fd(), fs::FallocateFlags::empty(), 0, len) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fills `buf` from this offset on.
pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buf, offset)
}

/// Writes all slices one after the other, in one call as far as the system takes them.
pub(crate) fn write_all_at(file: &File, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    const IOV_MAX: usize = 1024;
    IoSlice::advance_slices(&mut slices, 0); // empty ones
    while !slices.is_empty() {
        let now = &slices[..slices.len().min(IOV_MAX)];
        match rustix::io::pwritev(file.as_fd(), now, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Gives a copy the rights of its original, but not setuid and setgid, for it has another owner.
pub(crate) fn copy_rights(from: &File, to: &File) -> io::Result<()> {
    let mode = Mode::from_raw_mode(fs::fstat(from)?.st_mode as RawMode);
    Ok(fs::fchmod(to, mode & (Mode::RWXU | Mode::RWXG | Mode::RWXO))?)
}
