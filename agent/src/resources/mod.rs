//! What an agent may use: rates (token buckets, one under another, and the gate that waits for them),
//! descriptors.

mod bucket;
mod buffers;
pub(crate) mod descriptors;
mod gate;

pub(crate) use bucket::Bucket;
pub(crate) use buffers::Buffers;
pub(crate) use gate::Gate;
