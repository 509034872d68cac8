//! Rule 5, upstreams: which peers a gateway fetches from.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use narrows_topology::SiteId;

use super::parents::nearest_root;
use super::stripes;
use crate::endpoint::Endpoint;
use crate::hash::{peer_name, rendezvous};
use crate::state::peer::{Class, Peer};
use crate::state::site::{Gateway, Site, Supply, Upstream};
use crate::state::view::View;

/// What a gateway is handed.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) upstreams: Vec<Upstream>,
    /// All that a stock client was ever handed, as long as they are there; of an agent what of it is left.
    pub(crate) handed_out: Vec<Upstream>,
}

/// Chooses a gateway's upstreams. Those that it has stay while they live, since a stock client never drops a
/// peer; `rotate` asks for others. At most `want` are handed out.
pub(crate) fn choose(view: &View<'_>, gateway: &Gateway, rotate: bool, want: usize) -> Chosen {
    let exists = |up: &&Upstream| view.find(up.site, up.peer).is_some();
    // a stock client stays connected to one that does not share any more
    let mut chosen = Chosen {
        upstreams: Vec::new(),
        handed_out: gateway.handed_out.iter().filter(exists).copied().collect(),
    };
    let sources = sources(view, gateway);
    if sources.len() > 1 && stripes::is_planned_for(view) {
        for source in sources {
            let allowed = (room_at(view, source) as usize).min(want);
            let part = Choice {
                view,
                gateway,
                sources: &[source],
                rotate,
                allowed,
            };
            let upstreams = part.pick(&mut chosen.handed_out);
            chosen.upstreams.extend(upstreams);
        }
    } else {
        let all = Choice {
            view,
            gateway,
            sources: &sources,
            rotate,
            allowed: (room(view) as usize).min(want),
        };
        chosen.upstreams = all.pick(&mut chosen.handed_out);
    }
    chosen
}

/// What a choice among the peers of some sites depends on.
struct Choice<'a, 'v> {
    view: &'a View<'v>,
    gateway: &'a Gateway,
    sources: &'a [SiteId],
    rotate: bool,
    allowed: usize,
}

impl Choice<'_, '_> {
    /// Whether an upstream serves.
    fn lives(&self, up: &Upstream) -> bool {
        self.view.find(up.site, up.peer).is_some_and(|(class, _)| class.shares())
    }

    fn is_source(&self, up: &Upstream) -> bool {
        self.lives(up) && self.sources.contains(&up.site)
    }

    fn reaches(&self, up: &Upstream) -> bool {
        self.gateway.reaches(up.peer, self.view.now)
    }

    /// Whether an agent that does not come on has an upstream with no more than itself, while others at that
    /// site have: such an upstream may stay so for ever.
    fn is_outdone(&self, up: &Upstream) -> bool {
        let (view, own) = (self.view, self.view.peer.left);
        if !view.is_agent() || view.peer.still == 0 {
            return false;
        }
        let has_less = view
            .find(up.site, up.peer)
            .is_some_and(|(class, peer)| class != Class::Seeder && peer.left >= own && own != u64::MAX);
        has_less
            && view.swarm.sites.get(&up.site).is_some_and(|site| {
                site.peers.count(Class::Seeder) > 0 || site.peers.best().is_some_and(|(left, _)| left < own)
            })
    }

    /// Whether it says that it has what the gateway lacks.
    fn could_help(&self, up: &Upstream) -> bool {
        let own = self.view.peer.left;
        self.view
            .find(up.site, up.peer)
            .is_none_or(|(class, peer)| class == Class::Seeder || peer.left < own || peer.left == u64::MAX)
    }

    fn pick(&self, handed_out: &mut Vec<Upstream>) -> Vec<Upstream> {
        let Choice {
            view,
            gateway,
            rotate,
            allowed,
            ..
        } = *self;
        let is_stock = !view.is_agent();
        let stays = |up: &&Upstream| self.is_source(up) && self.reaches(up) && !self.is_outdone(up);
        let kept = gateway.upstreams.iter().filter(stays);
        let current: Vec<Upstream> = kept.copied().collect();
        let mut chosen = if rotate { Vec::new() } else { current.clone() };
        if chosen.len() < allowed {
            // a peer that starves is worth another connection that is never closed
            let spares = view.cx.policy.stock_spares as usize + usize::from(view.peer.step);
            for up in self.candidates(handed_out, &chosen, &current) {
                if chosen.len() >= allowed {
                    break;
                }
                let is_known = handed_out.iter().any(|old| old.peer == up.peer);
                if chosen.iter().any(|other| other.is_same(up))
                    || (is_stock && !is_known && handed_out.len() >= allowed + spares)
                {
                    continue;
                }
                if is_stock && !is_known {
                    handed_out.push(up);
                }
                chosen.push(up);
            }
        }
        if chosen.is_empty() && allowed > 0 {
            // a stock client that may be handed no other keeps one that it is connected to anyway
            let known = handed_out.iter().filter(|up| self.lives(up) && up.site != view.id());
            chosen.extend(known.copied().take(1));
        }
        chosen.truncate(allowed);
        chosen
    }

