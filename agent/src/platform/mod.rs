//! What differs between operating systems, each behind the same few functions.

#[cfg(any(windows, test))]
mod owners;
mod signal;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;

use narrows_host::signals::{Reload, Stop};

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(crate) use signal::Signal;
pub(crate) use system::{default_config, default_data, default_state, disk_size, free_space, notify_ready};
#[cfg(windows)]
pub(crate) use windows::{check_owners, note, protect_default_folder, service};

/// What the operator asks for by signal, or by the controls of a Windows service: STOP and SHUTDOWN stop,
/// PARAMCHANGE reloads.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Stop,
    reload: Reload,
}

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            stop: Stop::new()?,
            reload: Reload::new(),
        })
    }

    /// The next signal. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = self.stop.asked() => Signal::Stop,
            () = self.reload.asked() => Signal::Reload,
            signal = system::control() => signal,
        }
    }
}
