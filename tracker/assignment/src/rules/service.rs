//! Rule 4, gateways: a gateway is judged by what its site got, not by what it says of itself.
//!
//! What the other peers of its site, at other addresses, announce is the measure: as long as one of them comes
//! on, the lease is well used. Where all that come back say that they got nothing, although the gateway could
//! fetch what they lack, for about a lease (longer where the link needs longer for some pieces), it gives way
//! to another agent at its next announce, or when it is late for that, and its address is last in line for
//! minutes. So a gateway that takes a lease and brings nothing costs a site one term, whatever it says.
//!
//! One that says of those that it could fetch from that they do not answer has the same term: another machine may
//! reach them. It is named only if one did, beside it or at once after it.
//!
//! Beside a gateway of the starvation ladder (rule 8, nobody starves) it is open which of the two brought what
//! the site gets. If none had got anything of the regular one by then, it counts for the other: the regular one
//! has the least share of the links, gives way to it, and the site is tried without. If the others come on, it was of no use, and is last in line
//! as above; else the one of the ladder is, and the regular one has lost a term.

use std::time::Duration;

use narrows_topology::Rate;

use super::brought::Brought;
use super::{budget, restart};
use crate::Time;
use crate::endpoint::Endpoint;
use crate::state::bars::Line;
use crate::state::peer::{Class, Peer, Tick};
use crate::state::service::{Doubt, Doubters, Service, Suspect, Suspicion, speaks_for_itself};
use crate::state::site::{Flow, Gateway, Site};
use crate::state::view::View;

/// What a peer's announce says of a gateway of its site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// Nothing: it is that gateway, or may be.
    Nothing,
    /// The site came on, or could not have.
    Served,
    /// It came on by what may have been there before the gateway took office.
    Moved,
    /// The peer got nothing since its announce at that time. `excused`: by the gateway's word, it does not reach
    /// those that have more.
    Still { since: Time, excused: bool },
    /// The peer came on by another gateway, which therefore reaches what this one could have fetched.
    Outdone,
}

/// What a peer says of a gateway that lacked `left_before` at its last announce and was then last looked at.
/// `brought`: what it had from this one, where there are several.
pub(crate) fn said(
    view: &View<'_>,
    (gateway, brought): (Endpoint, Option<Brought>),
    left_before: u64,
    before: Time,
) -> Said {
    let Some(lease) = view.site.gateways.get(&gateway) else {
        return Said::Nothing;
    };
    let is_beside = view.at.ip() == gateway.ip();
    // behind a NAT, machines are told apart by their keys, which stock clients may not have
    let is_it = is_beside && !(view.is_agent() && is_one_address(view.site, gateway));
    if view.at == gateway || is_it {
        return Said::Nothing;
    }
    let is_others = match brought {
        Some(Brought::Of { growth: 1.., .. }) if lease.account.is_short => return Said::Nothing,
        Some(Brought::Of { growth: 1.., .. }) => return Said::Served,
        Some(Brought::Of { elsewhere, .. }) => elsewhere,
        Some(Brought::OfOthers) => return Said::Nothing,
        Some(Brought::Unattributed(_)) | None => false,
    };
    if view.peer.left < left_before && !is_others {
        if matches!(brought, Some(Brought::Of { .. })) {
            return Said::Nothing;
        }
        if restart::is_disputed(view, lease, before) {
            return Said::Moved;
        }
        return match is_anothers(view, gateway, lease, before) {
            true => Said::Outdone,
            false => Said::Served,
        };
    }
    let could_have = could_have(view, gateway);
    match could_have || could_have_but_for_its_word(view, lease) {
        // which says nothing of one that has its lease by its word
        false if restart::is_unproven(view.swarm, lease) => Said::Nothing,
        false => Said::Served,
        // what it got before the gateway took office, or was last of use, is not the gateway's
        true if view.now >= before.max(lease.service.served) + view.cx.policy.patience() => Said::Still {
            since: before.max(lease.service.served),
            excused: !could_have,
        },
        true => Said::Nothing,
    }
}

/// Whether what a peer got since `before` counts for a gateway of the ladder: all that were heard before it took
/// office said that they got nothing of this one; and it was in office by `before`, or this one had had the time
/// to bring something until then.
fn is_anothers(view: &View<'_>, gateway: Endpoint, lease: &Gateway, before: Time) -> bool {
    // `before` is a moment in tenths of a second
    let in_office = |other: &Gateway| Tick::of(other.since).time() <= before;
    let had_time = |other: &Gateway| has_begun(view, gateway, lease, other.since);
    beside(view.site, gateway, lease).any(|other| in_office(other) || had_time(other))
}

