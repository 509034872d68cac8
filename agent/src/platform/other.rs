use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

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

/// Ctrl-C stops; there is no signal to reload: use the control port.
#[derive(Debug)]
pub struct Signals;

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// The next signal. Safe to drop and call again.
    pub async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }
}

/// Nobody to tell.
pub fn notify_ready() {}

/// Creates or replaces the file; its folder's access list protects it.
///
/// # Errors
/// The system's.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// Unknown here.
///
/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn free_space(_path: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
