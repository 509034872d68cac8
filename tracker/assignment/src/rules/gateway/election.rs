//! Whether a peer that holds no lease is given one.

use narrows_protocol::{AgentReport, Role};

use super::successor::{successor, successor_willing};
use super::verdict::{Lease, Verdict};
use crate::endpoint::Endpoint;
use crate::rules::{restart, service, upstream};
use crate::state::bars::Line;
use crate::state::peer::Peer;
use crate::state::site::Supply;
use crate::state::view::View;

pub(super) fn elect(view: &View<'_>, report: Option<&AgentReport>) -> Verdict {
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
        if let Some(from) = restart::outspoken(view, worked(report)) {
            return Verdict::Reclaim { from };
        }
        if let Some(from) = restart::newcomer(view).filter(|_| worked(report) && view.peer.step == 0) {
            return Verdict::Reclaim { from };
        }
        if restart::is_contested(view) && (worked(report) || site.spoken_for.is_claimant(view.at)) {
            return Verdict::Contest(cx.policy.hasty);
        }
        let lease = cx.policy.lease(cx.policy.intervals.gateway);
        let mut regular = site.gateways.iter().filter(|(_, gateway)| !gateway.extra);
        let overdue = regular.find(|(at, gateway)| {
            gateway.is_overdue(lease, view.now) || service::is_absent(view, **at, gateway)
        });
        let overdue = overdue.map(|(at, _)| *at);
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
        let is_last = || site.in_vain.line(site.who(view.at), one_address, view.now) == Line::Last;
        has_one || (is_last() && is_beside_another(view))
    };
    if climbed && !is_behind_others(view) && !in_vain() {
        elect_extra(view)
    } else {
        Verdict::Member
    }
}

/// The gateway of the ladder that is to be a regular one from now on: its site was taken to be supplied, and waits.
pub(crate) fn promoted(view: &View<'_>) -> Option<Endpoint> {
    let (site, cx) = (view.site, view.cx);
    if site.supply != Supply::Waiting || site.is_each_alone() {
        return None;
    }
    let is_short = || site.regular() < cx.map.gateways(site.id).max(1) as usize;
    let lease = cx.policy.lease(cx.policy.intervals.gateway);
    site.heir().filter(|_| is_short()).filter(|heir| {
        let works = site
            .gateways
            .get(heir)
            .is_some_and(|gateway| !gateway.upstreams.is_empty() && !gateway.is_overdue(lease, view.now));
        works && site.leecher(*heir).is_some_and(|peer| service::may_lead(view, *heir, peer))
    })
}

/// Whether another gateway of the site fetches.
pub(super) fn is_beside_another(view: &View<'_>) -> bool {
    let mut others = view.site.gateways.iter().filter(|(_, other)| !other.upstreams.is_empty());
    others.any(|(at, _)| service::is_another(view.site, view.at, *at))
}

/// Whether a peer that had the lease to no avail is to wait, since others could take it.
fn is_behind_others(view: &View<'_>) -> bool {
    let own = service::line(view, view.at);
    let is_before = |to: Endpoint| {
        let can = |peer: &Peer| peer.fitness() >= Peer::FITNESS_OF_AGENTS && service::line(view, to) < own;
        view.site.leecher(to).is_some_and(can)
    };
    own > Line::Front && successor_willing(view).is_some_and(is_before)
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
    let works = worked(report);
    let is_known = (works && restart::may_adopt(view)) || restart::is_spoken_for(view, works);
    if (is_known && site.displaced != Some(at)) || expected.is_some_and(|expected| expected.to.is_beside(at))
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
