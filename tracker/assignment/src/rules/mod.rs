//! The rules of `doc/design.md`, "Who gets which peers", one subject per file. A rule looks at facts and
//! gives a verdict; `turn/` applies it. Nothing in here changes a swarm.

pub(crate) mod accusations;
pub(crate) mod brought;
pub(crate) mod budget;
pub(crate) mod failover;
#[cfg(test)]
mod fixture;
pub(crate) mod gateway;
pub(crate) mod intervals;
pub(crate) mod neighbours;
pub(crate) mod parents;
pub(crate) mod possible;
pub(crate) mod reach;
pub(crate) mod restart;
pub(crate) mod sending;
pub(crate) mod service;
pub(crate) mod starvation;
pub(crate) mod stripes;
pub(crate) mod supply;
pub(crate) mod trickle;
pub(crate) mod upstream;
