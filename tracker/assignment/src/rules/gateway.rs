//! Rule 4, gateways: which peer holds a site's lease to fetch across the WAN.
//!
//! The first leecher that announces gets the lease at once; nothing pre-empts a gateway that works, which one
//! that brings a trickle does not (see [`super::trickle`]), nor one that a restarted tracker had to choose
//! blindly (see [`super::restart`]), nor one whose site got nothing of it (see [`super::service`]). When a lease has become free, it is offered to the best successor for
//! [`crate::Policy::failover`], because the neighbours of a dead gateway all announce within milliseconds;
//! then the next one to announce takes it.
//!
//! Extra gateways (rule 8, nobody starves) live within the same bound as the regular ones: all gateways of a
//! site together are handed at most `gateways x max_seeders` remote peers. A starving member that climbs to
//! step 2 while there is no room leaves a claim: the regular gateway gives up its spare upstream at its next
//! announce, or its lease if it makes no progress itself or is overdue. Where `max_seeders` is 1 and the
//! gateway works, the claim waits: the bound and the working gateway go first, and when it is done the site
//! has a seeder.
//!
//! In a site that may not share (`sharing: false`) every leecher is its own gateway, since no peer there may
//! serve it; the bound of rule 6, links are the gateway's, is then per peer. So it is with agents that do not
//! share (`share: never`) as long as no peer of their site could fetch for them, neither a seeder nor a
//! leecher that shares; from then on they are members, whatever happens: what they fetch is of no use to any
//! other peer. Peers that share have a moment to come (back) first.

use std::time::Duration;

use narrows_protocol::{AgentReport, Role};

use super::{reach, restart, service, upstream};
use crate::endpoint::Endpoint;
use crate::hash::{peer_name, rendezvous, site_name};
use crate::state::peer::{Class, Peer};
use crate::state::site::Supply;
use crate::state::view::View;

/// What becomes of an announcing peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It keeps its lease.
    Keep,
    /// It is given a lease.
    Grant(Lease),
    /// It is a member.
    Member,
    /// It is a member that is to come back after this, because the lease is being settled.
    Wait(Duration),
    /// As [`Verdict::Wait`], and the free lease is offered to another one for so long.
    Offer { to: Endpoint, lasting: Duration },
    /// As [`Verdict::Wait`], and it claims the next room among the site's remote peers.
    Claim,
    /// It held a lease and holds none any more.
    Retire,
    /// As [`Verdict::Retire`]: a lease by the starvation ladder has brought it nothing, and it takes a part of
    /// the link from those that fetch.
    Forgo,
    /// As [`Verdict::Retire`]: the lease was given before the tracker could know that it has lost its memory.
    Recall(Duration),
    /// As [`Verdict::Retire`], and the lease is offered to another one that can.
    GiveWay { to: Endpoint, why: Cause },
    /// It is given the lease of one whose site got nothing of it.
    Replace { fruitless: Endpoint },
    /// A newcomer that holds the lease and cannot use it is to give it back; then ask [`fill`] again.
    Reclaim { from: Endpoint },
}

/// Why a gateway gives way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// It cannot fetch, or another one claims its place.
    Unable,
    /// It alone says that it reaches no peer of any parent.
    Unreaching,
    /// It has not come on for long.
    Stuck,
    /// Its site got nothing of it.
    Fruitless,
}

/// A lease as it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lease {
    /// By the starvation ladder, or to a peer that fetches for itself alone.
    pub(crate) extra: bool,
    /// The peer says that it fetches across the WAN already.
    pub(crate) adopted: bool,
    /// A gateway that is overdue and loses its lease to this peer.
    pub(crate) instead_of: Option<Endpoint>,
}

impl Lease {
    pub(crate) const REGULAR: Lease = Lease {
        extra: false,
        adopted: false,
        instead_of: None,
    };
}

/// Settles whether an announcing peer is a gateway of its site.
pub(crate) fn settle(view: &View<'_>, report: Option<&AgentReport>) -> Verdict {
    if view.gateway().is_some() {
        renew(view)
    } else {
        elect(view, report)
    }
}

