//! What a peer tells the tracker.

mod offender;
mod read;
mod write;

use std::net::{IpAddr, SocketAddr};

pub use offender::SeenOffender;

use crate::ids::{InfoHash, PeerId};

/// Most peers that an announce can call gone; further ones are left out.
const MAX_GONE: usize = 8;
/// Most parent sites that an announce can divide its bytes among; further ones are left out.
const MAX_SOURCES: usize = 16;
/// Most gateways of its site that an announce can divide its bytes among; further ones are left out.
pub const MAX_BROUGHT: usize = 8;

/// Most offenders that an announce can name; further ones are left out.
pub const MAX_SEEN_OFFENDERS: usize = 4;

/// What happened to the peer since its last announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum AnnounceEvent {
    /// Nothing: a regular update. Unknown events are this too: a client may know more of them than we do.
    #[default]
    None,
    /// The first announce of a session.
    Started,
    /// The last one.
    Stopped,
    /// The content became complete.
    Completed,
    /// A partial seed that wants no more (BEP 21).
    Paused,
}

/// An agent's role in a swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Role {
    /// Fetches across the WAN for its site.
    Gateway,
    /// Fetches inside its site only.
    #[default]
    Member,
}

/// What an agent's operator set for its being a gateway (`gateway:` in agent.yaml).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum GatewayPreference {
    /// The tracker decides.
    #[default]
    Auto,
    /// Never a gateway, whatever the tracker says.
    Never,
    /// A gateway before others.
    Prefer,
}

/// Whether an agent serves others what it has (`share:` in agent.yaml).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Sharing {
    /// It serves each peer that asks.
    #[default]
    Always,
    /// It serves no peer and only fetches, over a metered line for instance.
    Never,
}

/// A valid announce.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnounceRequest {
    /// The content.
    pub info_hash: InfoHash,
    /// The peer's name for itself.
    pub peer_id: PeerId,
    /// Where it accepts connections; never 0.
    pub port: u16,
    /// Bytes sent to other peers.
    pub uploaded: u64,
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes still wanted; missing or unreadable: `u64::MAX`, which is a leecher.
    pub left: u64,
    /// What happened.
    pub event: AnnounceEvent,
    /// Whether the reply's peers are compact (BEP 23). The default, as in all trackers since.
    pub compact: bool,
    /// Whether the reply's dictionary peers may do without names.
    pub no_peer_id: bool,
    /// How many peers are wanted; `None`: the tracker's default.
    pub numwant: Option<u32>,
    /// Identifies the client across address changes.
    pub key: Option<u32>,
    /// The address the client says it has. Believed only from trusted proxies.
    pub ip: Option<IpAddr>,
    /// What only agents say.
    pub narrows: Option<AgentReport>,
}

/// What an agent adds to its announce (`narrows=1`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AgentReport {
    /// Its stable id: 1 to 64 printable characters.
    pub agent: String,
    /// The role it plays at present.
    pub role: Role,
    /// The gateway it is served by, if connected.
    pub gateway: Option<SocketAddr>,
    /// Bytes it fetched across links, over all its runs.
    pub wan: u64,
    /// Bytes it had before it fetched any, of an older version or put there; 0 also if that was all of it
    /// (`reused=`; absent: 0).
    pub reused: u64,
    /// It lacked some of the content once, also if it has all by now (`wanted=1`): what it has, it got by the
    /// rollout.
    pub wanted: bool,
    /// No peer it knows has a piece that it lacks (`stalled=1`).
    pub stalled: bool,
    /// The tracker has restarted since it was last announced to (`restarted=1`): the announce says what the
    /// tracker may have forgotten.
    pub restarted: bool,
    /// A gateway whose connection just closed.
    pub lost: Option<SocketAddr>,
    /// Whether it may, must not or should be a gateway (`gw=never|prefer`; absent: auto).
    pub preference: GatewayPreference,
    /// Whether it serves others (`share=never`; absent: always).
    pub share: Sharing,
    /// Peers that it was handed and that do not answer: a dial failed or they fell silent (`gone=`, repeated,
    /// at most 8).
    pub gone: Vec<SocketAddr>,
    /// Of `wan`: the bytes by the parent site they came from (`from=SITE:BYTES`, repeated, at most 16).
    pub sources: Vec<(String, u64)>,
    /// Where the tracker names several gateways of its site: the bytes that it had from each of them itself, over
    /// this session (`by=ADDRESS:BYTES`, repeated, at most 8). What one that is not served by a gateway directly
    /// has from it is 0.
    pub brought: Vec<(SocketAddr, u64)>,
    /// At which port of the address it announces from it serves `/metrics`; absent: it does not want to be
    /// found.
    pub metrics: Option<u16>,
    /// Which networks of the site map it was told, 0 for none; absent: it is not to be told any.
    pub networks: Option<u64>,
    /// Which rates to other sites it was told, 0 for none; absent: it sends nothing to other sites.
    pub rates: Option<u64>,
    /// Peers that did to it lately what honest ones do not (`offender=KIND:ADDRESS`, repeated, at most 4).
    /// Shown to the operator, and never acted upon.
    pub offenders: Vec<SeenOffender>,
}

impl AnnounceEvent {
    /// The word on the wire; a regular update has none.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
            Self::Completed => Some("completed"),
            Self::Paused => Some("paused"),
        }
    }
}

impl Role {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Gateway, Self::Member];

    /// The role that this word stands for.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The word on the wire and in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Member => "member",
        }
    }
}
