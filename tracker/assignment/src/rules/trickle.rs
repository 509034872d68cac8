//! A gateway that brings next to nothing gives way: a lease is for fetching at about the rate that the links
//! allow.
//!
//! A gateway that gets a trickle may have slow upstreams (a full or limited uplink), or be slow itself (a bad
//! Wi-Fi, a limit of its own). The tracker cannot tell which: it tries other upstreams and another gateway in
//! turns, with waits that double, since it may as well be the link that others fill. An agent that was handed
//! a spare upstream has tried that by itself: then another gateway comes first, as where there is no other
//! upstream.

use std::collections::BTreeSet;

use narrows_topology::{Rate, SiteId};

use super::{budget, service};
use crate::state::peer::Class;
use crate::state::site::Gateway;
use crate::state::trials::Meter;
use crate::state::view::View;

/// What an announcing gateway has brought across links since it was last measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measured {
    /// Nothing is to be measured, or from now on.
    Anew(Option<Meter>),
    /// It is too soon.
    NotYet,
    /// As much as can be expected.
    Enough(Meter),
    /// A trickle. `tried`: it has tried several upstreams by itself, or there are no others.
    Trickle { meter: Meter, tried: bool },
    /// A trickle, beside another gateway of which the site gets something: the lease of the ladder only takes a
    /// part of the link.
    InVain,
}

/// Measures a gateway that says it has fetched `wan` bytes across links.
pub(crate) fn measure(view: &View<'_>, wan: u64) -> Measured {
    let policy = &view.cx.policy.trickle;
    let new = Meter { since: view.now, wan };
    let Some(gateway) = view.gateway() else {
        return Measured::NotYet;
    };
    let is_fed = has_whole_upstream(view) && budget::may_fetch(view);
    if !view.class.wants() {
        return Measured::NotYet;
    }
    let is_measured = is_fed && !view.site.is_each_alone();
    let Some(meter) = gateway.meter.filter(|_| is_measured) else {
        return Measured::Anew(is_fed.then_some(new));
    };
    let passed = view.now.saturating_sub(meter.since);
    if passed < policy.window {
        return Measured::NotYet;
    }
    let tried = gateway.upstreams.len() > 1 || !has_other_seeders(view);
    let Some(granted) = granted(view) else {
        return Measured::Enough(new);
    };
    let expected = granted.saturating_mul(passed.as_secs()) / policy.part;
    let brought = wan.saturating_sub(meter.wan);
    // the last pieces come as they may
    if brought >= expected || view.peer.left <= expected {
        Measured::Enough(new)
    } else if !gateway.extra {
        Measured::Trickle { meter: new, tried }
    } else if is_beside_one_that_serves(view) {
        Measured::InVain
    } else {
        Measured::Enough(new)
    }
}

/// Whether another gateway fetches, and no peer says that it gets nothing of it.
fn is_beside_one_that_serves(view: &View<'_>) -> bool {
    let serves = |other: &Gateway| !other.upstreams.is_empty() && other.service.doubt.is_none();
    let mut others = view.site.gateways.iter().filter(|(_, other)| serves(other));
    others.any(|(at, _)| service::is_another(view.site, view.at, *at))
}

/// What a gateway was last granted, in bytes per second; `None`: as much as it can fetch.
pub(crate) fn granted(view: &View<'_>) -> Option<u64> {
    let granted = view.used_flows().filter_map(|flow| view.cx.ledger.granted(flow.id, view.at));
    granted.reduce(Rate::saturating_add)?.bytes_per_second().filter(|rate| *rate > 0)
}

/// Whether there are seeders, where it fetches from, that it was not handed.
fn has_other_seeders(view: &View<'_>) -> bool {
    let upstreams = view.gateway().map_or(&[][..], |gateway| &gateway.upstreams);
    let sources: BTreeSet<SiteId> = upstreams.iter().map(|up| up.site).collect();
    let sites = sources.iter().filter_map(|site| view.swarm.sites.get(site));
    sites.map(|site| site.peers.count(Class::Seeder)).sum::<usize>() > upstreams.len()
}

/// Whether one of the upstreams has everything: a gateway that fetches from others waits for what they get.
fn has_whole_upstream(view: &View<'_>) -> bool {
    let mut upstreams = view.gateway().into_iter().flat_map(|gateway| &gateway.upstreams);
    upstreams.any(|up| matches!(view.find(up.site, up.peer), Some((Class::Seeder, _))))
}