/// A gateway keeps its lease while it announces and works.
fn renew(view: &View<'_>) -> Verdict {
    let (site, peer, policy) = (view.site, view.peer, &view.cx.policy.gateways);
    let Some(gateway) = view.gateway().filter(|_| view.class.wants()) else {
        return Verdict::Retire;
    };
    let (alone, regular) = (site.is_each_alone(), !gateway.extra);
    let climbed = peer.step >= view.cx.policy.starvation.gateway_step;
    let needed = alone || climbed || (site.supply == Supply::Waiting && regular);
    if !needed || site.is_retiring(view.at) {
        return Verdict::Retire;
    }
    let fetches = gateway.adopted || !gateway.upstreams.is_empty();
    if let Some(wait) = restart::recalling(view).filter(|_| !alone && regular && !fetches) {
        return Verdict::Recall(wait);
    }
    if !alone && service::is_fruitless(view, view.at) {
        let can = |to: &Endpoint| site.leecher(*to).is_some_and(|peer| service::may_lead(view, *to, peer));
        let heir = site.heir().filter(can);
        if let Some(to) = heir.or_else(|| successor_willing(view).filter(can)) {
            return Verdict::GiveWay {
                to,
                why: Cause::Fruitless,
            };
        }
    }
    let claim = site.claim.filter(|claim| claim.until > view.now && claim.to != view.at);
    let is_stuck = peer.step >= policy.stuck_step && peer.still >= policy.stuck_still;
    if !alone && !regular && is_stuck && is_beside_another(view) {
        return Verdict::Forgo;
    }
    let blocks = claim.is_some() && peer.still >= policy.claimed_still && peer.step >= policy.claimed_step;
    let is_unreaching = !alone && regular && reach::reaches_none(view);
    if !alone && regular && (peer.fitness() == 0 || is_stuck || blocks || is_unreaching) {
        let other = claim.map(|claim| claim.to).or_else(|| successor_willing(view));
        if let Some(to) = other {
            let why = match is_stuck {
                true => Cause::Stuck,
                false if is_unreaching => Cause::Unreaching,
                false => Cause::Unable,
            };
            return Verdict::GiveWay { to, why };
        }
    }
    Verdict::Keep
}

fn elect(view: &View<'_>, report: Option<&AgentReport>) -> Verdict {
    let (site, cx) = (view.site, view.cx);
    if !view.class.wants() {
        return Verdict::Member;
    }
    if site.is_non_sharing_leecher(view.at) {
        return elect_alone(view, report);
    }
    if !site.sharing {
        return Verdict::Grant(Lease::REGULAR);
    }
    let climbed = view.peer.step >= cx.policy.starvation.gateway_step;
    if site.supply == Supply::Waiting {
        if site.regular() < cx.map.gateways(site.id).max(1) as usize {
            return fill(view, report);
        }
        if let Some(fruitless) = service::late_and_fruitless(view) {
            return Verdict::Replace { fruitless };
        }
        if let Some(from) = restart::newcomer(view).filter(|_| worked(report) && view.peer.step == 0) {
            return Verdict::Reclaim { from };
        }
        let lease = cx.policy.lease(cx.policy.intervals.gateway);
        let mut regular = site.gateways.iter().filter(|(_, gateway)| !gateway.extra);
        let overdue = regular.find(|(_, gateway)| gateway.is_overdue(lease, view.now)).map(|(at, _)| *at);
        if overdue.is_some() && climbed {
            return Verdict::Grant(Lease {
                instead_of: overdue,
                ..Lease::REGULAR
            });
        }
    }
    let in_vain = || {
        let one_address = service::is_one_address(site, view.at);
        let has_one = !one_address && site.gateways.keys().any(|at| at.ip() == view.at.ip());
        has_one || (site.in_vain.has(view.at, one_address, view.now) && is_beside_another(view))
    };
    if climbed && !is_behind_others(view) && !in_vain() {
        elect_extra(view)
    } else {
        Verdict::Member
    }
}

/// Whether another gateway of the site fetches.
fn is_beside_another(view: &View<'_>) -> bool {
    let mut others = view.site.gateways.iter().filter(|(_, other)| !other.upstreams.is_empty());
    others.any(|(at, _)| service::is_another(view.site, view.at, *at))
}

/// Whether a peer that had the lease to no avail is to wait, since others could take it.
fn is_behind_others(view: &View<'_>) -> bool {
    service::is_last_in_line(view, view.at)
        && successor_willing(view)
            .is_some_and(|to| view.site.leecher(to).is_some_and(|peer| service::may_lead(view, to, peer)))
}

