//! Windows.

pub(crate) mod service;

use std::io;
use std::path::Path;

use narrows_host::private;

use super::Signal;

/// Where `--config` points by default.
pub(crate) fn default_config() -> &'static str {
    "C:\\ProgramData\\Narrows\\agent.yaml"
}

/// Default of `data`.
pub(crate) fn default_data() -> &'static str {
    "C:\\ProgramData\\Narrows\\data"
}

/// Default of `state`.
pub(crate) fn default_state() -> &'static str {
    "C:\\ProgramData\\Narrows\\state"
}

/// What the service control manager asks for; nothing, ever, if this process is no service.
pub(super) async fn control() -> Signal {
    service::control().await
}

/// Tells the service control manager, if it started us, that the service runs.
pub(crate) fn notify_ready() {
    service::running();
}

/// Bytes that are free for us on the volume of `path`.
///
/// # Errors
/// The system's.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

/// Bytes that the volume of `path` has, free or not.
///
/// # Errors
/// The system's.
pub(crate) fn disk_size(path: &Path) -> io::Result<u64> {
    fs4::total_space(path)
}

/// Makes the folder that the defaults lie in, where only administrators and the system may write: by default
/// everyone may add files in ProgramData.
///
/// # Errors
/// The system's.
pub(crate) fn protect_default_folder() -> io::Result<()> {
    Path::new(default_config()).parent().map_or(Ok(()), private::restrict_folder)
}
