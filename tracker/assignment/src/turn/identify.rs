//! Rule 9, identity: the record of a peer, wherever it announces from.
//!
//! An agent is its id and the key of its machine (or its address, if it has no key), a stock client its key,
//! or else its peer id at an address and port. An id alone proves nothing: a record gives way only to its own
//! key, to a peer at its own address and port, or when it expires. Either is one peer with at most an IPv4 and an IPv6 address in one site, both of which it
//! announces from now and then, and one that comes from elsewhere leaves no record behind. An address and
//! port tell no two apart: behind a NAT several machines have the same.
//!
//! The address is the one that the announce came from. `ip=`, `ipv4=` and `ipv6=` (BEP 3, 7) are a peer's
//! word on where others are to connect to, which would let it send a site's peers anywhere, and into a site
//! that it is not in; so they count for nothing here, as with most private trackers. A client's other family
//! is learnt when it announces from there.

use narrows_protocol::AnnounceEvent;
use narrows_topology::SiteId;

use super::Turn;
use crate::endpoint::Endpoint;
use crate::hash::{AgentKey, Machine};
use crate::invariant::Broken;
use crate::rules::intervals::last_announced;
use crate::state::agents::Place;
use crate::state::clients;
use crate::state::peer::{Peer, Tick};

/// Of an address that has too many records, one in so many goes at a time.
const CROWD_PART: usize = 32;