fn worked(report: Option<&AgentReport>) -> bool {
    report.is_some_and(|report| report.role == Role::Gateway)
}

/// A peer that does not share fetches for itself if no peer of its site could do so for it.
fn elect_alone(view: &View<'_>, report: Option<&AgentReport>) -> Verdict {
    let (site, policy, now) = (view.site, view.cx.policy, view.now);
    if !site.is_each_alone() {
        return Verdict::Member;
    }
    let works = worked(report);
    if site.sharing && !works {
        let expected = site.expected.map_or(now, |expected| expected.until);
        let until = expected.max(site.progressed + policy.failover);
        if now < until {
            return Verdict::Wait((until - now).min(policy.intervals.min));
        }
        if let Some(wait) = restart::recalling(view) {
            return Verdict::Wait(wait);
        }
    }
    Verdict::Grant(Lease {
        extra: true,
        adopted: works,
        instead_of: None,
    })
}

/// A lease is free.
pub(crate) fn fill(view: &View<'_>, report: Option<&AgentReport>) -> Verdict {
    let (site, at, now, policy) = (view.site, view.at, view.now, view.cx.policy);
    if is_behind_others(view) {
        return Verdict::Wait(policy.intervals.min);
    }
    let expected = site.expected.filter(|expected| now < expected.until);
    if (worked(report) && site.displaced != Some(at))
        || expected.is_some_and(|expected| expected.to.is_beside(at))
    {
        return Verdict::Grant(Lease {
            adopted: true,
            ..Lease::REGULAR
        });
    }
    if let Some(expected) = expected {
        return Verdict::Wait((expected.until - now).min(policy.intervals.min));
    }
    if let Some(wait) = restart::recalling(view) {
        return Verdict::Wait(wait);
    }
    let fitness = site.leecher(at).map_or(0, Peer::fitness);
    match site.offer {
        Some(offer) if offer.to == at => return Verdict::Grant(Lease::REGULAR),
        Some(offer) if now < offer.until => return Verdict::Wait(offer.until - now),
        Some(_) if fitness > 0 => return Verdict::Grant(Lease::REGULAR),
        _ if fitness >= Peer::FITNESS_OF_AGENTS && !site.orphaned => return Verdict::Grant(Lease::REGULAR),
        _ => {}
    }
    let own = site.leecher(at).map_or(u64::MAX, |peer| peer.left);
    let margin = if site.orphaned {
        view.swarm.most_left / policy.gateways.head_start
    } else {
        u64::MAX
    };
    let best = successor(view, None, false).filter(|best| *best != at);
    let better = best.filter(|best| {
        site.leecher(*best).is_some_and(|other| {
            other.fitness() > fitness || site.displaced == Some(at) || other.left.saturating_add(margin) < own
        })
    });
    match better {
        Some(to) => Verdict::Offer {
            to,
            lasting: policy.failover,
        },
        None => Verdict::Grant(Lease::REGULAR),
    }
}

/// A starving member becomes an extra gateway if there is room among the site's remote peers.
fn elect_extra(view: &View<'_>) -> Verdict {
    if upstream::room(view) > 0 {
        Verdict::Grant(Lease {
            extra: true,
            ..Lease::REGULAR
        })
    } else {
        Verdict::Claim
    }
}

/// When a gateway that has not been in office for long is to come back: after as long as it has been, between
/// [`crate::GatewayPolicy::settle_min`] and [`crate::Policy::failover`].
pub(crate) fn settling(view: &View<'_>) -> Option<Duration> {
    let policy = view.cx.policy;
    let age = view.now.saturating_sub(view.gateway()?.since);
    let shortest = policy.gateways.settle_min.min(policy.failover);
    (age < policy.settle).then(|| age.clamp(shortest, policy.failover))
}

/// Another one that can take the lease of a gateway.
pub(crate) fn successor_willing(view: &View<'_>) -> Option<Endpoint> {
    successor(view, Some(view.at), true)
}

