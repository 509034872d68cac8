//! A seeded simulation of a swarm around the tracker's core.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod check;
pub mod client;
pub mod events;
pub mod liar;
pub mod maps;
pub mod story;
pub mod world;
