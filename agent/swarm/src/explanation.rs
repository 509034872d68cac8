//! Why a swarm is connected to its peers, and what it waits for.

use std::fmt;
use std::net::SocketAddr;

use narrows_protocol::Role;

use crate::Time;
use crate::policy::relation::Relation;

/// An answer to "why is it as it is".
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// Our site; empty until the tracker has named it.
    pub site: String,
    /// Our role as we live it.
    pub role: Role,
    /// How long we have had it.
    pub role_for: Time,
    /// The gateways of our site, as the tracker and the agents themselves say.
    pub gateways: Vec<GatewayFacts>,
    /// Our parents; empty unless gateway.
    pub parents: Vec<ParentFacts>,
    /// Every connection.
    pub peers: Vec<PeerFacts>,
    /// Peers that were handed out to us and did not answer in the last 30 s.
    pub gone: Vec<SocketAddr>,
    /// Pieces that stand still, the longest first; at most 8.
    pub waiting: Vec<WaitingPiece>,
    /// What would happen if the gateway of our site died now; whole sentences.
    pub if_gateway_dies: String,
}

/// A piece of which nothing has come for 2 s or more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingPiece {
    /// Which.
    pub piece: u32,
    /// How long it has stood still.
    pub still: Time,
    /// The peers that are asked for it; if empty, the rest waits for a peer that has it.
    pub asked_of: Vec<SocketAddr>,
}

/// A gateway of our site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayFacts {
    /// Where it listens.
    pub addr: SocketAddr,
    /// It is us.
    pub me: bool,
    /// How long ago we last heard of it, if we are connected.
    pub heard: Option<Time>,
}

/// Where a gateway fetches from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParentFacts {
    /// The parent site; empty if the tracker did not say.
    pub site: String,
    /// Bytes per second on the wire; 0 = no limit.
    pub rate: u64,
    /// A link on the way is paused.
    pub paused: bool,
    /// The peers that the tracker named there.
    pub upstreams: Vec<SocketAddr>,
    /// The one that is asked.
    pub active: Option<SocketAddr>,
    /// The stripes of the content that come from there, of how many.
    pub stripes: (Vec<u8>, u8),
}

/// A connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerFacts {
    /// The remote end.
    pub addr: SocketAddr,
    /// The agent's name, if it is one of us.
    pub agent: Option<String>,
    /// Its site, if it said so.
    pub site: Option<String>,
    /// What it is to us.
    pub relation: Relation,
    /// Why we are connected.
    pub why: Why,
    /// Pieces it has.
    pub has: u32,
    /// Payload bytes asked of it and on their way.
    pub asked: u64,
    /// Payload bytes received from it.
    pub received: u64,
    /// Payload bytes sent to it.
    pub sent: u64,
    /// Payload bytes per second, received.
    pub rate_down: u64,
    /// How long it has choked us, if it does.
    pub choking: Option<Time>,
    /// How long it has owed us blocks and sent nothing, if it does.
    pub silent: Option<Time>,
}

/// Why there is a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// The tracker named it as a peer of our site.
    Neighbour,
    /// It dialled us and is of our site.
    DialledUs,
    /// The tracker named it as our upstream at this parent; whether it is asked, or waits as spare.
    Upstream {
        /// The parent site, if known.
        site: Option<String>,
        /// It is asked; else it is the spare.
        active: bool,
    },
    /// It dialled us as gateway of this site, which is fed from ours.
    FedByUs {
        /// Its site, if it said so.
        site: Option<String>,
    },
    /// It dialled us and the tracker has not named it.
    Unnamed,
    /// The tracker has named others since; it ends when what is on its way is here.
    Leaving,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |site: &Option<String>| site.clone().unwrap_or_else(|| "the parent site".to_owned());
        match self {
            Why::Neighbour => f.write_str("the tracker named it: a peer of our site"),
            Why::DialledUs => f.write_str("it dialled us: a peer of our site"),
            Why::Upstream { site, active: true } => {
                write!(f, "upstream at {}: we fetch from it", named(site))
            }
            Why::Upstream { site, active: false } => write!(f, "upstream at {}: the spare", named(site)),
            Why::FedByUs { site: Some(site) } => {
                write!(f, "it dialled us: gateway of {site}, which is fed from here")
            }
            Why::FedByUs { site: None } => {
                f.write_str("it dialled us: gateway of another site, fed from here")
            }
            Why::Unnamed => f.write_str("it dialled us; the tracker has not named it: served, not asked"),
            Why::Leaving => f.write_str("no longer our upstream: finishes what is on its way"),
        }
    }
}