/// Gateways of the ladder that took office beside a regular one when all that were heard said that they had got
/// nothing of it.
fn beside<'a>(site: &'a Site, gateway: Endpoint, lease: &'a Gateway) -> impl Iterator<Item = &'a Gateway> {
    let doubt = lease.service.doubt.filter(|doubt| !lease.extra && is_grave(site, gateway, *doubt));
    let others = site.gateways.iter().filter(move |(at, other)| {
        let fetches = other.extra && is_another(site, gateway, **at) && !other.upstreams.is_empty();
        fetches && doubt.is_some_and(|doubt| doubt.since <= other.since)
    });
    others.map(|(_, other)| other)
}

/// Whether a gateway that others doubt has had the time to bring its first pieces.
pub(crate) fn has_failed(view: &View<'_>, gateway: Endpoint, lease: &Gateway) -> bool {
    !lease.extra && has_begun(view, gateway, lease, view.now)
}

/// As [`has_failed`], and all others that were heard say so, or two machines.
pub(crate) fn has_failed_all(view: &View<'_>, gateway: Endpoint, lease: &Gateway) -> bool {
    has_failed(view, gateway, lease)
        && lease.service.doubt.is_some_and(|doubt| is_grave(view.site, gateway, doubt))
}

/// Whether a gateway that others doubt had had the time, by then, to bring its first pieces.
fn has_begun(view: &View<'_>, gateway: Endpoint, lease: &Gateway, by: Time) -> bool {
    let least = view.cx.policy.patience() * 2;
    lease.service.doubt.is_some_and(|doubt| doubt.since + needed(view, gateway).max(least) <= by)
}

/// Into how many parts the share of a flow is divided, of which a gateway is granted one: one that is to be
/// replaced by another beside it gets the least.
pub(crate) fn sharers(view: &View<'_>, flow: &Flow) -> u32 {
    let is_set_aside = |(at, lease): (&Endpoint, &Gateway)| {
        let uses = lease.upstreams.iter().any(|up| up.site == flow.source);
        // the site has come on since the other is in office, and does so
        let serves = |other: &Gateway| other.service.served > other.since && other.service.doubt.is_none();
        let replaces = |other: &Gateway| serves(other) && has_begun(view, *at, lease, other.since);
        let is_replaced = || beside(view.site, *at, lease).any(replaces);
        let is_outdone = || is_outdone(view, *at, lease) && has_begun(view, *at, lease, view.now);
        uses && (is_replaced() || is_outdone())
    };
    let aside = view.site.gateways.iter().filter(|gateway| is_set_aside(*gateway)).count();
    let aside = u32::try_from(aside).unwrap_or(u32::MAX);
    match view.gateway().is_some_and(|lease| is_set_aside((&view.at, lease))) {
        true => flow.users.saturating_mul(view.cx.policy.gateways.least_share),
        false => flow.users.saturating_sub(aside).max(1),
    }
}

/// Whether others had nothing of one of several regular gateways, and something of another.
fn is_outdone(view: &View<'_>, gateway: Endpoint, lease: &Gateway) -> bool {
    let site = view.site;
    let is_doubted = |doubt: Doubt| is_grave(site, gateway, doubt) && site.regular() > 1;
    let serves = |(at, other): (&Endpoint, &Gateway)| {
        let is_regular = !other.extra && is_another(site, gateway, *at) && !other.upstreams.is_empty();
        is_regular && other.service.served > other.since && other.service.doubt.is_none()
    };
    !lease.extra && lease.service.doubt.is_some_and(is_doubted) && site.gateways.iter().any(serves)
}

/// Whether more than one machine doubts a gateway, or the only other one that there is.
fn is_grave(site: &Site, gateway: Endpoint, doubt: Doubt) -> bool {
    match doubt.by {
        Doubters::Several => true,
        Doubters::One(by) => {
            let one_address = is_one_address(site, gateway);
            let mut others = site.peers.of(Class::Leecher).take(SAMPLE).map(|(at, _)| at);
            !others.any(|at| is_another(site, gateway, at) && speaks_for_itself(by, at, one_address))
        }
    }
}

