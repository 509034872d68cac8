//! Who announces: the record of a peer, wherever it announces from.
//!
//! An agent is its id and the key of its machine, a stock client its key, or else its peer id at an address
//! and port
//! (rule 9). Either is one peer with at most an IPv4 and an IPv6 address in one site, both of which it announces from now
//! and then, and one that comes from elsewhere leaves no record behind. An address and port tell nobody
//! apart: behind a NAT several machines have the same.
//!
//! The address is the one that the announce came from. `ip=`, `ipv4=` and `ipv6=` (BEP 3, 7) are a peer's
//! word on where others are to connect to, which would let it send a site's peers anywhere, and into a site
//! that it is not in; so they count for nothing here, as with most private trackers. A client's other family
//! is learnt when it announces from there.

use narrows_protocol::AnnounceEvent;
use narrows_topology::SiteId;

use crate::endpoint::Endpoint;
use crate::hash::AgentKey;
use crate::rules::intervals::{announced, lease};
use crate::state::Swarm;
use crate::state::agents::Place;
use crate::state::clients;
use crate::state::peer::{Class, Peer, Tick};
use crate::{Announce, Context, Outcome, Time};

impl Swarm {
    /// Finds the record of a peer that announces from `from`, and forgets those that it makes void. Returns
    /// the record's key, or that of a free place.
    pub(crate) fn identify(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        id: SiteId,
        from: Endpoint,
        now: Time,
        outcome: &mut Outcome,
    ) -> Endpoint {
        match announce.agent.map(|report| AgentKey::of(&report.agent)) {
            Some(agent) => self.identify_agent(cx, announce, (id, from), agent, now, outcome),
            None => self.identify_stock(cx, announce, (id, from), now, outcome),
        }
    }

    /// What tells the announcing machine from others of its id; 0: nothing.
    pub(crate) fn machine(&self, announce: &Announce<'_>, from: Endpoint) -> u32 {
        let id = announce.agent.map(|report| AgentKey::of(&report.agent));
        let key = announce.key.unwrap_or(0);
        id.map_or(key, |id| self.agents.machine(id, key, from))
    }

    fn identify_agent(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        (id, from): (SiteId, Endpoint),
        agent: AgentKey,
        now: Time,
        outcome: &mut Outcome,
    ) -> Endpoint {
        let machine = self.machine(announce, from);
        let Some(known) = self.agents.find(agent, machine) else {
            if announce.event != AnnounceEvent::Stopped {
                self.make_room(cx, agent, from, outcome);
            }
            let at = self.settle(cx, announce, (id, from), now, outcome);
            // one id, and a machine that is not here yet
            outcome.double = self.agents.double(agent, machine).map(|other| other.at.addr());
            return at;
        };
        let (site, before) = (known.site, known.at);
        if site == id && (before.is_beside(from) || before.is_ipv4() != from.is_ipv4()) {
            let Some(here) = self.sites.get_mut(&id) else {
                return from;
            };
            let stale = lease(cx.policy.intervals.seeder);
            if here.peers.seen_at(before, from, (Tick::of(now), Tick::of(now)), stale) {
                return before;
            }
        }
        outcome.moved = true;
        self.agents.moved(agent, machine, now);
        self.remove(cx, (site, before));
        self.settle(cx, announce, (id, from), now, outcome)
    }

    /// Of too many machines with one id, one gives way: which, is as random as their keys, but no gateway
    /// before others.
    fn make_room(&mut self, cx: &Context<'_>, agent: AgentKey, from: Endpoint, outcome: &mut Outcome) {
        let is_gateway = |place: &Place| {
            let site = self.sites.get(&place.site);
            site.is_some_and(|site| site.gateways.contains_key(&place.at))
        };
        let surplus = self.agents.surplus(agent, from);
        if let Some(place) = surplus.into_iter().min_by_key(is_gateway) {
            outcome.crowded_out = true;
            self.remove(cx, (place.site, place.at));
        }
    }

