//! What the tracker needs of the system that it runs on.

pub(crate) mod watch;