impl Turn<'_> {
    /// Finds the record of the announcing peer, and forgets those that it makes void. From then on
    /// [`Turn::at`] is the record's key, or that of a free place.
    pub(super) fn identify(&mut self) -> Result<(), Broken> {
        self.at = match self.agent_key() {
            Some(agent) => self.identify_agent(agent)?,
            None => self.identify_stock()?,
        };
        Ok(())
    }

    fn agent_key(&self) -> Option<AgentKey> {
        self.report().map(|report| AgentKey::of(&report.agent))
    }

    /// What tells the announcing machine from others of its id.
    pub(super) fn machine(&self, agent: AgentKey) -> Machine {
        self.swarm.agents.machine(agent, self.announce.key.unwrap_or(0), self.from)
    }

    fn identify_agent(&mut self, agent: AgentKey) -> Result<Endpoint, Broken> {
        let machine = self.machine(agent);
        let Some(Place { site, at, .. }) = self.swarm.agents.find(agent, machine) else {
            let stops = self.announce.event == AnnounceEvent::Stopped;
            if !stops {
                self.make_room(agent);
            }
            let place = self.settle();
            // one id, and a machine that is not here yet
            let other = self.swarm.agents.double(agent, machine).map(|other| other.at.addr());
            self.outcome.double = other.filter(|_| !stops);
            self.outcome.id_taken = other;
            return Ok(place);
        };
        if site == self.id && (at.is_beside(self.from) || at.is_ipv4() != self.from.is_ipv4()) {
            let (from, now, policy) = (self.from, Tick::of(self.now), &self.cx.policy.identity);
            let stale = self.cx.policy.lease(self.cx.policy.intervals.seeder);
            if self.site_mut()?.peers.seen_at(policy, at, from, (now, now), stale)? {
                return Ok(at);
            }
        }
        self.outcome.moved = true;
        let key = self.announce.key.unwrap_or(0);
        self.swarm.agents.moved(&self.cx.policy.identity, agent, key, self.now);
        self.swarm.remove(self.cx, (site, at));
        if self.machine(agent) != machine {
            // it has just turned out to be several machines; the one at this address may be here already
            return self.identify_agent(agent);
        }
        Ok(self.settle())
    }

    /// Forgets where an agent was, and its record there if there is one.
    pub(super) fn forget_place(&mut self) {
        let Some(agent) = self.agent_key() else { return };
        let machine = self.machine(agent);
        if let Some(Place { site, at, .. }) = self.swarm.agents.find(agent, machine) {
            self.swarm.remove(self.cx, (site, at));
            self.swarm.agents.remove(agent, machine, at);
        }
    }

    /// Of too many machines with one id, one gives way: which, is as random as their keys, but no gateway
    /// before others.
    fn make_room(&mut self, agent: AgentKey) {
        let is_gateway = |place: &Place| {
            let site = self.swarm.sites.get(&place.site);
            site.is_some_and(|site| site.gateways.contains_key(&place.at))
        };
        let surplus = self.swarm.agents.surplus(&self.cx.policy.identity, agent, self.from);
        if let Some(place) = surplus.into_iter().min_by_key(is_gateway) {
            self.outcome.crowded_out = true;
            self.swarm.remove(self.cx, (place.site, place.at));
        }
    }

    fn identify_stock(&mut self) -> Result<Endpoint, Broken> {
        let (id, from) = (self.id, self.from);
        let (peer_id, key) = (self.announce.peer_id, self.announce.key.unwrap_or(0));
        if let Some(site) = self.swarm.sites.get(&id) {
            let is_it =
                |peer: &Peer| peer.agent.is_none() && (peer.id == peer_id || (key != 0 && peer.key == key));
            let here = site
                .peers
                .residents(from)
                .find(|at| site.peers.find(*at).is_some_and(|(_, peer)| is_it(peer)));
            if let Some(at) = here {
                if site.peers.paired(at).is_some() {
                    self.seen_again(at)?;
                }
                return Ok(at);
            }
        }
        // any client may announce any key from anywhere: what a stop ends is at its own address and port
        let goes_on = self.announce.event != AnnounceEvent::Stopped;
        if let Some((site, before)) = self.known_client().filter(|_| goes_on) {
            let is_other_family = site == id && before.is_ipv4() != from.is_ipv4();
            if is_other_family && self.seen_again(before)? {
                return Ok(before);
            }
            self.swarm.agents.moved(
                &self.cx.policy.identity,
                clients::moving_as(peer_id, key),
                key,
                self.now,
            );
            self.swarm.remove(self.cx, (site, before));
        }
        Ok(self.settle())
    }

    /// Where a stock client that announces a key was last.
    fn known_client(&self) -> Option<(SiteId, Endpoint)> {
        let (swarm, peer_id, key) = (&self.swarm, self.announce.peer_id, self.announce.key.unwrap_or(0));
        let before = swarm.clients.find(peer_id, key)?;
        if swarm.agents.is_shared(clients::moving_as(peer_id, key), key) {
            return None;
        }
        let site = self.cx.map.locate(before.ip())?;
        let (_, peer) = swarm.sites.get(&site)?.peers.find(before)?;
        clients::is_same(peer, peer_id, key).then_some((site, before))
    }

    /// A stock client that is kept under `at` announces from one of its addresses; no: `at` is its address no
    /// more.
    fn seen_again(&mut self, at: Endpoint) -> Result<bool, Broken> {
        let (cx, from, now) = (self.cx, self.from, Tick::of(self.now));
        let stale = cx.policy.lease(cx.policy.intervals.seeder.max(cx.policy.stock_interval));
        let site = self.site_mut()?;
        let (class, peer) = site.peers.find(at).ok_or(Broken::PeerMissing)?;
        let last = Tick::of(last_announced(cx, class, peer));
        site.peers.seen_at(&cx.policy.identity, at, from, (last, now), stale)
    }

    /// An address that has too many records loses those that have been silent for longest, gateways last: some
    /// at once, as finding them is a walk.
    fn make_room_at_address(&mut self) {
        let (id, now, policy) = (self.id, self.now, &self.cx.policy.identity);
        let Some(site) = self.swarm.sites.get(&id) else {
            return;
        };
        let mut crowd = site.peers.of_crowded(policy, self.from.host());
        if crowd.is_empty() {
            return;
        }
        crowd.sort_by_cached_key(|at| {
            let found = site.peers.find(*at);
            let last = found.map_or(now, |(class, peer)| last_announced(self.cx, class, peer));
            (site.gateways.contains_key(at), last)
        });
        self.outcome.crowded_out = true;
        let surplus = crowd.len() / CROWD_PART + 1;
        for at in crowd.into_iter().take(surplus) {
            self.swarm.remove(self.cx, (id, at));
        }
    }

    /// The key of a peer that is not known yet: its address and port, and a place there that no other has.
    /// One that has begun anew takes its own.
    fn settle(&mut self) -> Endpoint {
        let (id, from) = (self.id, self.from);
        if self.announce.event != AnnounceEvent::Stopped {
            self.make_room_at_address();
        }
        let site = self.swarm.sites.get(&id);
        if site.is_none_or(|site| site.peers.residents(from).next().is_none()) {
            return from;
        }
        if self.announce.event == AnnounceEvent::Stopped {
            // what is not known is not kept
            return from.at_place(u16::MAX);
        }
        if let Some(before) = self.predecessor() {
            self.swarm.remove(self.cx, (id, before));
        }
        if let Some(place) = self.free_place() {
            let site = self.swarm.sites.get(&id);
            self.outcome.beside_others = site.is_some_and(|site| site.peers.residents(from).next().is_some());
            return place;
        }
        self.outcome.beside_others = true;
        let Some(silent) = self.most_silent() else {
            return from.at_place(u16::MAX);
        };
        self.outcome.crowded_out = true;
        self.swarm.let_go(self.cx, (id, silent), self.now);
        self.free_place().unwrap_or(from)
    }

    /// A place at the address and port that no peer is in, as all are where the site has none yet.
    fn free_place(&self) -> Option<Endpoint> {
        match self.swarm.sites.get(&self.id) {
            Some(site) => site.peers.free_place(&self.cx.policy.identity, self.from),
            None => Some(self.from),
        }
    }

    /// The record at an address and port that a peer which is not known leaves behind there: of its process
    /// or its machine with another id, or, as it starts, the only one of its name. If that was another
    /// machine's, which nothing tells, it is known again with its next announce, which is no start.
    fn predecessor(&self) -> Option<Endpoint> {
        let (announce, from) = (self.announce, self.from);
        let site = self.swarm.sites.get(&self.id)?;
        let starts = announce.event == AnnounceEvent::Started;
        let agent = self.agent_key();
        let found = || {
            let here = site.peers.residents(from).filter(|at| at.is_beside(from));
            here.filter_map(|at| Some((at, site.peers.find(at)?.1)))
        };
        // peers are told each other's ids, and no keys
        let is_it = |peer: &Peer| {
            let has_its_key = peer.key == announce.key.unwrap_or(0);
            has_its_key && (peer.id == announce.peer_id || (starts && peer.key != 0))
        };
        if let Some((at, _)) = found().find(|(_, peer)| is_it(peer)) {
            return Some(at);
        }
        let mut of_its_name = found().filter(|(_, peer)| peer.agent_key() == agent);
        let only = of_its_name.next().filter(|_| starts)?.0;
        of_its_name.next().is_none().then_some(only)
    }

    /// Of the peers at an address and port, that which has been silent for longest; a gateway only if all
    /// are.
    fn most_silent(&self) -> Option<Endpoint> {
        let site = self.swarm.sites.get(&self.id)?;
        let here = site.peers.residents(self.from).filter(|at| at.is_beside(self.from));
        here.min_by_key(|at| {
            let found = site.peers.find(*at);
            let last = found.map_or(self.now, |(class, peer)| last_announced(self.cx, class, peer));
            (site.gateways.contains_key(at), last)
        })
    }
}
