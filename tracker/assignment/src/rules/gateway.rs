//! Rule 4: who holds a site's lease to fetch across the WAN.
//!
//! The first leecher that announces gets the lease at once; nobody pre-empts a gateway that works, which one
//! that brings a trickle does not (see [`super::trickle`]), nor one that a restarted tracker had to choose
//! blindly (see [`super::restart`]). When a lease has become free, it is offered to the best successor for
//! [`crate::Policy::failover`], because the neighbours of a dead gateway all announce within milliseconds;
//! then whoever announces next takes it.
//!
//! Extra gateways (rule 8) live within the same bound as the regular ones: all gateways of a site together
//! are told at most `gateways x max_seeders` remote peers. A starving member that climbs to step 2 while
//! there is no room leaves a claim: the regular gateway gives up its spare upstream at its next announce, or
//! its lease if it makes no progress itself or is overdue. Where `max_seeders` is 1 and the gateway works,
//! the claim waits: the bound and the working gateway go first, and when it is done the site has a seeder.
//!
//! In a site that may not share (`sharing: false`) every leecher is its own gateway, since nobody there may
//! serve it; the bound of rule 6 is then per peer. So it is with agents that do not share (`share: never`) as
//! long as nobody of their site could fetch for them, neither a seeder nor a leecher that shares; from then
//! on they are members, whatever happens: what they fetch is of no use to anybody else. Whoever shares has a
//! moment to come (back) first.

use std::time::Duration;

use narrows_protocol::{AgentReport, Role};
use narrows_topology::SiteId;

use super::intervals;
use crate::endpoint::Endpoint;
use crate::hash::{peer_name, rendezvous};
use crate::state::Swarm;
use crate::state::peer::{Class, Peer, Tick};
use crate::state::site::{Gateway, Offer, Site, Standing};
use crate::{Context, Outcome, Time};

/// The soonest that a gateway comes back while a rollout begins: most sites have joined by then.
const SHORTEST: Duration = Duration::from_millis(300);

/// Most leechers that are compared when a successor is looked for.
const CANDIDATES: usize = 64;

/// A free lease waits for a better successor than the announcing one only if it is ahead by more than this
/// part of the content: a second without gateway costs more than it would save.
const HEAD_START: u64 = 64;

/// What an announcing peer is from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seat {
    Gateway,
    Member,
    /// A member that is to come back soon, because the lease is being settled.
    Soon(Duration),
}

impl Swarm {
    /// Settles whether the announcing peer is a gateway of its site.
    pub(crate) fn seat(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        report: Option<&AgentReport>,
        now: Time,
        outcome: &mut Outcome,
    ) -> Seat {
        let held = self.sites.get(&id).is_some_and(|site| site.gateways.contains_key(&at));
        let seat = if held {
            self.renew(cx, id, at, now)
        } else {
            self.elect(cx, id, at, report, now, outcome)
        };
        outcome.revoked = held && seat != Seat::Gateway;
        if let Some(site) = self.sites.get_mut(&id) {
            if !held
                && seat == Seat::Gateway
                && let Some(peer) = site.peers.find_mut(at)
            {
                // from now on it is to come as often as a gateway
                let expires = intervals::expiry(cx.policy, Class::Leecher, true, peer.agent.is_none(), now);
                peer.expires = peer.expires.min(expires);
            }
            if !held && site.displaced == Some(at) {
                site.displaced = None;
            }
            if seat == Seat::Gateway || site.peers.find(at).is_none_or(|(_, peer)| peer.step < 2) {
                site.claim.take_if(|claim| claim.to == at);
            }
        }
        seat
    }

    /// A gateway keeps its lease while it announces and works.
    fn renew(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint, now: Time) -> Seat {
        let recall = self.recalling(cx, now);
        let Some(site) = self.sites.get_mut(&id) else {
            return Seat::Member;
        };
        let (standing, alone, retiring) = (site.standing, site.is_each_alone(), site.is_retiring(at));
        let peer = site.wanting(at).map(|peer| (peer.step, peer.still, peer.fitness() == 0));
        let Some(gateway) = site.gateways.get_mut(&at) else {
            return Seat::Member;
        };
        gateway.renewed = now;
        let regular = !gateway.extra;
        let fetches = gateway.adopted || !gateway.upstreams.is_empty();
        site.lost.retain(|lost| lost.gateway != at);
        let Some((step, still, unable)) = peer else {
            self.release(cx, id, at);
            return Seat::Member;
        };
        let needed = alone || step >= 2 || (standing == Standing::Waiting && regular);
        if !needed || retiring {
            self.release(cx, id, at);
            return Seat::Member;
        }
        if let Some(wait) = recall.filter(|_| !alone && regular && !fetches) {
            // the lease was given before the tracker could know that it has lost its memory
            self.release(cx, id, at);
            if let Some(site) = self.sites.get_mut(&id) {
                site.orphaned = false;
            }
            return Seat::Soon(wait);
        }
        let claim = site.claim.filter(|claim| claim.until > now && claim.to != at);
        let stuck = unable || (step >= 3 && still >= 3) || (claim.is_some() && still >= 2 && step >= 1);
        if !alone && regular && stuck {
            let other = claim.map(|claim| claim.to).or_else(|| self.successor(id, Some(at), true));
            if let Some(other) = other {
                self.release(cx, id, at);
                self.give_way(cx, id, at, other, now);
                return Seat::Member;
            }
        }
        Seat::Gateway
    }

