//! Rule 5: whom a gateway fetches from.

use std::hash::{DefaultHasher, Hash, Hasher};

use narrows_topology::SiteId;

use crate::endpoint::Endpoint;
use crate::hash::{peer_name, rendezvous};
use crate::state::Swarm;
use crate::state::peer::{Class, Peer};
use crate::state::site::{Site, Standing, Upstream};
use crate::{Context, Time};

/// Up to so many seeders, all are ranked; among more, so many are drawn by hash.
const RANKED: usize = 32;

/// Most sites that a root without everything is sent to.
const SOURCES: usize = 8;

/// A site's name in hashes.
pub(crate) fn site_name(id: SiteId) -> u64 {
    // DefaultHasher::new is SipHash with fixed keys
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Swarm {
    /// Chooses a gateway's upstreams and notes them. Those it was told of stay while they live, since a stock
    /// client never drops a peer; `rotate` asks for others. At most `want` are told.
    pub(crate) fn choose_upstreams(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        rotate: bool,
        want: usize,
        now: Time,
    ) -> Vec<Upstream> {
        let sources = self.sources(cx, id, at);
        let told = if sources.len() > 1 && self.is_planned_for(id, at) {
            let mut told = Vec::new();
            for source in sources {
                let allowed = (self.room_at(cx, id, at, source, now) as usize).min(want);
                told.extend(self.pick(cx, id, at, &[source], rotate, allowed, now).unwrap_or_default());
            }
            told
        } else {
            let allowed = (self.room(cx, id, at, now) as usize).min(want);
            self.pick(cx, id, at, &sources, rotate, allowed, now).unwrap_or_default()
        };
        self.set_upstreams(cx, id, at, told.clone());
        told
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a choice depends on, each its own kind"
    )]
    fn pick(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        sources: &[SiteId],
        rotate: bool,
        allowed: usize,
        now: Time,
    ) -> Option<Vec<Upstream>> {
        let site = self.sites.get(&id)?;
        let peer = site.wanting(at)?;
        let gateway = site.gateways.get(&at)?;
        let is_stock = peer.agent.is_none();
        let lives = |up: &Upstream| {
            self.sites
                .get(&up.site)
                .and_then(|site| site.peers.find(up.peer))
                .is_some_and(|(class, _)| class.shares())
        };
        // a stock client stays connected to one that does not share any more
        let exists = |up: &Upstream| {
            let site = self.sites.get(&up.site);
            site.is_some_and(|site| site.peers.find(up.peer).is_some())
        };
        let mut told: Vec<Upstream> = gateway.told.iter().copied().filter(exists).collect();
        let current = gateway.upstreams.iter().copied();
        let current: Vec<Upstream> = current
            .filter(|up| lives(up) && sources.contains(&up.site) && gateway.reaches(up.peer, now))
            .collect();
        let mut chosen = if rotate { Vec::new() } else { current.clone() };
        if chosen.len() < allowed {
            // who starves is worth another connection that is never closed
            let spares = cx.policy.stock_spares as usize + usize::from(peer.step);
            let known = told.iter().copied();
            let known = known.filter(|up| lives(up) && sources.contains(&up.site));
            let mut candidates: Vec<Upstream> = if is_stock { known.collect() } else { Vec::new() };
            for source in sources {
                candidates.extend(self.candidates(*source, id, at, peer, allowed * 2));
            }
            // peers of the gateway's own address family first, then those it has not just failed with; those
            // that it could not reach only if there is nobody else
            if chosen.is_empty() && candidates.iter().all(|up| !gateway.reaches(up.peer, now)) {
                let failed =
                    |up: &Upstream| gateway.unreachable.iter().position(|gone| gone.to.is_beside(up.peer));
                candidates.sort_by_key(failed);
            } else {
                candidates.retain(|up| gateway.reaches(up.peer, now));
            }
            candidates.sort_by_key(|up| {
                (
                    up.addr.is_ipv4() != at.is_ipv4(),
                    rotate && current.iter().any(|old| old.peer == up.peer),
                )
            });
            for up in candidates {
                if chosen.len() >= allowed {
                    break;
                }
                let known = told.iter().any(|old| old.peer == up.peer);
                if chosen.iter().any(|other| other.is_same(up))
                    || (is_stock && !known && told.len() >= allowed + spares)
                {
                    continue;
                }
                if is_stock && !known {
                    told.push(up);
                }
                chosen.push(up);
            }
        }
        if chosen.is_empty() && allowed > 0 {
            // a stock client that may be told of nobody else keeps one that it is connected to anyway
            let known = told.iter().copied().filter(|up| lives(up) && up.site != id);
            chosen.extend(known.take(1));
        }
        chosen.truncate(allowed);
        let gateway = self.sites.get_mut(&id)?.gateways.get_mut(&at)?;
        gateway.told = told;
        Some(chosen)
    }

    /// The sites to fetch from: the parent; from step 3 on a root site; for a root that lacks something, and
    /// for a starving member of a supplied site, others that hold data.
    fn sources(&self, cx: &Context<'_>, id: SiteId, at: Endpoint) -> Vec<SiteId> {
        let Some(site) = self.sites.get(&id) else {
            return Vec::new();
        };
        let Some(gateway) = site.gateways.get(&at) else {
            return Vec::new();
        };
        let parents: Vec<SiteId> = self.parents(id, at).into_iter().map(|(parent, _)| parent).collect();
        let parent = parents.first().copied();
        if self.root == Some(id) {
            let others = self.sites.iter().filter(|(other, site)| {
                *other != id && self.has_data(site) && cx.map.path(*other, id).is_some()
            });
            let mut others: Vec<_> = others.map(|(other, site)| (site.peers.best(), other)).collect();
            others.sort_unstable();
            return others.into_iter().map(|(_, other)| other).take(SOURCES).collect();
        }
        if site.standing == Standing::Supplied || gateway.from_root {
            let stays = gateway.upstreams.first().map(|up| up.site).filter(|source| {
                Some(*source) != parent
                    && !self.avoided.contains_key(&(id, *source))
                    && self.sites.get(source).is_some_and(|site| site.standing == Standing::Supplied)
            });
            return stays.or_else(|| self.nearest_root(cx, id, parent)).or(parent).into_iter().collect();
        }
        parents
    }

    /// How many peers of one of several parents a gateway may be told: `max_seeders` of the path, and what
    /// the site's other gateways leave of `gateways x max_seeders`.
    fn room_at(&self, cx: &Context<'_>, id: SiteId, at: Endpoint, source: SiteId, now: Time) -> u32 {
        let (Some(site), Some(route)) = (self.sites.get(&id), cx.map.path(source, id)) else {
            return 0;
        };
        let cap = cx.map.max_seeders(&route);
        if site.is_each_alone() {
            return cap;
        }
        let others = site.gateways.iter();
        let others = others.filter(|(other, _)| **other != at && !site.is_retiring(**other));
        let held = others.flat_map(|(_, gateway)| &gateway.upstreams);
        let held = u32::try_from(held.filter(|up| up.site == source).count()).unwrap_or(u32::MAX);
        let room = (cx.map.gateways(id).max(1) * cap).saturating_sub(held).min(cap);
        let claimed = site.claim.is_some_and(|claim| claim.until > now && claim.to != at);
        let regular = site.gateways.get(&at).is_some_and(|gateway| !gateway.extra);
        if claimed && regular {
            room.saturating_sub(1).max(1).min(room)
        } else {
            room
        }
    }

    /// How many remote peers a gateway may be told: `max_seeders` of its paths, and what the site's other
    /// gateways leave of `gateways x max_seeders`. A regular gateway leaves one to a starving member that
    /// claims it.
    pub(crate) fn room(&self, cx: &Context<'_>, id: SiteId, at: Endpoint, now: Time) -> u32 {
        let Some(site) = self.sites.get(&id) else { return 0 };
        let parents = self.parents(id, at);
        if parents.len() > 1 && self.is_planned_for(id, at) {
            let rooms = parents.iter().map(|(source, _)| self.room_at(cx, id, at, *source, now));
            return rooms.max().unwrap_or(0);
        }
        let mut sources = match site.gateways.get(&at) {
            Some(_) => self.sources(cx, id, at),
            None => self.forest.get(&id).map(|parent| parent.site).into_iter().collect(),
        };
        if sources.is_empty() {
            sources.extend(self.nearest_root(cx, id, None));
        }
        let routes = sources.iter().filter_map(|source| cx.map.path(*source, id));
        let caps = routes.map(|route| cx.map.max_seeders(&route));
        if site.is_each_alone() {
            return caps.min().unwrap_or(0);
        }
        let used = site.flows.iter().filter(|flow| flow.users > 0);
        let others = site.gateways.iter();
        let others = others.filter(|(other, _)| **other != at && !site.is_retiring(**other));
        let (mut held, mut any) = (0, false);
        for (_, gateway) in others {
            held += u32::try_from(gateway.upstreams.len()).unwrap_or(u32::MAX);
            any |= !gateway.upstreams.is_empty();
        }
        let in_use = used.filter(|_| any).map(|flow| cx.map.max_seeders(&flow.route));
        let Some(cap) = caps.chain(in_use).min() else {
            return 0;
        };
        let budget = cx.map.gateways(id).max(1) * cap;
        let claimed = site.claim.is_some_and(|claim| claim.until > now && claim.to != at);
        let regular = site.gateways.get(&at).is_some_and(|gateway| !gateway.extra);
        let room = budget.saturating_sub(held).min(cap);
        if claimed && regular && held + room >= budget {
            room.saturating_sub(1).max(1).min(room)
        } else {
            room
        }
    }

    /// Peers of a site that somebody may fetch from, best first: seeders spread by rendezvous hash, then the
    /// site's gateways, its best-supplied peer, and anybody.
    fn candidates(
        &self,
        source: SiteId,
        id: SiteId,
        at: Endpoint,
        peer: &Peer,
        want: usize,
    ) -> Vec<Upstream> {
        let Some(site) = self.sites.get(&source).filter(|site| site.sharing && source != id) else {
            return Vec::new();
        };
        let name = peer_name(peer.agent_key(), at);
        let seeders = self.ranked_seeders(site, name);
        let gateways = site.gateways.keys().filter_map(|at| Some((*at, site.leecher(*at)?)));
        let best = site.peers.best().and_then(|(_, at)| site.peers.find(at).map(|(_, peer)| (at, peer)));
        let leechers = site.peers.of(Class::Leecher).take(want + 2);
        let anybody = leechers.chain(site.peers.of(Class::Partial).take(want));
        let all = seeders.into_iter().chain(gateways.take(want)).chain(best).chain(anybody);
        let mut out: Vec<Upstream> = Vec::new();
        for (key, other) in all {
            let up = Upstream {
                site: source,
                peer: key,
                addr: site.peers.address_for(key, other, at),
            };
            if !out.iter().any(|other| other.is_same(up)) {
                out.push(up);
            }
        }
        out
    }

    fn ranked_seeders<'a>(&self, site: &'a Site, name: u64) -> Vec<(Endpoint, &'a Peer)> {
        let count = site.peers.count(Class::Seeder);
        let mut seeders: Vec<(Endpoint, &Peer)> = if count <= RANKED {
            site.peers.of(Class::Seeder).collect()
        } else {
            let drawn = (0..16u64).map(|i| rendezvous(&self.info_hash, name, i) % count as u64);
            drawn.filter_map(|i| site.peers.at(Class::Seeder, i as usize)).collect()
        };
        let rank =
            |at: Endpoint, peer: &Peer| rendezvous(&self.info_hash, name, peer_name(peer.agent_key(), at));
        seeders.sort_by_cached_key(|(at, peer)| std::cmp::Reverse(rank(*at, peer)));
        seeders
    }
}