/// The leecher that should hold the site's lease: one of our agents before a stock client, then the one with
/// most bytes, then by rendezvous hash of (swarm, site, agent id). In large sites, among the best-supplied
/// and a sample.
pub(crate) fn successor(view: &View<'_>, not: Option<Endpoint>, willing: bool) -> Option<Endpoint> {
    let site = view.site;
    let count = site.peers.count(Class::Leecher);
    let stride = count.div_ceil(view.cx.policy.gateways.candidates).max(1);
    let sample = (0..count).step_by(stride).filter_map(|i| site.peers.at(Class::Leecher, i));
    let best = site.peers.best().and_then(|(_, at)| Some((at, site.leecher(at)?)));
    let candidates = sample.chain(best).filter(|(at, peer)| {
        Some(*at) != not && !site.gateways.contains_key(at) && (!willing || peer.fitness() > 0)
    });
    let name = site_name(site.id);
    let rank = |at: Endpoint, peer: &Peer| {
        let fitness = peer.fitness();
        let hash = rendezvous(&view.swarm.info_hash, name, peer_name(peer.agent_key(), at));
        let is_fresh = site.displaced != Some(at);
        (
            fitness > 0,
            !service::is_last_in_line(view, at),
            is_fresh,
            fitness,
            std::cmp::Reverse(peer.left),
            hash,
            at,
        )
    };
    candidates.map(|(at, peer)| rank(at, peer)).max().map(|(.., at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{Fixture, agent};
    use crate::state::site::Offer;

    const MINUTE: Duration = Duration::from_secs(60);

    fn settled(fixture: &Fixture, n: u8) -> Verdict {
        fixture.of(n, |view| settle(view, None))
    }

    #[test]
    fn the_first_leecher_gets_the_lease_whatever_others_have_and_keeps_it() {
        let mut fixture = Fixture::with_leechers(&[900, 100]);
        assert_eq!(settled(&fixture, 0), Verdict::Grant(Lease::REGULAR));
        fixture.lease(0, MINUTE);
        assert_eq!(settled(&fixture, 0), Verdict::Keep);
        assert_eq!(settled(&fixture, 1), Verdict::Member);
    }

    #[test]
    fn a_lease_that_became_free_is_offered_to_one_that_is_ahead_and_else_taken_by_the_next() {
        for (others, expected) in [
            (&[900, 100][..], Some(agent(1))),
            // not far enough ahead to wait for
            (&[900, 899][..], None),
        ] {
            let mut fixture = Fixture::with_leechers(others);
            fixture.swarm.most_left = 1000;
            fixture.site().orphaned = true;
            let lasting = Duration::from_secs(2);
            let verdict = expected.map_or(Verdict::Grant(Lease::REGULAR), |to| Verdict::Offer {
                to,
                lasting,
            });
            assert_eq!(settled(&fixture, 0), verdict, "{others:?}");
        }
    }

    #[test]
    fn while_a_lease_is_offered_others_wait_and_then_the_next_takes_it() {
        let mut fixture = Fixture::with_leechers(&[900, 100]);
        let (to, until) = (agent(1), fixture.now + Duration::from_secs(1));
        fixture.site().offer = Some(Offer { to, until });
        assert_eq!(settled(&fixture, 0), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(settled(&fixture, 1), Verdict::Grant(Lease::REGULAR));
        fixture.now = until;
        assert_eq!(settled(&fixture, 0), Verdict::Grant(Lease::REGULAR));
    }

    #[test]
    fn a_gateway_that_is_stuck_gives_way_if_there_is_another() {
        for (others, verdict) in [
            (
                &[900, 950][..],
                Verdict::GiveWay {
                    to: agent(1),
                    why: Cause::Stuck,
                },
            ),
            (&[900][..], Verdict::Keep),
        ] {
            let mut fixture = Fixture::with_leechers(others);
            fixture.lease(0, MINUTE);
            let peer = fixture.peer(0);
            (peer.step, peer.still) = (3, 3);
            assert_eq!(settled(&fixture, 0), verdict, "{others:?}");
        }
    }

    #[test]
    fn one_that_wants_nothing_any_more_retires() {
        let mut fixture = Fixture::with_leechers(&[0, 900]);
        fixture.lease(0, MINUTE);
        assert_eq!(settled(&fixture, 0), Verdict::Retire);
        assert_eq!(settled(&fixture, 1), Verdict::Member, "its site has a seeder");
    }
}