    fn identify_stock(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        (id, from): (SiteId, Endpoint),
        now: Time,
        outcome: &mut Outcome,
    ) -> Endpoint {
        let key = announce.key.unwrap_or(0);
        if let Some(site) = self.sites.get(&id) {
            let is_it = |at: &Endpoint| {
                let found = site.peers.find(*at);
                found.is_some_and(|(_, peer)| {
                    peer.agent.is_none() && (peer.id == announce.peer_id || (key != 0 && peer.key == key))
                })
            };
            let here = site.peers.residents(from).find(is_it);
            if let Some(at) = here {
                if site.peers.paired(at).is_some() {
                    self.seen_again(cx, (id, at), from, now);
                }
                return at;
            }
        }
        let moving_as = clients::moving_as(announce.peer_id, key);
        let before =
            self.clients.find(announce.peer_id, key).filter(|_| !self.agents.is_shared(moving_as, key));
        if let Some(before) = before
            && let Some(site) = cx.map.locate(before.ip())
            && let Some((_, peer)) = self.sites.get(&site).and_then(|site| site.peers.find(before))
            && clients::is_same(peer, announce.peer_id, key)
        {
            let other_family = site == id && before.is_ipv4() != from.is_ipv4();
            if other_family && self.seen_again(cx, (id, before), from, now) {
                return before;
            }
            self.agents.moved(moving_as, key, now);
            self.remove(cx, (site, before));
        }
        self.settle(cx, announce, (id, from), now, outcome)
    }

    /// A stock client that is kept under `at` announces from one of its addresses; no: `at` is its address no
    /// more.
    fn seen_again(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        from: Endpoint,
        now: Time,
    ) -> bool {
        let intervals = &cx.policy.intervals;
        let stale = lease(intervals.seeder.max(cx.policy.stock_interval));
        let Some(site) = self.sites.get_mut(&id) else {
            return false;
        };
        let Some((class, peer)) = site.peers.find(at) else {
            return false;
        };
        let last = Tick::of(last_announced(cx, class, peer));
        site.peers.seen_at(at, from, (last, Tick::of(now)), stale)
    }

    /// The key of a peer that is not known yet: its address and port, and a place there that nobody has. One
    /// that has begun anew takes its own.
    fn settle(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        (id, from): (SiteId, Endpoint),
        now: Time,
        outcome: &mut Outcome,
    ) -> Endpoint {
        let Some(site) = self.sites.get(&id) else {
            return from;
        };
        if site.peers.residents(from).next().is_none() {
            return from;
        }
        if announce.event == AnnounceEvent::Stopped {
            // what is not known is not kept
            return from.at_place(u16::MAX);
        }
        if let Some(before) = self.predecessor(announce, (id, from)) {
            self.remove(cx, (id, before));
        }
        let free = |swarm: &Swarm| {
            let site = swarm.sites.get(&id);
            site.map_or(Some(from), |site| site.peers.free_place(from))
        };
        if let Some(place) = free(self) {
            let site = self.sites.get(&id);
            outcome.beside_others = site.is_some_and(|site| site.peers.residents(from).next().is_some());
            return place;
        }
        outcome.beside_others = true;
        let Some(silent) = self.most_silent(cx, (id, from), now) else {
            return from.at_place(u16::MAX);
        };
        outcome.crowded_out = true;
        self.remove(cx, (id, silent));
        free(self).unwrap_or(from)
    }

    /// The record at an address and port that a peer which is not known leaves behind there: of its process
    /// or its machine with another id, or, as it starts, the only one of its name. If that was another
    /// machine's, which nobody can tell, it is known again with its next announce, which is no start.
    fn predecessor(&self, announce: &Announce<'_>, (id, from): (SiteId, Endpoint)) -> Option<Endpoint> {
        let site = self.sites.get(&id)?;
        let starts = announce.event == AnnounceEvent::Started;
        let agent = announce.agent.map(|report| AgentKey::of(&report.agent));
        let found = || {
            let here = site.peers.residents(from).filter(|at| at.is_beside(from));
            here.filter_map(|at| Some((at, site.peers.find(at)?.1)))
        };
        let is_it = |peer: &Peer| {
            peer.id == announce.peer_id || (starts && peer.key != 0 && announce.key == Some(peer.key))
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
    fn most_silent(&self, cx: &Context<'_>, (id, from): (SiteId, Endpoint), now: Time) -> Option<Endpoint> {
        let site = self.sites.get(&id)?;
        let here = site.peers.residents(from).filter(|at| at.is_beside(from));
        here.min_by_key(|at| {
            let found = site.peers.find(*at);
            let last = found.map_or(now, |(class, peer)| last_announced(cx, class, peer));
            (site.gateways.contains_key(at), last)
        })
    }
}

/// When a peer last announced; of a stock client as far as its term says.
fn last_announced(cx: &Context<'_>, class: Class, peer: &Peer) -> Time {
    match &peer.agent {
        Some(agent) => agent.second.seen.into_iter().max().unwrap_or_default().time(),
        None => announced(cx.policy, class, true, peer.expires),
    }
}
