//! One content: an actor that owns its swarm and its files.

mod actor;
mod explain;
mod pieces;
mod role;
mod session;
mod status;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::{GatewayPreference, InfoHash, Sharing};
use tokio::sync::{mpsc, oneshot};

use crate::announce::Client;
use crate::clock::Clock;
use crate::identity::Identity;
use crate::net::{self, Network};
use crate::resources::Resources;

pub(crate) use actor::spawn;
pub use explain::{ContentExplained, ExplainedGateway, ExplainedParent, ExplainedPeer, ExplainedPiece};
pub use status::{ContentState, ContentStatus, UnreachablePeer};
pub(crate) use work::Work;

/// How many inputs wait at most for an actor; each carries at most one receive buffer's messages.
const INPUTS: usize = 128;

/// What the contents of one agent work with: who they are, what they may use, and the ways outside.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) me: Arc<Identity>,
    pub(crate) clock: Clock,
    pub(crate) resources: Arc<Resources>,
    /// To peers.
    pub(crate) network: Arc<Network>,
    /// To trackers.
    pub(crate) trackers: Arc<Client>,
}

/// What an actor is to do.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) meta: Arc<Metainfo>,
    pub(crate) target: PathBuf,
    /// The folder that keeps what a restart needs to know.
    pub(crate) state: PathBuf,
    /// In which time all published bytes are hashed again; none: never.
    pub(crate) scrub: Option<Duration>,
    pub(crate) gateway: GatewayPreference,
    pub(crate) share: Sharing,
    pub(crate) paused: bool,
}

/// The way to an actor.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) name: String,
    pub(crate) info_hash: InfoHash,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) inputs: mpsc::Sender<Input>,
}

impl Handle {
    /// Whether `which` names it: by name or info hash; `None` means all.
    pub(crate) fn is_meant(&self, which: Option<&str>) -> bool {
        which.is_none_or(|which| which == self.name || self.info_hash.to_string() == which)
    }
}

/// What the operator wants.
#[derive(Debug)]
pub(crate) enum Command {
    Status(oneshot::Sender<ContentStatus>),
    Explain(oneshot::Sender<ContentExplained>),
    Pause,
    Resume,
    Verify,
    /// Announces again: our address has changed, or the tracker has restarted and may have forgotten us.
    Announce {
        restarted: bool,
    },
    /// Looks at all published files; answers when the status is true again.
    Look(oneshot::Sender<()>),
    /// Tells the tracker, makes everything durable, ends.
    Stop(oneshot::Sender<()>),
}

/// What happened outside.
#[derive(Debug)]
pub(crate) enum Input {
    /// On its connections.
    Net(net::Event),
    /// Something slow is done; `session` tells answers to an earlier session's questions apart.
    Done { session: u32, work: Work },
}

impl From<net::Event> for Input {
    fn from(event: net::Event) -> Self {
        Self::Net(event)
    }
}
