//! The rules of "Who gets which peers", one subject per file.

mod failover;
pub(crate) mod gateway;
pub(crate) mod intervals;
mod neighbours;
mod parents;
mod starvation;
mod upstream;
