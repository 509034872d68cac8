//! Which peers meet which: the pure core of the tracker.
//!
//! A [`Swarm`] is the state of one content, an [`Announce`] goes in, a [`Decision`] comes out. No socket,
//! clock or source of randomness is in here: time and randomness are passed in, so that one process simulates
//! thousands of clients and finds, with a seed, what a changed rule breaks (`tests/simulation.rs`).
//!
//! ```
//! use std::time::Duration;
//!
//! use narrows_assignment::{Announce, Context, Ledger, Policy, Swarm};
//! use narrows_protocol::{AnnounceEvent, InfoHash, PeerId, Role};
//! use narrows_topology::SiteMap;
//!
//! let text = "version: 1
//! sites:
//!   hq:     {networks: [10.1.0.0/16]}
//!   munich: {networks: [10.2.0.0/16]}
//! links:
//!   - {between: [hq, munich], rate: 10 Mbit/s}
//! ";
//! let map = SiteMap::parse("sites.yaml", text)?;
//! let (policy, ledger) = (Policy::default(), Ledger::new());
//! let wall = jiff::Timestamp::UNIX_EPOCH;
//! let cx = Context { map: &map, policy: &policy, ledger: &ledger, wall };
//!
//! let mut swarm = Swarm::with_size(InfoHash([1; 20]), 1_000);
//! let mut announce = |addr: &str, left| {
//!     let announce = Announce {
//!         addr: addr.parse()?,
//!         peer_id: PeerId(*b"-XX0001-123456789012"),
//!         left,
//!         downloaded: 0,
//!         uploaded: 0,
//!         event: AnnounceEvent::Started,
//!         numwant: None,
//!         key: None,
//!         agent: None,
//!     };
//!     Ok::<_, Box<dyn std::error::Error>>(swarm.announce(&cx, &announce, Duration::ZERO, &mut rand::rng())?)
//! };
//! announce("10.1.0.1:6881", 0)?;
//! // the first leecher of a site fetches across its link, and the next one from it
//! let gateway = announce("10.2.0.1:6881", 1_000)?;
//! assert_eq!((gateway.role, gateway.upstream[0].addr.port()), (Role::Gateway, 6881));
//! let member = announce("10.2.0.2:6881", 1_000)?;
//! assert_eq!((member.role, member.upstream.len(), member.local.len()), (Role::Member, 0, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! `state/` is what is known, and knows no rule. `rules/` are functions that look at it (a `View`) and give a
//! verdict. `turn/` takes an announce from its record to its reply and applies the verdicts: the one place
//! that does. `report/` reads. An invariant that does not hold is a [`Broken`]: see [`Swarm::take_broken`].
//!
//! Where the rules of `doc/design.md` live:
//!
//! | rule | decided in | applied in |
//! |---|---|---|
//! | 1 sites | the site map | `turn/announce.rs` |
//! | 2 supply | `state/site.rs`, `rules/supply.rs` | `turn/progress.rs` |
//! | 3 parents | `rules/parents.rs`, `rules/stripes.rs`, with a `state/picture.rs` | `turn/parents.rs` |
//! | 4 gateways: leases, successors | `rules/gateway/`, `rules/service.rs`, `rules/brought.rs`, `rules/trickle.rs` | `turn/lease.rs` |
//! | 4 gateways: fail-over, adoption | `rules/accusations.rs`, `rules/failover.rs`, `rules/restart.rs` | `turn/reach.rs`, `turn/probe.rs` |
//! | 5 upstreams | `rules/upstream.rs`, `rules/reach.rs` | `turn/announce.rs`, `turn/reach.rs` |
//! | 6 links are the gateway's, 7 neighbours | `rules/neighbours.rs` | `turn/announce.rs` |
//! | 8 nobody starves | `rules/starvation.rs` | `turn/progress.rs` |
//! | 9 identity | `state/agents.rs`, `state/clients.rs` | `turn/identify.rs` |
//! | 10 rates: shares, and what of them is granted at once | `ledger/`, `rules/budget.rs` | `turn/reply.rs` |
//! | 10 rates at the sender | `rules/sending.rs` | by agents |
//! | what an operator stops | `brakes.rs` | `turn/reply.rs` |
//! | when to come back, when to be forgotten | `rules/intervals.rs` | `turn/reply.rs`, `turn/record.rs` |
//! | who is named for false accusations, over all contents | `untruths.rs` | by the tracker |
//! | what outlives a restart of the tracker | `state/record.rs` | |
//!
//! The numbers behind them stand in [`Policy`].

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
mod untruths;

pub use brakes::Brakes;
pub use context::Context;
pub use decision::{Announce, Decision, Outcome, Parent, Probed, Refusal};
pub use invariant::Broken;
pub use ledger::Ledger;
pub use policy::{
    BarPolicy, BudgetPolicy, GatewayPolicy, IdentityPolicy, Intervals, PlanningPolicy, Policy, ReachPolicy,
    SharesPolicy, StarvationPolicy, SupplyPolicy, Terms, TotalsPolicy, TricklePolicy, UpstreamPolicy,
};
pub use report::{
    DoubleStatus, ExplainedParent, Explanation, GatewayStatus, HandedOut, Listed, SharedStatus, SiteStatus,
    SourceStatus, Starvation, Succession, SwarmStatus,
};
pub use rules::sending::path_rates;
pub use state::picture::{Picture, Plan};
pub use state::{Counts, Swarm, SwarmRecord};
pub use untruths::Untruths;

/// A moment: the time since the tracker's start.
pub type Time = std::time::Duration;
