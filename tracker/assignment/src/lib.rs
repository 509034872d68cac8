//! Who gets which peers: the pure core of the tracker.
//!
//! A [`Swarm`] is the state of one content, an [`Announce`] goes in, a [`Decision`] comes out. No socket,
//! clock or source of randomness is in here: time and randomness are passed in, so that one process simulates
//! thousands of clients and finds, with a seed, what a changed rule breaks (`tests/simulation.rs`).
//!
//! Where the rules of the design live:
//!
//! | rule | file |
//! |---|---|
//! | 1 site of a peer | `turn/announce.rs` |
//! | 9 one machine is one peer, and each machine its own | `turn/identify.rs` |
//! | 2, 3 supplied sites, parents | `rules/parents.rs` |
//! | 4 gateways: leases, successors, fail-over, adoption | `rules/gateway.rs`, `rules/failover.rs` |
//! | 5 upstreams | `rules/upstream.rs` |
//! | 6, 7 peers of the own site | `rules/neighbours.rs` |
//! | 8 nobody starves | `rules/starvation.rs` |
//! | 10 rates: shares, and what of them is granted at once | `ledger/`, `rules/budget.rs` |
//! | what an operator stops | `brakes.rs` |
//! | when to come back, when to be forgotten | `rules/intervals.rs` |
//! | what outlives a restart of the tracker | `state/record.rs` |

mod brakes;
mod context;
mod decision;
mod dscp;
mod endpoint;
mod hash;
mod invariant;
mod ledger;
mod policy;
mod report;
mod rules;
mod state;
mod turn;

pub use brakes::Brakes;
pub use context::Context;
pub use decision::{Announce, Decision, Outcome, Parent, Refusal};
pub use invariant::Broken;
pub use ledger::Ledger;
pub use policy::{
    BudgetPolicy, GatewayPolicy, Intervals, Policy, ReachPolicy, SharesPolicy, StarvationPolicy,
    SupplyPolicy, Terms, TricklePolicy, UpstreamPolicy,
};
pub use report::{
    DoubleStatus, Explanation, GatewayStatus, Listed, SharedStatus, SiteStatus, SourceStatus, Starvation,
    Succession, SwarmStatus, ToldParent, ToldPeer,
};
pub use state::{Counts, Swarm, SwarmRecord};

/// A moment: the time since the tracker's start.
pub type Time = std::time::Duration;
