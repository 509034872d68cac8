//! One content's swarm as a pure state machine: event and time in, actions out.
//!
//! No socket, no clock, no tokio, no file: the shell (`narrows-agent`) feeds [`Event`]s and a monotonic
//! [`Time`] to [`Swarm::handle`] and carries out the [`Action`]s it gets back, in order. The same events,
//! times and seed give the same actions, so a whole fleet is simulated in one test.
//!
//! Who decides what:
//! - [`policy`](crate::policy): small pure rules (class of a connection, gateway duties, pacing, depth, back-off);
//! - [`picker`](crate::picker): which piece next;
//! - [`engine`](crate::engine): the state machine that joins them.

pub mod action;
pub mod config;
pub mod engine;
pub mod event;
pub mod explanation;
pub mod picker;
pub mod policy;
pub mod status;

pub use action::{Action, AnnounceReason, CloseReason};
pub use config::{Config, Limits};
pub use engine::Swarm;
pub use event::{Assigned, Class, Event, Origin, PeerKey};
pub use policy::unreachable::{DialError, Unreachable};
pub use status::{Fault, Report, State, Status};

/// Time since the agent's start, monotonic.
pub type Time = std::time::Duration;