    /// Peers of the gateway's own address family first, then those it has not just failed with; those that it
    /// could not reach only if there are no others. One of which a gateway of its site had nothing comes after others
    /// that say they have more than this one.
    fn candidates(
        &self,
        handed_out: &[Upstream],
        chosen: &[Upstream],
        current: &[Upstream],
    ) -> Vec<Upstream> {
        let view = self.view;
        let known = handed_out.iter().filter(|up| !view.is_agent() && self.is_source(up));
        let mut candidates: Vec<Upstream> = known.copied().collect();
        for source in self.sources {
            candidates.extend(candidates_of(view, *source, self.allowed * 2));
        }
        if chosen.is_empty() && candidates.iter().all(|up| !self.reaches(up)) {
            let failed =
                |up: &Upstream| self.gateway.unreachable.iter().position(|gone| gone.to.is_beside(up.peer));
            candidates.sort_by_key(failed);
        } else {
            candidates.retain(|up| self.reaches(up));
        }
        let is_useless = |up: &Upstream| view.site.fed.is_useless(up.peer, view.now);
        let are_some_useless = candidates.iter().any(is_useless);
        candidates.sort_by_key(|up| {
            // another peer of the same machine is no other
            let is_old = |same: fn(Endpoint, Endpoint) -> bool| {
                self.rotate && current.iter().any(|old| same(old.peer, up.peer))
            };
            let use_last = match are_some_useless {
                true if !self.could_help(up) => 2,
                true => u8::from(is_useless(up)),
                false => 0,
            };
            let is_of_old = is_old(|old, other| old.ip() == other.ip());
            (
                up.addr.is_ipv4() != view.at.is_ipv4(),
                use_last,
                is_of_old,
                is_old(|old, other| old == other),
            )
        });
        candidates
    }
}

/// Whether a gateway on the last step of the starvation ladder has been handed peers of a root site, if there is one
/// beside its parent: that it has come there says only that the parent brings nothing.
pub(crate) fn has_tried_root(view: &View<'_>, gateway: &Gateway) -> bool {
    let parents = stripes::parents(view);
    let is_parent = |site: SiteId| parents.iter().any(|(parent, _)| *parent == site);
    let other_root = || nearest_root(view, parents.first().map(|(parent, _)| *parent));
    gateway.upstreams.is_empty()
        || gateway.upstreams.iter().any(|up| !is_parent(up.site))
        || other_root().is_none_or(|root| view.swarm.avoided.contains_key(&(view.id(), root)))
}

/// The sites to fetch from: the parent; from step 3 on a root site; for a root that lacks something, and for
/// a starving member of a supplied site, others that hold data.
fn sources(view: &View<'_>, gateway: &Gateway) -> Vec<SiteId> {
    let (swarm, id) = (view.swarm, view.id());
    let parents: Vec<SiteId> = stripes::parents(view).into_iter().map(|(parent, _)| parent).collect();
    if swarm.root == Some(id) {
        let holds = |other: SiteId, site: &Site| {
            other != id && swarm.has_data(site) && view.cx.map.path(other, id).is_some()
        };
        let others = swarm.sites.iter().filter(|(other, site)| holds(*other, site));
        let mut others: Vec<_> = others.map(|(other, site)| (site.peers.best(), other)).collect();
        others.sort_unstable();
        let most = view.cx.policy.upstreams.root_sources;
        return others.into_iter().map(|(_, other)| other).take(most).collect();
    }
    if view.site.supply == Supply::Supplied || gateway.from_root {
        let parent = parents.first().copied();
        let is_supplied =
            |source: &SiteId| swarm.sites.get(source).is_some_and(|site| site.supply == Supply::Supplied);
        let stays = gateway.upstreams.first().map(|up| up.site).filter(|source| {
            Some(*source) != parent && !swarm.avoided.contains_key(&(id, *source)) && is_supplied(source)
        });
        return stays.or_else(|| nearest_root(view, parent)).or(parent).into_iter().collect();
    }
    parents
}

