pub(crate) mod service;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

use super::Signal;

/// Where `--config` points by default.
pub fn default_config() -> &'static str {
    "C:\\ProgramData\\Narrows\\agent.yaml"
}

/// Default of `data`.
pub fn default_data() -> &'static str {
    "C:\\ProgramData\\Narrows\\data"
}

/// Default of `state`.
pub fn default_state() -> &'static str {
    "C:\\ProgramData\\Narrows\\state"
}

/// In a console Ctrl-C, Ctrl-Break, closing its window and the end of the session stop. As a service, the
/// controls STOP and SHUTDOWN stop and PARAMCHANGE reloads.
#[derive(Debug)]
pub struct Signals {
    interrupt: CtrlC,
    kill: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            kill: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The next signal. Safe to drop and call again.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.kill.recv() => Signal::Stop,
            _ = self.close.recv() => Signal::Stop,
            _ = self.shutdown.recv() => Signal::Stop,
            signal = service::control() => signal,
        }
    }
}

/// Tells the service control manager, if it started us, that the service runs.
pub fn notify_ready() {
    service::running();
}

/// Creates or replaces the file for administrators, the system and its owner, that is this account, alone.
///
/// # Errors
/// The system's. Where access lists are not to be had (FAT, for one) the file is written all the same.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // until the list is right nobody else may open the file; who changes the list reads nothing and may
    let mut file = OpenOptions::new().write(true).create_new(true).share_mode(0).open(path)?;
    if let Err(error) = restrict(path, &[SYSTEM, ADMINISTRATORS, OWNER]) {
        tracing::warn!(path = %path.display(), %error, "cannot keep others from reading this file; its folder's access list applies");
    }
    file.write_all(text.as_bytes())
}

/// Whether `path` is a file and no link. Owners are not compared: who may write to the state folder is for
/// its access list, which [`write_private`] does not depend on.
pub fn is_private(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.is_file())
}

/// Makes a folder, with the access list of that above it; false if something stands there.
///
/// # Errors
/// The system's.
pub fn make_private_folder(path: &Path) -> io::Result<bool> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// Whether `path` is a folder and no link. Owners are not compared, as with [`is_private`].
pub fn is_private_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|folder| folder.is_dir())
}

/// How many files and connections this process may have open: Windows sets no limit.
pub fn raise_open_files() -> u64 {
    u64::MAX
}

/// Bytes that are free for us on the volume of `path`.
///
/// # Errors
/// The system's.
pub fn free_space(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

/// Bytes that the volume of `path` has, free or not.
///
/// # Errors
/// The system's.
pub fn disk_size(path: &Path) -> io::Result<u64> {
    fs4::total_space(path)
}

/// Makes the folder that the defaults lie in, where only administrators and the system may write: by default
/// everyone may add files in ProgramData.
///
/// # Errors
/// The system's.
pub(crate) fn protect_default_folder() -> io::Result<()> {
    let Some(folder) = Path::new(default_config()).parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(folder)?;
    restrict(
        folder,
        &[
            &inherited(SYSTEM),
            &inherited(ADMINISTRATORS),
            "*S-1-5-32-545:(OI)(CI)RX",
        ],
    )
}

/// A grant that what lies in the folder has, too.
fn inherited(grant: &str) -> String {
    grant.replace(':', ":(OI)(CI)")
}

// well-known security identifiers: their names depend on the language of the system
const SYSTEM: &str = "*S-1-5-18:F";
const ADMINISTRATORS: &str = "*S-1-5-32-544:F";
const OWNER: &str = "*S-1-3-4:F";

/// Makes `grants` the whole access list of a file or folder. `icacls` does it: every call of Windows for this
/// needs unsafe code.
fn restrict(path: &Path, grants: &[&str]) -> io::Result<()> {
    /// No console window flashes up.
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    let done = Command::new(system_program("icacls.exe"))
        .arg(path)
        .args(["/inheritance:r", "/grant:r"])
        .args(grants)
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
fn system_program(name: &str) -> PathBuf {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\Windows".into());
    PathBuf::from(root).join("System32").join(name)
}
