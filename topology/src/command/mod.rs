//! What the commands answer.

pub(crate) mod explain;
pub(crate) mod plan;
mod rollout;
mod spell;

pub(crate) use rollout::Rollout;
