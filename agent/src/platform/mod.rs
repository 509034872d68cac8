//! What differs between operating systems, each behind the same few functions.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{
    Signals, default_config, default_data, default_state, disk_size, free_space, is_private,
    is_private_folder, make_private_folder, notify_ready, raise_open_files, write_private,
};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{
    Signals, default_config, default_data, default_state, disk_size, free_space, is_private,
    is_private_folder, make_private_folder, notify_ready, raise_open_files, write_private,
};
#[cfg(windows)]
pub(crate) use windows::{protect_default_folder, service};

/// What the operating system asks of the agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Stop gracefully.
    Stop,
    /// Read the configuration again.
    Reload,
}
