//! The Narrows agent: fetches and seeds what the operator assigned.
//!
//! Every decision about pieces and peers is made by `narrows-swarm`, which is pure; every byte on disk is the
//! business of `narrows-storage`, which blocks. This crate is what joins the two on tokio. Each module uses
//! those below it in this list, none above (tests/wings.rs):
//! - [`cli`] has the program's commands;
//! - `control` serves status, metrics, explanations and commands over HTTP;
//! - `supervisor` holds the contents that run, and changes them on a reload;
//! - `content` has one actor per content, which feeds its swarm and carries out what the swarm wants;
//! - `announce` is the tracker's client; it knows no content;
//! - `net` has the connections to peers, accepted and dialled; it knows no content either;
//! - `resources` is what an agent may use: rates, cores, memory, descriptors;
//! - `identity` is who it is;
//! - [`config`] reads agent.yaml;
//! - `clock` is the time since its start;
//! - `platform` has what differs between operating systems.
//!
//! An agent, as `narrows-agent run` and `get` start it:
//! ```
//! use narrows_agent::Agent;
//! use narrows_agent::config::Config;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("agent.yaml");
//! let config = Config::parse("{id: munich-017, listen: 127.0.0.1:0, state: state, data: data}", &file)?;
//! let agent = Agent::start(config, None).await?;
//! assert_ne!(agent.listen_addr().port(), 0);
//!
//! let status = agent.status().await;
//! assert_eq!(status.id, "munich-017");
//! assert!(status.content.is_empty(), "it has no content until its configuration names some");
//! agent.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod announce;
pub mod cli;
mod clock;
pub mod config;
mod content;
mod control;
mod identity;
mod net;
mod platform;
mod resources;
mod supervisor;

pub use content::{
    ContentExplained, ContentState, ContentStatus, ExplainedGateway, ExplainedParent, ExplainedPeer,
    ExplainedPiece, UnreachablePeer,
};
pub use supervisor::{
    Agent, AgentExplained, AgentStatus, NotKept, OffenderStatus, ReloadError, Reloaded, StartError,
};

/// What peers can do that honest ones do not, as the label `offence` of `narrows_agent_offences_total` has it.
pub fn offences() -> impl Iterator<Item = &'static str> {
    use narrows_host::OffenceKind as _;
    resources::Offence::ALL.iter().map(|kind| kind.as_str())
}
