//! One content: an actor that owns its swarm and its files.

mod actor;
mod explain;
mod pieces;
mod session;
mod status;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::{GatewayPreference, InfoHash, PeerId, Sharing};
use narrows_storage::{OpenFiles, StorageError};
use narrows_swarm::{DialError, Origin, PeerKey, Time};
use narrows_wire::{Block, Handshake, Message};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::announce::restarts::Restarts;
use crate::announce::source::Sources;
use crate::net::Bans;
use crate::resources::{Buffers, Gate};

pub(crate) use actor::spawn;
pub use explain::{ContentExplained, ExplainedGateway, ExplainedParent, ExplainedPeer, ExplainedPiece};
pub use status::{ContentState, ContentStatus, UnreachablePeer};
pub(crate) use work::Work;

/// How many inputs wait at most for an actor; each carries at most one receive buffer's messages.
const INPUTS: usize = 128;

/// What all content of one agent shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) peer_id: PeerId,
    /// With the real port.
    pub(crate) listen: SocketAddr,
    /// Whether IPv4 and IPv6 peers can connect to us.
    pub(crate) v4: bool,
    pub(crate) v6: bool,
    pub(crate) state: PathBuf,
    pub(crate) start: Instant,
    pub(crate) upload: Arc<Gate>,
    pub(crate) download: Arc<Gate>,
    /// One permit per core: pieces being hashed and written.
    pub(crate) hashers: Arc<Semaphore>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) bans: Bans,
    /// How many files and connections may be open, of the process as a whole.
    pub(crate) descriptors: u64,
    /// The files of all contents that are.
    pub(crate) files: Arc<OpenFiles>,
    /// How many contents there are; they share the connections.
    pub(crate) contents: AtomicU64,
    /// How many of them are fetching; those share the memory for pieces.
    pub(crate) fetching: AtomicU64,
    /// Names connections, across all content.
    pub(crate) next_peer: AtomicU64,
    /// What this machine calls itself across address changes and restarts (BEP 7 `key`).
    pub(crate) key: u32,
    /// In which time all published bytes are hashed again; none: never.
    pub(crate) scrub: Option<Duration>,
    /// Which run of each tracker we announced to.
    pub(crate) restarts: Restarts,
    /// Which address announces leave from.
    pub(crate) sources: Sources,
    /// The port of our metrics, if the tracker is told.
    pub(crate) metrics: Option<u16>,
}

impl Shared {
    /// Since the agent's start.
    pub(crate) fn now(&self) -> Time {
        self.start.elapsed()
    }
}

/// What an actor is to do.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) meta: Arc<Metainfo>,
    pub(crate) target: PathBuf,
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
    /// Looks at all published files; answers when what is said of them is true again.
    Look(oneshot::Sender<()>),
    /// Says goodbye to the tracker, makes everything durable, ends.
    Stop(oneshot::Sender<()>),
}

/// What happened outside.
#[derive(Debug)]
pub(crate) enum Input {
    Connected {
        stream: TcpStream,
        addr: SocketAddr,
        origin: Origin,
        theirs: Handshake,
    },
    DialFailed {
        addr: SocketAddr,
        why: DialError,
    },
    Messages {
        peer: PeerKey,
        messages: Vec<Message>,
    },
    Closed {
        peer: PeerKey,
        reason: String,
    },
    Sent {
        peer: PeerKey,
        bytes: u32,
    },
    ServeFailed {
        peer: PeerKey,
        block: Block,
        error: StorageError,
    },
    /// Something slow is done; `session` tells answers to an earlier session's questions apart.
    Done {
        session: u32,
        work: Work,
    },
}