/// How many remote peers a gateway may be handed: `max_seeders` of its paths, and what the site's other
/// gateways leave of `gateways x max_seeders`. A regular gateway leaves one to a starving member that claims
/// it, one of the ladder to a regular one that has none.
pub(crate) fn room(view: &View<'_>) -> u32 {
    let (site, map, id) = (view.site, view.cx.map, view.id());
    let parents = stripes::parents(view);
    if parents.len() > 1 && stripes::is_planned_for(view) {
        return parents.iter().map(|(source, _)| room_at(view, *source)).max().unwrap_or(0);
    }
    let mut sources = match view.gateway() {
        Some(gateway) => sources(view, gateway),
        None => view.swarm.forest.get(&id).map(|parent| parent.site).into_iter().collect(),
    };
    if sources.is_empty() {
        sources.extend(nearest_root(view, None));
    }
    let routes = sources.iter().filter_map(|source| map.path(*source, id));
    let caps = routes.map(|route| map.max_seeders(&route));
    if site.is_each_alone() {
        return caps.min().unwrap_or(0);
    }
    let held = held_by_others(view, |_| true);
    let used = site.flows.iter().filter(|flow| held > 0 && flow.users > 0);
    let Some(cap) = caps.chain(used.map(|flow| map.max_seeders(&flow.route))).min() else {
        return 0;
    };
    let budget = map.gateways(id).max(1) * cap;
    let room = budget.saturating_sub(held).min(cap);
    // of more than the claimant takes, there is no need to give up any
    if held + room >= budget {
        less_what_waits(view, room)
    } else {
        room
    }
}

/// How many peers of one of several parents a gateway may be handed: `max_seeders` of the path, and what the
/// site's other gateways leave of `gateways x max_seeders`.
fn room_at(view: &View<'_>, source: SiteId) -> u32 {
    let (map, id) = (view.cx.map, view.id());
    let Some(route) = map.path(source, id) else {
        return 0;
    };
    let cap = map.max_seeders(&route);
    if view.site.is_each_alone() {
        return cap;
    }
    let held = held_by_others(view, |up| up.site == source);
    less_what_waits(
        view,
        (map.gateways(id).max(1) * cap).saturating_sub(held).min(cap),
    )
}

/// Remote peers that the site's other gateways were handed, and keep.
fn held_by_others(view: &View<'_>, of: impl Fn(&Upstream) -> bool) -> u32 {
    let gateways = view.site.gateways.iter();
    let others = gateways.filter(|(other, _)| **other != view.at && !view.site.is_retiring(**other));
    let held = others.flat_map(|(_, gateway)| &gateway.upstreams).filter(|up| of(up));
    u32::try_from(held.count()).unwrap_or(u32::MAX)
}

/// A regular gateway leaves one peer to a starving member that claims it, but keeps one. A gateway of the ladder leaves
/// one to a regular gateway that has none, unless others had nothing of that one.
fn less_what_waits(view: &View<'_>, room: u32) -> u32 {
    let waits = |(at, other): (&Endpoint, &Gateway)| {
        let is_regular = !other.extra && *at != view.at && !view.site.is_retiring(*at);
        is_regular && other.upstreams.is_empty() && other.service.doubt.is_none()
    };
    if view.gateway().is_some_and(|gateway| gateway.extra) && view.site.gateways.iter().any(waits) {
        return room.saturating_sub(1);
    }
    let is_claimed = view.site.claim.is_some_and(|claim| claim.until > view.now && claim.to != view.at);
    let is_regular = view.gateway().is_some_and(|gateway| !gateway.extra);
    if is_claimed && is_regular {
        room.saturating_sub(1).max(1).min(room)
    } else {
        room
    }
}

/// Peers of a site that a gateway may fetch from, best first: seeders spread by rendezvous hash, then the
/// site's gateways, its best-supplied peer, and any other; of each address one before a second one.
fn candidates_of(view: &View<'_>, source: SiteId, want: usize) -> Vec<Upstream> {
    let found = view.swarm.sites.get(&source).filter(|site| site.sharing && source != view.id());
    let Some(site) = found else {
        return Vec::new();
    };
    let seeders = ranked_seeders(view, site);
    let gateways = site.gateways.keys().filter_map(|at| Some((*at, site.leecher(*at)?)));
    let best = site.peers.best().and_then(|(_, at)| site.peers.find(at).map(|(_, peer)| (at, peer)));
    let leechers = site.peers.one_of_each_address(Class::Leecher, 0).take(want + 2);
    let leechers = leechers.chain(site.peers.of(Class::Leecher).take(want + 2));
    let others = leechers.chain(site.peers.of(Class::Partial).take(want));
    let mut out: Vec<Upstream> = Vec::new();
    for (key, other) in seeders.into_iter().chain(gateways.take(want)).chain(best).chain(others) {
        let up = Upstream {
            site: source,
            peer: key,
            addr: site.peers.address_for(key, other, view.at),
        };
        if !out.iter().any(|other| other.is_same(up)) {
            out.push(up);
        }
    }
    one_of_each_first(out, |up| up.peer.ip_bytes())
}

