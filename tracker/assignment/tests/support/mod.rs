//! What the tests share that is no simulation of its own.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod rng;
pub mod seeds;
