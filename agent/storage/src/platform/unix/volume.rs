//! What is known of a path beside its bytes: its volume, mount points, inode, extended attributes.

use std::path::{Path, PathBuf};

use rustix::fs;
#[cfg(target_os = "linux")]
use rustix::fs::AtFlags;
#[cfg(target_os = "linux")]
use rustix::io::Errno;

/// File systems in memory, and layers over others: they do not outlive a restart, or a container.
#[cfg(target_os = "linux")]
const PASSING: [u64; 3] = [0x0102_1994, 0x8584_58f6, 0x794c_7630];

/// The kind of file system that holds a path, and its identity if that outlives a restart.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "the widths of these fields differ between systems"
)]
pub(crate) fn volume(path: &Path) -> Option<(String, Option<String>)> {
    let id = fs::statvfs(path).ok()?.f_fsid;
    #[cfg(target_os = "linux")]
    let kind = fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff;
    #[cfg(target_os = "linux")]
    let passes = PASSING.contains(&kind);
    #[cfg(not(target_os = "linux"))]
    let (kind, passes) = (0_u64, false);
    Some((format!("{kind:x}"), (!passes).then(|| format!("{id:x}"))))
}

/// Whether what stands at a path, itself no link, has extended attributes that a user may miss. SELinux
/// labels every file by its own rules.
pub(crate) fn has_extended_attributes(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        let mut names = [0_u8; 4096];
        match fs::llistxattr(path, &mut names[..]) {
            Ok(len) => names[..len]
                .split(|byte| *byte == 0)
                .any(|name| !name.is_empty() && name != b"security.selinux"),
            Err(Errno::RANGE) => true, // more than that
            Err(_) => false,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        false
    }
}

/// Where volumes are mounted, bind mounts of folders and files included; empty where the system does not say.
pub(crate) fn mount_points() -> Vec<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        let mut points = crate::platform::mountinfo::points(&table);
        points.retain(|point| is_mount_root(point));
        points
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

/// False if another mount hides it; true where the kernel (before 5.8) cannot tell.
#[cfg(target_os = "linux")]
fn is_mount_root(path: &Path) -> bool {
    use rustix::fs::{StatxAttributes, StatxFlags};
    let stat = fs::statx(fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
    match stat {
        Ok(stat) if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        }
        Ok(_) | Err(Errno::NOSYS) => true,
        Err(_) => false,
    }
}

/// The inode of what stands at a path.
pub(crate) fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata))
}