/// Whether the site comes on without a suspect by what the announcing peer says, which was last looked at
/// `before`: what the suspect had brought has gone round by then.
pub(crate) fn is_dispensable(view: &View<'_>, suspect: Suspect, left_before: u64, before: Time) -> bool {
    let policy = view.cx.policy;
    let settled = match suspect.because {
        // it had nothing that could go round
        Suspicion::ItsWord => Time::ZERO,
        _ => suspect.since + policy.lease(policy.intervals.gateway) / 2,
    };
    let is_it = |at: Endpoint| !is_another(view.site, suspect.at, at);
    // that a gateway comes on says little if there are others
    let is_member = |at: Endpoint| !is_it(at) && !view.site.gateways.contains_key(&at);
    let mut members = view.site.peers.of(Class::Leecher).take(SAMPLE).map(|(at, _)| at);
    view.peer.left < left_before
        && before >= settled
        && (is_member(view.at) || (!is_it(view.at) && !members.any(is_member)))
}

/// Whether a gateway could have fetched something that the peer lacks: from its upstreams, or from others at their
/// sites, which it is handed once it says that it does not come on.
fn could_have(view: &View<'_>, gateway: Endpoint) -> bool {
    let Ok(its) = view.swarm.view(view.cx, (view.id(), gateway), view.now) else {
        return false;
    };
    let mut upstreams = its.gateway().into_iter().flat_map(|lease| &lease.upstreams);
    let has_more = upstreams.any(|up| {
        let is_there = view.find(up.site, up.peer).is_some();
        let source = view.swarm.sites.get(&up.site).filter(|source| is_there && source.sharing);
        source.is_some_and(|source| {
            let best = source.peers.best().map(|(left, _)| left);
            source.peers.count(Class::Seeder) > 0 || best.is_some_and(|left| left < view.peer.left)
        })
    });
    has_more && budget::may_fetch(&its)
}

/// Whether a gateway would have something to fetch for the peer, if it were not that it says of those that have
/// it that they do not answer.
fn could_have_but_for_its_word(view: &View<'_>, lease: &Gateway) -> bool {
    let (cx, id) = (view.cx, view.id());
    let mut missed = lease.unreachable.iter().filter(|missed| missed.until > view.now);
    missed.any(|missed| {
        let Some(source) = cx.map.locate(missed.to.ip()) else {
            return false;
        };
        let has_more = view.find(source, missed.to).is_some_and(|(class, other)| {
            class == Class::Seeder || (class.shares() && other.left < view.peer.left)
        });
        has_more
            && cx.map.path(source, id).is_some_and(|route| {
                let brakes = cx.ledger.brakes();
                cx.links().rate_along(&route) > Rate::ZERO
                    && !brakes.stop(cx.map, &view.swarm.info_hash, (source, id), &route)
            })
    })
}

/// Whether all peers of a site that want something are at the address of its gateway, as behind a NAT.
pub(crate) fn is_one_address(site: &Site, gateway: Endpoint) -> bool {
    site.peers.of(Class::Leecher).take(SAMPLE).all(|(at, _)| at.ip() == gateway.ip())
}

/// Whether two peers of a site are two machines: they are at two addresses, or the site has but one, and as two
/// records are as good as two machines then.
pub(crate) fn is_another(site: &Site, one: Endpoint, other: Endpoint) -> bool {
    one.ip() != other.ip() || (one != other && is_one_address(site, one))
}

/// Peers of a site that are looked at for what machines there are.
pub(crate) const SAMPLE: usize = 64;

/// What a peer that takes the lease inherits of what the site got, if its address has just had it: it may have
/// come back as another client. One that was there already beside it, and is not barred with it, begins anew.
pub(crate) fn inherited(view: &View<'_>) -> Option<Service> {
    let lease = view.cx.policy.lease(view.cx.policy.intervals.gateway);
    let before = view.site.released.filter(|before| before.at.ip() == view.at.ip())?;
    let was_beside = || {
        let agent = view.peer.agent.as_ref();
        agent.is_some_and(|agent| agent.since.time() < before.renewed) && line(view, view.at) < Line::Last
    };
    let is_it = before.at == view.at || !(is_one_address(view.site, view.at) || was_beside());
    (is_it && view.now < before.renewed + lease).then_some(before.service)
}

/// Whether the site got nothing of a gateway in its term, by what others there say.
pub(crate) fn is_fruitless(view: &View<'_>, gateway: Endpoint) -> bool {
    let Some(lease) = view.site.gateways.get(&gateway).filter(|lease| !lease.extra) else {
        return false;
    };
    let is_one_of_several = view.site.regular() > 1;
    if is_one_of_several && lease.account.is_short {
        return true;
    }
    let is_heard = |doubt: &Doubt| !is_one_of_several || is_grave(view.site, gateway, *doubt);
    let Some(doubt) = lease.service.doubt.filter(is_heard) else {
        return false;
    };
    let term = match restart::is_unproven(view.swarm, lease) {
        true => term(view, gateway).min(needed(view, gateway).max(view.cx.policy.recall)),
        false => term(view, gateway),
    };
    lease.service.served + term <= view.now && doubt.since + term / 2 <= view.now
}

