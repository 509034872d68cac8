//! The announce: what a peer tells the tracker about itself, and the peers that it is handed.
//!
//! BEP 3 (the exchange), 7 (IPv6), 21 (paused), 23 (compact peers), 24 (external address), 31 (retry in), and
//! the `narrows` extension by which agents learn their role in a swarm.

mod decode;
mod encode;
pub mod keys;
mod request;
mod response;
mod url;

pub use decode::ReplyError;
pub use request::{
    AgentReport, AnnounceEvent, AnnounceRequest, GatewayPreference, MAX_BROUGHT, MAX_SEEN_OFFENDERS, Role,
    SeenOffender, Sharing,
};
pub use response::{AnnounceReply, AnnounceResponse, Assignment, Failure, Parent, Peer, RetryIn};
pub use url::{AnnounceUrl, AnnounceUrlError};
