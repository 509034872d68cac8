//! The Narrows agent: fetches and seeds what the operator assigned.
//!
//! Every decision about pieces and peers is made by `narrows-swarm`, which is pure; every byte on disk is the
//! business of `narrows-storage`, which blocks. This crate is what joins the two on tokio:
//! - [`config`]: agent.yaml;
//! - [`agent`]: the contents that run, and how a reload changes them;
//! - `content`: one actor per content, which feeds its swarm and carries out what the swarm wants;
//! - `net`: sockets; one reading and one writing task per peer;
//! - `announce`: the tracker's client;
//! - [`control`]: status, metrics and commands over HTTP;
//! - [`limit`]: rate limits;
//! - [`platform`]: what differs between operating systems;
//! - [`cli`]: the program's commands.

pub mod agent;
mod announce;
pub mod cli;
pub mod config;
mod content;
pub mod control;
pub mod limit;
mod net;
pub mod platform;

pub use content::{ContentState, ContentStatus};
