//! What goes in and what comes out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use narrows_protocol::{AgentReport, AnnounceEvent, Peer, PeerId, Role};
use narrows_topology::{Rate, SiteId};

/// An announce, as far as decisions depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Announce<'a> {
    /// Where the peer accepts connections: its source address (after trusted proxies) and its port. An
    /// IPv4-mapped IPv6 address is taken as the IPv4 address.
    pub addr: SocketAddr,
    /// The peer's name for itself.
    pub peer_id: PeerId,
    /// Bytes it still wants; `u64::MAX`: it does not say.
    pub left: u64,
    /// Bytes received in this session.
    pub downloaded: u64,
    /// Bytes sent in this session.
    pub uploaded: u64,
    /// What happened.
    pub event: AnnounceEvent,
    /// How many peers it wants.
    pub numwant: Option<u32>,
    /// What its machine calls itself (BEP 7 `key`): tells two machines of one id apart.
    pub key: Option<u32>,
    /// What only agents say.
    pub agent: Option<&'a AgentReport>,
}

/// What a peer is to do, and which peers it is handed.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// Whether it fetches across the WAN.
    pub role: Role,
    /// Its site.
    pub site: SiteId,
    /// Peers of its own site.
    pub local: Vec<Peer>,
    /// Peers of other sites; empty unless it is a gateway. Stock clients get them after the local ones.
    pub upstream: Vec<Peer>,
    /// The gateways of its site.
    pub gateways: Vec<SocketAddr>,
    /// How long it may act as a gateway without another reply; zero for members.
    pub lease: Duration,
    /// What a gateway may use of the links of its path. [`Rate::UNLIMITED`] for members.
    pub rate: Rate,
    /// Whether a gateway is to fetch nothing now: a link of its path is at rate 0, an operator has stopped
    /// it, or others have yet to hear that they have less.
    pub paused: bool,
    /// Whether its site's own seeders bring less than the link would: what they alone have may cross it.
    pub slow_supply: bool,
    /// What packets across links are marked with (DSCP, 0 to 63); `None`: nothing.
    pub dscp: Option<u8>,
    /// Into how many stripes the pieces are divided; 1: not at all.
    pub stripes: u8,
    /// Which stripes come from which parent; empty unless a gateway has several parents.
    pub parents: Vec<Parent>,
    /// When to come back: jittered by 10 %.
    pub interval: Duration,
    /// When it may come back at the earliest without a cause.
    pub min_interval: Duration,
    /// Seeders of the swarm, this peer included.
    pub complete: u32,
    /// All other peers of the swarm, this one included.
    pub incomplete: u32,
    /// How often the content was completed.
    pub downloaded: u32,
    /// What happened, for metrics.
    pub outcome: Outcome,
}

/// What a gateway fetches from one of several parents.
#[derive(Clone, PartialEq, Debug)]
pub struct Parent {
    /// The parent site.
    pub site: SiteId,
    /// The share of the links on the way.
    pub rate: Rate,
    /// Whether nothing is to be fetched from there now.
    pub paused: bool,
    /// Numbers of the stripes.
    pub stripes: Vec<u8>,
    /// Peers there.
    pub upstreams: Vec<Peer>,
}

/// What a decision did, for metrics.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Peers of the own site that were handed out.
    pub local: u32,
    /// Peers of other sites that were handed out.
    pub upstream: u32,
    /// The peer became a gateway with this announce.
    pub elected: bool,
    /// ... in place of one that was lost, stopped, expired or gave up.
    pub failover: bool,
    /// ... and said that it was one already (the tracker restarted, or there is a second one).
    pub adopted: bool,
    /// It was a gateway and is one no more.
    pub revoked: bool,
    /// A gateway was given up after neighbours lost it.
    pub gateway_lost: bool,
    /// The peer's step on the starvation ladder: 0 none, 1 other peers, 2 gateway, 3 a root site's seeders.
    pub step: u8,
    /// The step rose with this announce.
    pub escalated: bool,
    /// The peer's site has been without peers so far and now waits for the content.
    pub newly_waiting: bool,
    /// The peer's site has demand and no peer to fetch from.
    pub starved: bool,
    /// The agent came from another address or site; its old record is gone.
    pub moved: bool,
    /// It is new, and others announce from its address and port.
    pub beside_others: bool,
    /// Too many peers announce from one address, or one address and port, or with one id: of those, what had
    /// been silent for longest was forgotten.
    pub crowded_out: bool,
    /// Another machine announces with the same id, from this address; said when the agent's record is made.
    pub double: Option<SocketAddr>,
    /// Another machine, which announces from this address, holds the id that this one claims, or claims to
    /// stop: the claim changes nothing of the other's. A clone, or a thief.
    pub id_taken: Option<SocketAddr>,
    /// The peer became a seeder.
    pub completed: bool,
    /// Parents were planned anew within the announce, as on small maps.
    pub planned: bool,
    /// Bytes that the agent fetched across links since its last announce.
    pub wan_bytes: u64,
    /// The sites they came from, as far as known: `map.path(from, site)` names the links that each number
    /// crossed.
    pub wan_from: Vec<(SiteId, u64)>,
    /// A gateway lost its lease with this announce, since its site got nothing of it: its address, and the
    /// agent's id that it gave.
    pub no_progress: Option<(IpAddr, Option<String>)>,
    /// Peers that others accuse, and some to compare them with: to be dialled, and told to
    /// [`crate::Swarm::probed`].
    pub probe: Vec<SocketAddr>,
    /// The agent says that it fetched more than links can have carried since its last report: that is not
    /// booked.
    pub impossible: bool,
    /// The record of a seeder of the site was given up after neighbours could not reach it.
    pub seeder_gone: bool,
}

impl Outcome {
    /// Books no more bytes than these.
    pub(crate) fn book_at_most(&mut self, most: u64) {
        self.wan_bytes = self.wan_bytes.min(most);
        let mut room = self.wan_bytes;
        for (_, bytes) in &mut self.wan_from {
            *bytes = (*bytes).min(room);
            room -= *bytes;
        }
        self.wan_from.retain(|(_, bytes)| *bytes > 0);
    }
}

/// What followed from dialling a peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Probed {
    /// Peers that were given up, since neither the tracker nor their neighbours reach them.
    pub given_up: usize,
    /// Addresses that said of the peer that it does not answer, and the tracker reached it, and the agents' ids that
    /// they gave: to be counted with [`crate::Untruths`].
    pub refuted: Vec<(IpAddr, Option<String>)>,
}

/// Why an announce is not answered with peers, in a text that is safe to show to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The address belongs to no site. It is named, since a machine may have several, or sit behind NAT.
    #[error(
        "your address {0} belongs to no site of this tracker's site map; ask the operator to add its network"
    )]
    UnmappedAddress(IpAddr),
}
