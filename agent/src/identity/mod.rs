//! Who this agent is, towards trackers and peers.

pub(crate) mod key;
