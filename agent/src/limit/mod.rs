//! What an agent may use: rates (token buckets, one under another, and the gate that waits for them),
//! descriptors.

mod bucket;
pub(crate) mod descriptors;
mod gate;

pub use bucket::Bucket;
pub use gate::Gate;
