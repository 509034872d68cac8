//! Small pure rules: time and randomness come in, a decision comes out.

pub mod backoff;
pub mod blame;
pub mod credit;
pub mod depth;
pub mod first_block;
pub mod flood;
pub mod gateway;
pub mod liveness;
pub mod owing;
pub mod pacing;
pub mod places;
pub mod rate;
pub mod relation;
pub mod serve;
pub mod sites;
pub mod stripes;
pub mod trial;
pub mod unreachable;
pub mod unreplicated;
