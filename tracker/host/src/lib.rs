//! What tracker and agent need of the machine they run on, and of its log. Knows nothing of BitTorrent and of
//! sites.

pub mod durable;
pub mod listen;
pub mod out;
pub mod repeats;

pub use repeats::{Repeats, RepeatsBy};
