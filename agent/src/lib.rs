//! The Narrows agent: fetches and seeds what the operator assigned.
//!
//! Every decision about pieces and peers is made by `narrows-swarm`, which is pure; every byte on disk is the
//! business of `narrows-storage`, which blocks. This crate is what joins the two on tokio:
//! - [`config`] reads agent.yaml;
//! - `supervisor` holds the contents that run, and changes them on a reload;
//! - `content` has one actor per content, which feeds its swarm and carries out what the swarm wants;
//! - `net` has the sockets; one reading and one writing task per peer;
//! - `announce` is the tracker's client;
//! - [`control`] serves status, metrics, explanations and commands over HTTP;
//! - `identity` is who this agent is, `resources` what it may use;
//! - [`platform`] has what differs between operating systems;
//! - [`cli`] has the program's commands.

mod announce;
pub mod cli;
pub mod config;
mod content;
pub mod control;
mod identity;
mod net;
pub mod platform;
mod resources;
mod supervisor;

pub use content::{
    ContentExplained, ContentState, ContentStatus, ExplainedGateway, ExplainedParent, ExplainedPeer,
    ExplainedPiece, UnreachablePeer,
};
pub use supervisor::{Agent, AgentExplained, AgentStatus, NotKept, ReloadError, Reloaded, StateInUse};
