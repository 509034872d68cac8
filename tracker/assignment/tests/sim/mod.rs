//! A seeded simulation of a swarm around the tracker's core.

pub mod check;
pub mod client;
pub mod maps;
pub mod rng;
pub mod story;
pub mod world;