/// A gateway of which the site got nothing, and which is late, so that the announcing peer takes its lease. One
/// that is not late gives it up when it comes: until then it holds its upstreams.
pub(crate) fn late_and_fruitless(view: &View<'_>) -> Option<Endpoint> {
    if view.peer.still == 0 || !may_lead(view, view.at, view.peer) {
        return None;
    }
    let late = view.cx.policy.reach.probe_again;
    let mut late = view.site.gateways.iter().filter(|(_, lease)| lease.due + late < view.now);
    let fruitless = late.find(|(at, _)| **at != view.at && is_fruitless(view, **at));
    fruitless.map(|(at, _)| *at)
}

/// Where a peer that could take the lease stands in line: behind others, if it had it to no avail.
pub(crate) fn line(view: &View<'_>, at: Endpoint) -> Line {
    let site = view.site;
    let suspect = site.suspect.filter(|suspect| view.now < suspect.until);
    let policy = view.cx.policy;
    // one that others had nothing of, and that left the lease, or whose record gave way to another of its machine
    let left = site.released.filter(|before| {
        let until = before.renewed + policy.gateways.barred.first;
        before.service.doubt.is_some() && before.at.ip() == at.ip() && view.now < until
    });
    if site.bars.is_empty() && suspect.is_none() && left.is_none() {
        return Line::Front;
    }
    let one_address = is_one_address(site, at);
    let beside = if left.is_some() && !one_address {
        Line::BesideBarred
    } else {
        Line::Front
    };
    let is_suspect = suspect.is_some_and(|suspect| match one_address {
        true => suspect.at == at,
        false => suspect.at.ip() == at.ip(),
    });
    match is_suspect {
        true => Line::Last,
        false => site.bars.line(site.who(at), one_address, view.now).max(beside),
    }
}

/// Whether a gateway does not come when it should, and others had nothing of it since it took office: one that
/// starves need not wait for its lease to end.
pub(crate) fn is_absent(view: &View<'_>, gateway: Endpoint, lease: &Gateway) -> bool {
    let late = view.cx.policy.reach.probe_again;
    lease.due + late < view.now && lease.service.served <= lease.since && has_failed_all(view, gateway, lease)
}

/// For how long what one of several gateways says that it fetched is gathered, until it is held beside what others
/// had from it; `None`: it is no such one.
pub(crate) fn account_term(view: &View<'_>) -> Option<Duration> {
    let is_one_of_several = view.site.regular() > 1 && view.gateway().is_some_and(|lease| !lease.extra);
    is_one_of_several.then(|| term(view, view.at))
}

/// How long a gateway may bring nothing: a lease, or what it needs for some pieces.
fn term(view: &View<'_>, gateway: Endpoint) -> Duration {
    let policy = view.cx.policy;
    let least = policy.lease(policy.intervals.gateway);
    needed(view, gateway).clamp(least, policy.gateways.term_most)
}

/// What a gateway needs for some pieces at the rate that its site has: it may be granted less since it brings
/// nothing.
fn needed(view: &View<'_>, gateway: Endpoint) -> Duration {
    let (cx, policy) = (view.cx, &view.cx.policy.gateways);
    let size = view.swarm.size().unwrap_or(0);
    let some = (size / policy.term_part).max(size.min(policy.term_least));
    let shares = view.site.used_flows(gateway).map(|flow| cx.ledger.share(&cx.links(), flow.id));
    let rate = shares.reduce(Rate::saturating_add).and_then(Rate::bytes_per_second);
    match rate {
        Some(rate) if rate > 0 => Duration::from_secs(some / rate),
        _ => Duration::ZERO,
    }
}

/// Whether others at a site say that they get nothing of its gateway: they and it are to come back soon.
pub(crate) fn is_in_doubt(view: &View<'_>) -> bool {
    let in_doubt = |lease: &Gateway| !lease.extra && lease.service.doubt.is_some();
    match view.gateway() {
        Some(lease) => in_doubt(lease),
        None => view.peer.still > 0 && view.site.gateways.values().any(in_doubt),
    }
}

/// Whether a peer of a site can take its lease and is not last in line.
pub(crate) fn may_lead(view: &View<'_>, at: Endpoint, peer: &Peer) -> bool {
    peer.fitness() >= Peer::FITNESS_OF_AGENTS && line(view, at) < Line::Last
}
