//! A site in a swarm: its peers, who fetches for it, and over which flows.

use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use narrows_topology::{Hop, Route, SiteId, SiteMap};

use super::account::Account;
use super::accused::Accusations;
use super::bars::{Bars, Who};
use super::fed::Fed;
use super::peer::{Class, NonSharing, Peer};
use super::peers::Peers;
use super::seeder_speed::SeederSpeed;
use super::service::{Released, Service, Suspect};
use super::spoken_for::SpokenFor;
use super::trials::{Meter, Trials};
use crate::endpoint::Endpoint;
use crate::hash::peer_name;
use crate::ledger::FlowId;
use crate::{Policy, Time, dscp};

/// Peers of a site that the tracker remembers to have reached: one is enough to know that it can, if it is not
/// the one that accuses.
const MAX_REACHED: usize = 4;

/// What a site is to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Supply {
    /// No peer wants anything, and none has everything.
    Idle,
    /// A peer wants something, and none has everything (or none may share it).
    Waiting,
    /// A peer has everything, and serves it as fast as the site's link would bring it.
    Supplied,
}

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) id: SiteId,
    /// Whether the map lets its peers serve others.
    pub(crate) sharing: bool,
    /// As of the last look, whether any peer there does; a change makes the parents be planned anew.
    pub(crate) serves: bool,
    pub(crate) peers: Peers,
    /// As of the last look; a change makes the parents be planned anew.
    pub(crate) supply: Supply,
    pub(crate) gateways: IndexMap<Endpoint, Gateway, RandomState>,
    /// Where its gateways fetch from.
    pub(crate) flows: Vec<Flow>,
    /// Whether its gateways' links were at rate 0 when one last announced.
    pub(crate) paused: bool,
    /// Set when a gateway has gone, until there is another one.
    pub(crate) orphaned: bool,
    /// The peer that the free lease is offered to.
    pub(crate) offer: Option<Offer>,
    /// The gateway that was taken out of office last: it comes back as a member.
    pub(crate) displaced: Option<Endpoint>,
    /// What its peers say of others here that do not answer them.
    pub(crate) accusations: Accusations,
    /// Peers here that the tracker reached, and when.
    pub(crate) reached: Vec<(Endpoint, Time)>,
    /// When a peer was last given up because two others said so, before the tracker had looked itself.
    pub(crate) trusted: Option<(Endpoint, Time)>,
    /// A gateway of the time before the tracker's restart that members are connected to.
    pub(crate) expected: Option<Offer>,
    /// Such a gateway was waited for, once.
    pub(crate) has_waited: bool,
    /// In the time after a restart: gateways that peers at other addresses say they are served by.
    pub(crate) spoken_for: SpokenFor,
    /// A starving member that waits for room among the remote peers.
    pub(crate) claim: Option<Offer>,
    /// When the best-supplied peer last came on.
    pub(crate) progressed: Time,
    /// When its first peer came.
    pub(crate) since: Time,
    /// Bytes its agents say they fetched across links, as far as links can have carried them.
    pub(crate) wan: u64,
    /// What its best-supplied peer lacked before the first of those bytes came; `u64::MAX`: no peer said.
    pub(crate) lacked: u64,
    /// Of the links that its peers send and receive over, one whose packets are marked with the lowest
    /// priority.
    pub(crate) dscp: Option<Hop>,
    /// What its seeders bring.
    pub(crate) seeder_speed: SeederSpeed,
    /// What was tried when its gateway brought a trickle.
    pub(crate) trials: Trials,
    /// Who held its lease to no avail.
    pub(crate) bars: Bars,
    /// Who had one by the starvation ladder to no avail.
    pub(crate) in_vain: Bars,
    /// What its parent brought.
    pub(crate) fed: Fed,
    /// The last that held it.
    pub(crate) released: Option<Released>,
    /// One without which the site is tried.
    pub(crate) suspect: Option<Suspect>,
}

/// Something kept for a peer until a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) to: Endpoint,
    pub(crate) until: Time,
}

