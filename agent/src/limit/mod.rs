//! Rate limits: token buckets, one under another, and the gate that waits for them.

mod bucket;
mod gate;

pub use bucket::Bucket;
pub use gate::Gate;
