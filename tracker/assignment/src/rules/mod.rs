//! The rules of "Who gets which peers", one subject per file.

pub(crate) mod budget;
pub(crate) mod dscp;
mod failover;
pub(crate) mod gateway;
pub(crate) mod intervals;
pub(crate) mod neighbours;
mod parents;
mod reach;
mod restart;
mod starvation;
pub(crate) mod stripes;
pub(crate) mod supply;
pub(crate) mod trickle;
mod upstream;
