//! What the tracker shows of a swarm. Nothing in here changes one.

mod explain;
mod roster;
mod status;

pub use explain::{Explanation, Starvation, Succession, ToldParent, ToldPeer};
pub use roster::Listed;
pub use status::{DoubleStatus, GatewayStatus, SharedStatus, SiteStatus, SourceStatus, SwarmStatus};
