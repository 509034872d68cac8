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
//! A site that is found to be supplied in name only may have an extra gateway that fetches, and no regular one. That
//! one becomes regular: another would find no room, and hold up the pieces that fall to it.
//!
//! In a site that may not share (`sharing: false`) every leecher is its own gateway, since no peer there may
//! serve it; the bound of rule 6, links are the gateway's, is then per peer. So it is with agents that do not
//! share (`share: never`) as long as no peer of their site could fetch for them, neither a seeder nor a
//! leecher that shares; from then on they are members, whatever happens: what they fetch is of no use to any
//! other peer. Peers that share have a moment to come (back) first.

mod election;
mod successor;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::Duration;

use narrows_protocol::AgentReport;

use super::{reach, restart, service, upstream};
use crate::endpoint::Endpoint;
use crate::state::site::Supply;
use crate::state::view::View;
pub(crate) use election::fill;
pub(crate) use election::promoted;
use election::{elect, is_beside_another};
pub(crate) use successor::{successor, successor_willing};
pub(crate) use verdict::{Cause, Lease, Verdict};

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
    if let Some(to) = restart::outspoken_by(view) {
        return Verdict::GiveWay {
            to,
            why: Cause::Unable,
        };
    }
    let claim = site.claim.filter(|claim| claim.until > view.now && claim.to != view.at);
    let is_stuck = peer.step >= policy.stuck_step
        && peer.still >= policy.stuck_still
        && upstream::has_tried_root(view, gateway);
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

/// When a gateway that has not been in office for long is to come back: after as long as it has been, between
/// [`crate::GatewayPolicy::settle_min`] and [`crate::Policy::failover`].
pub(crate) fn settling(view: &View<'_>) -> Option<Duration> {
    let policy = view.cx.policy;
    let age = view.now.saturating_sub(view.gateway()?.since);
    let shortest = policy.gateways.settle_min.min(policy.failover);
    (age < policy.settle).then(|| age.clamp(shortest, policy.failover))
}
