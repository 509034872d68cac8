//! Linux and its like.

use std::io;
use std::path::Path;

use narrows_host::systemd;

use super::Signal;

/// Where `--config` points by default.
pub(crate) fn default_config() -> &'static str {
    "/etc/narrows/agent.yaml"
}

/// Default of `data`.
pub(crate) fn default_data() -> &'static str {
    "/var/lib/narrows/data"
}

/// Default of `state`.
pub(crate) fn default_state() -> &'static str {
    "/var/lib/narrows/state"
}

/// What a manager of services asks for: here it does so by signal.
pub(super) async fn control() -> Signal {
    std::future::pending().await
}

/// Tells systemd, if it started us, that the service runs.
pub(crate) fn notify_ready() {
    systemd::notify(systemd::State::Ready);
}

/// Bytes that are free for us on the file system of `path`.
///
/// # Errors
/// The system's.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that the file system of `path` has, free or not.
///
/// # Errors
/// The system's.
pub(crate) fn disk_size(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
}
