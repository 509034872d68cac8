//! What the tracker knows: swarms, the site map, the contents, and what of it outlives a restart.

pub(crate) mod begun;
pub(crate) mod conditions;
pub(crate) mod distinct;
mod faults;
mod planning;
mod plans;
pub(crate) mod reported;
pub(crate) mod snapshot;
pub(crate) mod store;
pub(crate) mod targets;
pub(crate) mod told;
pub(crate) mod torrents;
pub(crate) mod tracker;