/// In the same order, but the first of each kind before a second one of any: one machine may be many peers.
fn one_of_each_first<T>(all: Vec<T>, kind: impl Fn(&T) -> [u8; 16]) -> Vec<T> {
    let mut counts: HashMap<[u8; 16], u32, RandomState> = HashMap::default();
    let number = |one: T| {
        let nth = counts.entry(kind(&one)).or_default();
        *nth += 1;
        (*nth, one)
    };
    let mut numbered: Vec<(u32, T)> = all.into_iter().map(number).collect();
    numbered.sort_by_key(|(nth, _)| *nth);
    numbered.into_iter().map(|(_, one)| one).collect()
}

/// Seeders of a site, best first: by rendezvous hash, and one of each address before a second one of any. That a
/// peer is a seeder is what it says, and one machine may say it a thousand times.
fn ranked_seeders<'s>(view: &View<'_>, site: &'s Site) -> Vec<(Endpoint, &'s Peer)> {
    let (hash, policy) = (&view.swarm.info_hash, &view.cx.policy.upstreams);
    let name = peer_name(view.peer.agent_key(), view.at);
    let count = site.peers.count(Class::Seeder);
    let mut seeders: Vec<(Endpoint, &Peer)> = if count <= policy.ranked {
        site.peers.of(Class::Seeder).collect()
    } else {
        let drawn = (0..policy.drawn).map(|i| rendezvous(hash, name, i) % count as u64);
        drawn.filter_map(|i| site.peers.at(Class::Seeder, i as usize)).collect()
    };
    // few addresses have many, each no more than so many, so that a walk over all of them has an end
    if count > policy.ranked && addresses(&seeders) * 2 <= seeders.len() {
        seeders = site.peers.of(Class::Seeder).collect();
    }
    let mut counts: HashMap<[u8; 16], u32, RandomState> = HashMap::default();
    seeders.iter().for_each(|(at, _)| *counts.entry(at.ip_bytes()).or_default() += 1);
    // the best of many draws would be better than another's one
    let rank = |at: Endpoint, peer: &Peer| {
        let own = rendezvous(hash, name, peer_name(peer.agent_key(), at));
        match counts.get(&at.ip_bytes()) {
            Some(2..) => (rendezvous(hash, name, at.ip_hash().into()), own),
            _ => (own, own),
        }
    };
    seeders.sort_by_cached_key(|(at, peer)| std::cmp::Reverse(rank(*at, peer)));
    one_of_each_first(seeders, |(at, _)| at.ip_bytes())
}

/// At how many addresses these are. (Of IPv6 a machine has as many as it likes, but so have the many machines of one
/// network.)
fn addresses(peers: &[(Endpoint, &Peer)]) -> usize {
    let addresses: HashSet<[u8; 16], RandomState> = peers.iter().map(|(at, _)| at.ip_bytes()).collect();
    addresses.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rules::fixture::{Fixture, agent};
    use crate::state::service::{Doubt, Doubters};

    #[test]
    fn a_gateway_of_the_ladder_leaves_a_peer_to_the_one_that_has_the_lease_and_none_to_fetch_from() {
        // (chaos seed 8008: it held all, and said that it came on)
        let mut fixture = Fixture::with_leechers(&[900, 900]);
        fixture.lease(0, Duration::from_secs(5));
        fixture.lease(1, Duration::from_secs(60));
        fixture.site().gateways.get_mut(&agent(1)).unwrap().extra = true;
        assert_eq!((fixture.of(0, room), fixture.of(1, room)), (2, 1));
        let since = fixture.now;
        fixture.site().gateways.get_mut(&agent(0)).unwrap().service.doubt = Some(Doubt {
            since,
            by: Doubters::One(agent(1)),
        });
        assert_eq!(fixture.of(1, room), 2, "none to one that others had nothing of");
    }
}
