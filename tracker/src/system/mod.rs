//! What the tracker needs of the system that it runs on.

pub mod open_files;
pub(crate) mod sd_notify;
pub mod signals;
pub(crate) mod watch;
