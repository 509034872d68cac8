//! Windows.

pub(crate) mod service;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use narrows_host::private;

use super::Signal;
use super::owners::{NotOurs, believed, judge};

/// No console window flashes up.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// How long Windows may take to say whose files are; the manager waits for 30 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says who we are, then whose each path is, in security identifiers: their names depend on the language.
const OWNERS: &str = "$ErrorActionPreference = 'Stop'; [Security.Principal.WindowsIdentity]::GetCurrent().User.Value; \
                      foreach ($path in $env:NARROWS_PATHS.Split('|')) { if (Test-Path -LiteralPath $path) \
                      { (Get-Acl -LiteralPath $path).GetOwner([Security.Principal.SecurityIdentifier]).Value } else { '-' } }";

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

/// Makes the folder that the defaults lie in, where only administrators, who own it, and the system may write:
/// by default all users may add files in ProgramData.
///
/// # Errors
/// The system's.
pub(crate) fn protect_default_folder() -> io::Result<()> {
    Path::new(default_config()).parent().map_or(Ok(()), private::restrict_folder)
}

/// Whether the service may go by this configuration and this state folder. Where Windows does not say whose
/// they are (a system without PowerShell) the log says so, and the service goes by them.
///
/// # Errors
/// [`NotOurs`] says which is another user's.
pub(crate) fn check_owners(config: &Path, state: &Path) -> Result<(), NotOurs> {
    if let Some(folder) = config.parent()
        && std::fs::symlink_metadata(folder).is_ok_and(|folder| folder.is_symlink())
    {
        return Err(NotOurs::Link(folder.to_owned()));
    }
    let paths = believed(config, state);
    let said = owners(&paths).unwrap_or_else(|error| error.to_string());
    judge(&paths, &said).unwrap_or_else(|| {
        tracing::warn!(%said, "cannot tell whose the configuration and the state folder are; they are taken as they are");
        Ok(())
    })
}

/// What [`OWNERS`] says. The standard library knows no owners, and every call of Windows for them needs unsafe
/// code.
fn owners(paths: &[PathBuf]) -> io::Result<String> {
    // no path has this character there
    let joined = paths.iter().map(|path| path.as_os_str()).collect::<Vec<_>>().join(OsStr::new("|"));
    let program = private::system_program("WindowsPowerShell\\v1.0\\powershell.exe");
    let mut asked = Command::new(program)
        .args(["-NoLogo", "-NoProfile", "-NonInteractive", "-Command", OWNERS])
        .env("NARROWS_PATHS", joined)
        .creation_flags(CREATE_NO_WINDOW)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while asked.try_wait()?.is_none() {
        if Instant::now() > deadline {
            asked.kill()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut said = String::new();
    if let Some(out) = asked.stdout.take() {
        out.take(4096).read_to_string(&mut said)?;
    }
    Ok(said)
}

/// Puts an error of the service where administrators look if there is no log of ours: the system's event log.
/// If that fails there is no place left.
pub(crate) fn note(sentence: &str) {
    let arguments: [OsString; 10] = [
        "/L",
        "APPLICATION",
        "/T",
        "ERROR",
        "/SO",
        service::NAME,
        "/ID",
        "64",
        "/D",
        sentence,
    ]
    .map(Into::into);
    let _ = Command::new(private::system_program("eventcreate.exe"))
        .args(arguments)
        .creation_flags(CREATE_NO_WINDOW)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