/// A lease.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) since: Time,
    pub(crate) renewed: Time,
    /// Whether it was added by the starvation ladder, or fetches for itself because it does not share.
    pub(crate) extra: bool,
    /// Whether it worked already before it was given this lease.
    pub(crate) adopted: bool,
    /// Whether it fetches from a root site instead of the parent, until it is off the ladder ...
    pub(crate) from_root: bool,
    /// ... and, where the parent may only say that it has something, until then: the root brought something.
    pub(crate) doubts_parent: bool,
    pub(crate) root_until: Time,
    pub(crate) upstreams: Vec<Upstream>,
    /// All that a stock client was ever handed, as long as they live.
    pub(crate) handed_out: Vec<Upstream>,
    /// When it has come back at the latest, if it lives.
    pub(crate) due: Time,
    /// What it brings.
    pub(crate) meter: Option<Meter>,
    /// What its site got of it.
    pub(crate) service: Service,
    /// What it says beside what others had from it, where its site has several.
    pub(crate) account: Account,
    /// Upstreams that it could not reach, and until when it is not handed them again.
    pub(crate) unreachable: Vec<Offer>,
}

/// A peer that a gateway was handed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Upstream {
    pub(crate) site: SiteId,
    pub(crate) peer: Endpoint,
    /// The address that was handed out, of the family that suits.
    pub(crate) addr: Endpoint,
}

impl Upstream {
    /// Whether a connection to either is one to the other: the peer is, or address and port are (NAT).
    pub(crate) fn is_same(self, other: Upstream) -> bool {
        self.peer == other.peer || self.addr.is_beside(other.addr)
    }
}

/// A flow in the ledger, of all gateways of this site that fetch from `source`.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) source: SiteId,
    pub(crate) route: Route,
    pub(crate) id: FlowId,
    /// Whether rule 3, parents, planned it; others go when no gateway uses them.
    pub(crate) planned: bool,
    /// Gateways that use it.
    pub(crate) users: u32,
    /// Whether an operator had stopped it when a gateway last announced.
    pub(crate) braked: bool,
}

impl Flow {
    pub(crate) fn new(source: SiteId, route: Route, id: FlowId) -> Flow {
        Flow {
            source,
            route,
            id,
            planned: false,
            users: 0,
            braked: false,
        }
    }
}

impl Site {
    pub(crate) fn new(map: &SiteMap, policy: &Policy, id: SiteId, now: Time) -> Site {
        Site {
            id,
            sharing: map.sharing(id),
            serves: map.sharing(id),
            peers: Peers::new(policy),
            supply: Supply::Idle,
            gateways: IndexMap::default(),
            flows: Vec::new(),
            paused: false,
            orphaned: false,
            offer: None,
            displaced: None,
            accusations: Accusations::default(),
            reached: Vec::new(),
            trusted: None,
            expected: None,
            has_waited: false,
            spoken_for: SpokenFor::default(),
            claim: None,
            progressed: now,
            since: now,
            wan: 0,
            lacked: u64::MAX,
            dscp: dscp::at(map, id),
            seeder_speed: SeederSpeed::default(),
            trials: Trials::default(),
            bars: Bars::default(),
            in_vain: Bars::default(),
            fed: Fed::default(),
            released: None,
            suspect: None,
        }
    }

    /// Rule 2, supply. The seeders of a site that may not share supply none, and neither do those that do not
    /// share, nor those that bring less than the link would.
    pub(crate) fn present_supply(&self) -> Supply {
        if self.sharing && self.peers.count(Class::Seeder) > 0 && !self.seeder_speed.is_slow() {
            Supply::Supplied
        } else if self.peers.count(Class::Leecher) > 0
            || self.peers.count(Class::NonSharing(NonSharing::Leecher)) > 0
        {
            Supply::Waiting
        } else {
            Supply::Idle
        }
    }

    /// Whether it waits although peers here say that they have everything, as they bring less than its link would.
    pub(crate) fn has_slow_seeders(&self) -> bool {
        self.sharing && self.peers.count(Class::Seeder) > 0 && self.seeder_speed.is_slow()
    }

