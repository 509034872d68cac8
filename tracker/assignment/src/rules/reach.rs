//! Peers that do not answer: what agents report with `gone=`.
//!
//! A report is one agent's view: upstreams are kept from the gateway that cannot reach them, for a while, and one
//! that reaches none gives way to a neighbour. It changes what others see only as [`super::accusations`] says, of
//! a seeder of the own site that has been silent since, or where a second machine of the site says the same of a
//! parent.

use std::collections::BTreeSet;

use narrows_topology::SiteId;

use super::intervals;
use super::service::{self, SAMPLE};
use crate::endpoint::Endpoint;
use crate::state::peer::Class;
use crate::state::site::Upstream;
use crate::state::view::View;

/// What is meant by a report that a peer of the own site does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gone {
    /// Nothing that matters.
    No,
    /// A gateway that has not come back in time: that it does not answer is no old news.
    Gateway(Endpoint),
    /// A seeder that has been silent since.
    Seeder(Endpoint),
}

/// Looks at a report of a peer that misses another one of its site.
pub(crate) fn missed(reporter: &View<'_>, gone: Endpoint) -> Gone {
    let (site, now, policy) = (reporter.site, reporter.now, reporter.cx.policy);
    // of several behind one address and port, the one that counts: the gateway, else a seeder
    let weight = |key: &Endpoint| {
        let seeds = matches!(site.peers.find(*key), Some((Class::Seeder, _)));
        (site.gateways.contains_key(key), seeds)
    };
    let others = site.peers.residents(gone).filter(|gone| *gone != reporter.at);
    let Some(gone) = others.max_by_key(weight) else {
        return Gone::No;
    };
    if let Some(gateway) = site.gateways.get(&gone) {
        return if gateway.due < now {
            Gone::Gateway(gone)
        } else {
            Gone::No
        };
    }
    let Some((Class::Seeder, seeder)) = site.peers.find(gone) else {
        return Gone::No;
    };
    let announced = intervals::announced(policy, Class::Seeder, seeder.agent.is_none(), seeder.expires);
    if !reporter.class.wants() || announced + policy.reach.recent > now {
        return Gone::No;
    }
    Gone::Seeder(gone)
}

/// Parents of which a gateway reaches none of the peers that it was handed, if those were two or more, or if no
/// other peer there shares: once it is believed, they are not planned with for a while. If such a parent is gone, its gateways use nothing of what they were granted; if it is not,
/// they are granted anew within an interval, and until then a link they share with this site may be asked for
/// up to half as much again.
pub(crate) fn unreachable_parents(view: &View<'_>) -> Vec<SiteId> {
    let Some(gateway) = view.gateway() else {
        return Vec::new();
    };
    let is_lost = |parent: &SiteId| {
        let known: Vec<&Upstream> = gateway.upstreams.iter().filter(|up| up.site == *parent).collect();
        let Some(first) = known.first() else { return false };
        // several behind one address and port cannot be handed out beside each other
        let mut sharers = view.swarm.sites.get(parent).into_iter().flat_map(|parent| parent.peers.iter());
        let mut more = || sharers.any(|(class, at, _)| class.shares() && !at.is_beside(first.peer));
        known.iter().all(|up| !gateway.reaches(up.peer, view.now)) && (known.len() >= 2 || !more())
    };
    // a gateway that starved may fetch from a root site beside its parents
    let sources: BTreeSet<SiteId> = gateway.upstreams.iter().map(|up| up.site).collect();
    sources.into_iter().filter(is_lost).collect()
}

/// Whether there is no other machine at the site that could find out which parents it reaches.
pub(crate) fn is_only_voice(view: &View<'_>) -> bool {
    let voice = view.at.host();
    let mut leechers = view.site.peers.of(Class::Leecher).take(SAMPLE);
    !leechers.any(|(at, peer)| at.host() != voice && service::may_lead(view, at, peer))
}

/// Whether a gateway reaches none of its parents by its own word alone: another one is to try.
pub(crate) fn reaches_none(view: &View<'_>) -> bool {
    let Some(gateway) = view.gateway() else {
        return false;
    };
    let missed = unreachable_parents(view);
    let is_in_vain =
        |up: &Upstream| missed.contains(&up.site) && !view.swarm.avoided.contains_key(&(view.id(), up.site));
    !gateway.upstreams.is_empty() && gateway.upstreams.iter().all(is_in_vain) && !is_only_voice(view)
}
