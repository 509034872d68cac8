//! What the commands answer.

pub(crate) mod draw;
pub(crate) mod explain;
pub(crate) mod plan;
mod rollout;

pub(crate) use rollout::{Asked, MayBeAsked};
