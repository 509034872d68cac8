//! What the tracker shows of a swarm. Nothing in here changes one.

mod explain;
mod roster;
mod status;

pub use explain::{ExplainedParent, Explanation, HandedOut, Starvation, Succession};
pub use roster::Listed;
pub use status::{DoubleStatus, GatewayStatus, SharedStatus, SiteStatus, SourceStatus, SwarmStatus};
