use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal as Source, SignalKind, signal};

use super::Signal;

/// Where `--config` points by default.
pub fn default_config() -> &'static str {
    "/etc/narrows/agent.yaml"
}

/// Default of `data`.
pub fn default_data() -> &'static str {
    "/var/lib/narrows/data"
}

/// Default of `state`.
pub fn default_state() -> &'static str {
    "/var/lib/narrows/state"
}

/// SIGTERM and SIGINT stop, SIGHUP reloads.
#[derive(Debug)]
pub struct Signals {
    terminate: Source,
    interrupt: Source,
    hangup: Source,
}

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal. Safe to drop and call again.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

/// Lets this process have as many files and connections open as it may (`RLIMIT_NOFILE`, the hard limit;
/// mostly the soft one is 1,024, for programs that use select(2)), and says how many those are.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let now = setrlimit(Resource::Nofile, raised).map_or(limit, |()| raised);
    now.current.unwrap_or(u64::MAX)
}

/// Tells systemd that the service is ready, if systemd asked for that (sd_notify(3), without its library).
pub fn notify_ready() {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| send_ready(&socket, &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot tell systemd that we are ready");
    }
}

fn send_ready(socket: &UnixDatagram, address: &std::ffi::OsStr) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(b"READY=1", &address);
    }
    socket.send_to(b"READY=1", Path::new(address))
}

/// Creates or replaces the file, readable and writable by its owner alone from the first moment on.
///
/// # Errors
/// The system's.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Whether `path` is a file of this process' user that nobody else may read or write: else somebody may have
/// put it there.
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|file| {
        file.is_file() && file.mode() & 0o077 == 0 && file.uid() == rustix::process::geteuid().as_raw()
    })
}

/// Makes a folder that nobody else may enter; false if something stands there.
///
/// # Errors
/// The system's.
pub fn make_private_folder(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// Whether `path` is a folder of ours, and no link, into which nobody else can put anything.
pub fn is_private_folder(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|folder| {
        folder.is_dir() && folder.mode() & 0o022 == 0 && folder.uid() == rustix::process::geteuid().as_raw()
    })
}

/// Bytes that are free for us on the file system of `path`.
///
/// # Errors
/// The system's.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that the file system of `path` has, free or not.
///
/// # Errors
/// The system's.
pub fn disk_size(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
}