    /// Has another one try that can, in the place of a gateway that brings next to nothing; whether there is
    /// one.
    pub(crate) fn displace(&mut self, cx: &Context<'_>, (id, at): (SiteId, Endpoint), now: Time) -> bool {
        let Some(other) = self.successor(id, Some(at), true) else {
            return false;
        };
        self.release(cx, id, at);
        self.give_way(cx, id, at, other, now);
        true
    }

    /// A gateway that cannot reach anybody lets another try.
    fn give_way(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint, to: Endpoint, now: Time) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        site.peers.forgive(at);
        site.displaced = Some(at);
        site.claim = None;
        site.offer = Some(Offer {
            to,
            until: now + cx.policy.intervals.min,
        });
    }

    /// When a gateway that has not been in office for long is to come back: after as long as it has been,
    /// between [`SHORTEST`] and [`crate::Policy::failover`].
    pub(crate) fn settling(&self, cx: &Context<'_>, id: SiteId, at: Endpoint, now: Time) -> Option<Duration> {
        let since = self.sites.get(&id)?.gateways.get(&at)?.since;
        let age = now.saturating_sub(since);
        let shortest = SHORTEST.min(cx.policy.failover);
        (age < cx.policy.settle).then(|| age.clamp(shortest, cx.policy.failover))
    }

    fn elect(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        report: Option<&AgentReport>,
        now: Time,
        outcome: &mut Outcome,
    ) -> Seat {
        let Some(site) = self.sites.get(&id) else {
            return Seat::Member;
        };
        let Some(peer) = site.wanting(at) else {
            return Seat::Member;
        };
        if site.is_guest(at) {
            return self.elect_guest(cx, id, at, report, now, outcome);
        }
        if !site.sharing {
            return self.grant(id, at, false, now, outcome);
        }
        let step = peer.step;
        if site.standing == Standing::Waiting {
            if site.regular() < cx.map.gateways(id).max(1) as usize {
                return self.fill(cx, id, at, report, now, outcome);
            }
            let worked = report.is_some_and(|report| report.role == Role::Gateway);
            if let Some(newcomer) = self.newcomer(cx, id, at, now).filter(|_| worked && step == 0) {
                self.release(cx, id, newcomer);
                return self.fill(cx, id, at, report, now, outcome);
            }
            let lease = intervals::lease(cx.policy.intervals.gateway);
            let mut regular = site.gateways.iter().filter(|(_, gateway)| !gateway.extra);
            let overdue = regular.find(|(_, gateway)| gateway.is_overdue(lease, now)).map(|(at, _)| *at);
            if let Some(overdue) = overdue.filter(|_| step >= 2) {
                self.release(cx, id, overdue);
                return self.grant(id, at, false, now, outcome);
            }
        }
        if step >= 2 {
            self.elect_extra(cx, id, at, now, outcome)
        } else {
            Seat::Member
        }
    }

    /// A peer that does not share fetches for itself if nobody of its site could do so for it.
    fn elect_guest(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        report: Option<&AgentReport>,
        now: Time,
        outcome: &mut Outcome,
    ) -> Seat {
        let Some(site) = self.sites.get(&id).filter(|site| site.is_each_alone()) else {
            return Seat::Member;
        };
        let works = report.is_some_and(|report| report.role == Role::Gateway);
        let expected = site.expected.map_or(now, |expected| expected.until);
        let until = expected.max(site.progressed + cx.policy.failover);
        if site.sharing && !works && now < until {
            return Seat::Soon((until - now).min(cx.policy.intervals.min));
        }
        if let Some(wait) = self.recalling(cx, now).filter(|_| site.sharing && !works) {
            return Seat::Soon(wait);
        }
        outcome.adopted = works;
        self.grant(id, at, true, now, outcome)
    }

    /// A lease is free.
    fn fill(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        report: Option<&AgentReport>,
        now: Time,
        outcome: &mut Outcome,
    ) -> Seat {
        let recall = self.recalling(cx, now);
        let Some(site) = self.sites.get_mut(&id) else {
            return Seat::Member;
        };
        let expected = site.expected.filter(|expected| now < expected.until);
        let was_gateway = report.is_some_and(|report| report.role == Role::Gateway);
        if (was_gateway && site.displaced != Some(at))
            || expected.is_some_and(|expected| expected.to.is_beside(at))
        {
            outcome.adopted = true;
            return self.grant(id, at, false, now, outcome);
        }
        if let Some(expected) = expected {
            return Seat::Soon((expected.until - now).min(cx.policy.intervals.min));
        }
        if let Some(wait) = recall {
            return Seat::Soon(wait);
        }
        let fitness = site.leecher(at).map_or(0, Peer::fitness);
        match site.offer {
            Some(offer) if offer.to == at => return self.grant(id, at, false, now, outcome),
            Some(offer) if now < offer.until => return Seat::Soon(offer.until - now),
            Some(_) if fitness > 0 => return self.grant(id, at, false, now, outcome),
            _ if fitness >= 2 && !site.orphaned => return self.grant(id, at, false, now, outcome),
            _ => {}
        }
        let orphaned = site.orphaned;
        let best = self.successor(id, None, false).filter(|best| *best != at);
        let Some(site) = self.sites.get_mut(&id) else {
            return Seat::Member;
        };
        let own = site.leecher(at).map_or(u64::MAX, |peer| peer.left);
        let margin = if orphaned {
            self.most_left / HEAD_START
        } else {
            u64::MAX
        };
        let best = best.filter(|best| {
            site.leecher(*best).is_some_and(|other| {
                other.fitness() > fitness
                    || site.displaced == Some(at)
                    || other.left.saturating_add(margin) < own
            })
        });
        let Some(best) = best else {
            return self.grant(id, at, false, now, outcome);
        };
        site.offer = Some(Offer {
            to: best,
            until: now + cx.policy.failover,
        });
        Seat::Soon(cx.policy.failover)
    }

    /// A starving member becomes an extra gateway if there is room among the site's remote peers.
    fn elect_extra(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        now: Time,
        outcome: &mut Outcome,
    ) -> Seat {
        if self.room(cx, id, at, now) > 0 {
            return self.grant(id, at, true, now, outcome);
        }
        let min = cx.policy.intervals.min;
        let Some(site) = self.sites.get_mut(&id) else {
            return Seat::Member;
        };
        if site.claim.is_none_or(|claim| claim.until <= now || claim.to == at) {
            site.claim = Some(Offer {
                to: at,
                until: now + min * 3,
            });
        }
        Seat::Soon(min)
    }

    fn grant(&mut self, id: SiteId, at: Endpoint, extra: bool, now: Time, outcome: &mut Outcome) -> Seat {
        let Some(site) = self.sites.get_mut(&id) else {
            return Seat::Member;
        };
        outcome.elected = true;
        if !extra {
            outcome.failover = std::mem::take(&mut site.orphaned);
            site.offer = None;
            site.expected = None;
        }
        let mut gateway = Gateway::new(now, extra);
        gateway.adopted = outcome.adopted;
        site.gateways.insert(at, gateway);
        if let Some(peer) = site.peers.find_mut(at) {
            // what it did not get as a member is not held against it
            (peer.still, peer.judged) = (0, Tick::of(now));
        }
        Seat::Gateway
    }

    /// The leecher that should hold the lease: one of our agents before a stock client, then the one with
    /// most bytes, then by rendezvous hash of (swarm, site, agent id). In large sites, among the
    /// best-supplied and a sample.
    pub(crate) fn successor(&self, id: SiteId, not: Option<Endpoint>, willing: bool) -> Option<Endpoint> {
        let site: &Site = self.sites.get(&id)?;
        let count = site.peers.count(Class::Leecher);
        let stride = count.div_ceil(CANDIDATES).max(1);
        let sample = (0..count).step_by(stride).filter_map(|i| site.peers.at(Class::Leecher, i));
        let best = site.peers.best().and_then(|(_, at)| Some((at, site.leecher(at)?)));
        let name = super::upstream::site_name(id);
        let candidates = sample.chain(best).filter(|(at, peer)| {
            Some(*at) != not && !site.gateways.contains_key(at) && (!willing || peer.fitness() > 0)
        });
        let ranked = candidates.map(|(at, peer)| {
            let fitness = peer.fitness();
            let hash = rendezvous(&self.info_hash, name, peer_name(peer.agent_key(), at));
            let fresh = site.displaced != Some(at);
            (
                (
                    fitness > 0,
                    fresh,
                    fitness,
                    std::cmp::Reverse(peer.left),
                    hash,
                    at,
                ),
                at,
            )
        });
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, at)| at)
    }
}
