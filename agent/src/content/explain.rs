//! What a content says of its connections in `GET /explain`.

use std::net::SocketAddr;

use narrows_protocol::Role;
use narrows_swarm::explanation::{Explanation, PeerFacts};
use narrows_swarm::policy::relation::Relation;
use serde::{Deserialize, Serialize};

use super::UnreachablePeer;

/// One content in `GET /explain`: who it is connected to and why. Byte counts are payload, rates bytes per
/// second, times seconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ContentExplained {
    /// The name in the .torrent.
    pub name: String,
    /// 40 hex digits.
    pub info_hash: String,
    /// Our site; empty until the tracker told us.
    pub site: String,
    /// Why the last announce failed, if it did.
    #[serde(default)]
    pub tracker_error: Option<String>,
    /// `gateway` or `member` in JSON.
    #[serde(with = "super::role")]
    pub role: Role,
    /// Seconds in this role.
    pub role_seconds: u64,
    /// The gateways of our site.
    pub gateways: Vec<ExplainedGateway>,
    /// Where we fetch from across the WAN; empty unless gateway.
    pub parents: Vec<ExplainedParent>,
    /// Every connection.
    pub peers: Vec<ExplainedPeer>,
    /// Peers that the tracker named and that did not answer in the last 30 s.
    pub gone: Vec<SocketAddr>,
    /// Peers that the tracker names and that no connection can be made to; at most 16.
    #[serde(default)]
    pub unreachable: Vec<UnreachablePeer>,
    /// Pieces that stand still, the longest first; at most 8.
    #[serde(default)]
    pub waiting: Vec<ExplainedPiece>,
    /// What would happen if the gateway died now.
    pub if_gateway_dies: String,
}

/// A gateway of our site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainedGateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// It is this agent.
    pub me: bool,
    /// Seconds since its last message; absent if we are not connected.
    pub heard_seconds: Option<u64>,
}

/// A piece of which nothing has come for 2 s or more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainedPiece {
    /// Its number.
    pub piece: u32,
    /// Seconds since the last block of it came.
    pub still_seconds: u64,
    /// The peers that are asked for it; none: the rest waits for a peer that has it.
    pub asked_of: Vec<SocketAddr>,
}

/// Where a gateway fetches from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainedParent {
    /// The parent site; empty if the tracker did not say.
    pub site: String,
    /// On the wire; 0 = no limit.
    pub rate: u64,
    /// A link on the way is paused.
    pub paused: bool,
    /// The peers that the tracker named there.
    pub upstreams: Vec<SocketAddr>,
    /// The upstream that is asked for pieces.
    pub active: Option<SocketAddr>,
    /// The stripes that come from there.
    pub stripes: Vec<u8>,
    /// How many stripes there are.
    pub stripes_of: u8,
}

/// A connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainedPeer {
    /// Where it listens, or the remote end.
    pub address: SocketAddr,
    /// The agent's id; absent for stock clients.
    pub agent: Option<String>,
    /// Its site, if it said so.
    pub site: Option<String>,
    /// `local`, `upstream`, `remote gateway` or `unknown`.
    pub relation: String,
    /// Why we are connected, for a person.
    pub why: String,
    /// Pieces it has.
    pub pieces: u32,
    /// Bytes requested from it and not yet received.
    pub asked: u64,
    /// Received from it.
    pub received: u64,
    /// Sent to it.
    pub sent: u64,
    /// Received, in bytes per second.
    pub rate_down: u64,
    /// Seconds since it choked us, while it does.
    pub choking_seconds: Option<u64>,
    /// Seconds of silence while it owes us blocks.
    pub silent_seconds: Option<u64>,
}

impl ContentExplained {
    /// From a swarm's explanation.
    pub(super) fn new(
        name: &str,
        info_hash: String,
        explained: Explanation,
        unreachable: Vec<UnreachablePeer>,
        tracker_error: Option<String>,
    ) -> Self {
        let parents = explained.parents.into_iter().map(|parent| ExplainedParent {
            site: parent.site,
            rate: parent.rate,
            paused: parent.paused,
            upstreams: parent.upstreams,
            active: parent.active,
            stripes: parent.stripes.0,
            stripes_of: parent.stripes.1,
        });
        let gateways = explained.gateways.into_iter().map(|gateway| ExplainedGateway {
            address: gateway.addr,
            me: gateway.me,
            heard_seconds: gateway.heard.map(|heard| heard.as_secs()),
        });
        let waiting = explained.waiting.into_iter().map(|waiting| ExplainedPiece {
            piece: waiting.piece,
            still_seconds: waiting.still.as_secs(),
            asked_of: waiting.asked_of,
        });
        Self {
            name: name.to_owned(),
            info_hash,
            site: explained.site,
            tracker_error,
            role: explained.role,
            role_seconds: explained.role_for.as_secs(),
            gateways: gateways.collect(),
            parents: parents.collect(),
            peers: explained.peers.into_iter().map(ExplainedPeer::from).collect(),
            gone: explained.gone,
            unreachable,
            waiting: waiting.collect(),
            if_gateway_dies: explained.if_gateway_dies,
        }
    }
}

impl From<PeerFacts> for ExplainedPeer {
    fn from(peer: PeerFacts) -> Self {
        let relation = match peer.relation {
            Relation::Local => "local",
            Relation::Upstream => "upstream",
            Relation::Remote => "remote gateway",
            Relation::Unknown => "unknown",
        };
        Self {
            address: peer.addr,
            agent: peer.agent,
            site: peer.site,
            relation: relation.to_owned(),
            why: peer.why.to_string(),
            pieces: peer.has,
            asked: peer.asked,
            received: peer.received,
            sent: peer.sent,
            rate_down: peer.rate_down,
            choking_seconds: peer.choking.map(|time| time.as_secs()),
            silent_seconds: peer.silent.map(|time| time.as_secs()),
        }
    }
}