    /// The tracker has reached a peer here. It remembers the last few.
    pub(crate) fn note_reached(&mut self, at: Endpoint, now: Time) {
        self.reached.retain(|(known, _)| known.ip() != at.ip());
        if self.reached.len() >= MAX_REACHED {
            self.reached.remove(0);
        }
        self.reached.push((at, now));
    }

    /// How many peers want something.
    pub(crate) fn wanting(&self) -> u32 {
        let wanting =
            self.peers.count(Class::Leecher) + self.peers.count(Class::NonSharing(NonSharing::Leecher));
        u32::try_from(wanting).unwrap_or(u32::MAX)
    }

    /// A peer as bars know it.
    pub(crate) fn who(&self, at: Endpoint) -> Who {
        let agent = self.peers.find(at).and_then(|(_, peer)| peer.agent.as_ref());
        let name = peer_name(agent.map(|agent| agent.key.of_machine(agent.machine)), at);
        Who { at, name }
    }

    /// A peer that wants something and shares what it gets.
    pub(crate) fn leecher(&self, at: Endpoint) -> Option<&Peer> {
        let found = self.peers.find(at).filter(|(class, _)| *class == Class::Leecher);
        found.map(|(_, peer)| peer)
    }

    /// A peer that wants something.
    pub(crate) fn wanting_peer(&self, at: Endpoint) -> Option<&Peer> {
        let found = self.peers.find(at).filter(|(class, _)| class.wants());
        found.map(|(_, peer)| peer)
    }

    /// Whether a peer wants something and does not share what it gets.
    pub(crate) fn is_non_sharing_leecher(&self, at: Endpoint) -> bool {
        matches!(
            self.peers.find(at),
            Some((Class::NonSharing(NonSharing::Leecher), _))
        )
    }

    /// Whether there is a peer that others may be handed.
    pub(crate) fn can_serve(&self) -> bool {
        self.sharing && self.peers.sharers() > 0
    }

    /// Whether each peer here fetches for itself: the site may not share, or none that shares could fetch
    /// for the others.
    pub(crate) fn is_each_alone(&self) -> bool {
        !self.sharing
            || (self.peers.count(Class::NonSharing(NonSharing::Leecher)) > 0
                && self.peers.count(Class::Leecher) == 0
                && self.peers.count(Class::Seeder) == 0)
    }

    /// Whether a gateway is one until it announces again: it does not share, and meanwhile another does that
    /// can fetch for it.
    pub(crate) fn is_retiring(&self, at: Endpoint) -> bool {
        self.is_non_sharing_leecher(at) && !self.is_each_alone()
    }

    /// Whether a gateway was handed an upstream.
    pub(crate) fn is_fed(&self) -> bool {
        self.gateways.values().any(|gateway| !gateway.upstreams.is_empty())
    }

    /// Gateways in office, without those of the starvation ladder and those that fetch for themselves alone.
    pub(crate) fn regular(&self) -> usize {
        self.gateways.values().filter(|gateway| !gateway.extra).count()
    }
}

impl Gateway {
    pub(crate) fn new(now: Time, extra: bool) -> Gateway {
        Gateway {
            since: now,
            renewed: now,
            extra,
            adopted: false,
            from_root: false,
            doubts_parent: false,
            root_until: now,
            upstreams: Vec::new(),
            handed_out: Vec::new(),
            due: now,
            meter: None,
            service: Service::new(now),
            account: Account::new(now),
            unreachable: Vec::new(),
        }
    }

    /// Whether it has not just failed to reach a peer.
    pub(crate) fn reaches(&self, peer: Endpoint, now: Time) -> bool {
        !self.unreachable.iter().any(|offer| offer.to.is_beside(peer) && offer.until > now)
    }

    /// Whether it has been silent for longer than its lease.
    pub(crate) fn is_overdue(&self, lease: Duration, now: Time) -> bool {
        self.renewed + lease < now
    }
}
