//! One content's swarm as a pure state machine: event and time in, actions out.
//!
//! No socket, no clock, no tokio, no file: the shell (`narrows-agent`) feeds [`Event`]s and a monotonic
//! [`Time`] to [`Swarm::handle`], blocks to [`Swarm::handle_block`], which says whether to keep them, and
//! carries out the [`Action`]s it gets back, in order. The same events, blocks, times and seed give the same
//! actions, so a whole fleet is simulated in one test.
//!
//! ```
//! use narrows_protocol::metainfo::Lengths;
//! use narrows_protocol::{GatewayPreference, InfoHash, PeerId, Sharing};
//! use narrows_swarm::{Action, AnnounceReason, Config, Event, Limits, State, Swarm, Time};
//! use narrows_wire::Bitfield;
//!
//! let lengths = Lengths::new(64 << 10, 20 * (64 << 10)).expect("a content of 20 pieces");
//! let config = Config {
//!     lengths,
//!     info_hash: InfoHash([7; 20]),
//!     peer_id: PeerId([1; 20]),
//!     agent: "munich-017".into(),
//!     listen: "10.2.0.17:6881".parse()?,
//!     have: Bitfield::new(lengths.piece_count()),
//!     gateway: GatewayPreference::Auto,
//!     share: Sharing::Always,
//!     limits: Limits::default(),
//!     seed: 1,
//! };
//! let mut swarm = Swarm::new(config, Time::ZERO);
//! let mut actions = Vec::new();
//! swarm.handle(Event::Tick, Time::ZERO, &mut actions);
//! assert_eq!(actions, [Action::Announce(AnnounceReason::Started)]);
//! assert_eq!(swarm.status(Time::ZERO).state, State::Fetching);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! Which module decides what:
//! - [`policy`]: small pure rules (what a connection is to us, gateway duties, pacing,
//!   back-off);
//! - [`picker`]: which piece next;
//! - [`engine`]: the state machine that joins them. Each parent that the tracker names
//!   ([`narrows_protocol::Parent`]) gets a state there, with an active upstream, a rate and a trial.
//!
//! Rules of `doc/design.md` that are kept here: rule 4, gateways, and rule 5, upstreams
//! ([`policy::gateway`], [`policy::trial`], [`policy::stripes`]); rule 6, links are the gateway's
//! ([`policy::relation`]); rule 8, nobody starves (the engine says that it is stalled, or which upstreams
//! are gone); rule 10, rates ([`policy::pacing`]).

pub mod action;
pub mod config;
pub mod engine;
pub mod event;
pub mod explanation;
pub mod picker;
pub mod policy;
pub mod status;

pub use action::{Action, AnnounceReason, CloseReason, Misdeed};
pub use config::{Config, Limits};
pub use engine::Swarm;
pub use event::{Assigned, Class, Event, Origin, PeerKey};
pub use policy::unreachable::{DialError, Unreachable};
pub use status::{Fault, Report, State, Status};

/// Time since the agent's start, monotonic.
pub type Time = std::time::Duration;
