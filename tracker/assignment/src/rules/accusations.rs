//! Whether a peer is given up that others say does not answer.
//!
//! What a peer says of another one is a claim. It is acted upon where the tracker itself could not reach the
//! accused either, if it is known to reach peers of that site at all (no firewall is between); where that is
//! not known, once a peer at another address says the same. Two addresses are believed before the tracker has
//! looked, but once in a while only: one machine may have two.

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::accused::Accusation;
use crate::state::site::Site;
use crate::{Context, Time};

/// What an accusation is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// The peer is given up.
    Believed,
    /// The same, by the word of its neighbours alone.
    OnTrust,
    /// Nothing yet: the tracker is to look itself.
    Doubted,
}

/// A site in whose peers' words is looked into.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) swarm: &'a Swarm,
    pub(crate) cx: &'a Context<'a>,
    pub(crate) site: &'a Site,
    pub(crate) now: Time,
}

impl Case<'_> {
    fn open(&self, accused: Endpoint) -> Vec<Accusation> {
        self.site.accusations.against(accused).filter(|known| !known.refuted).copied().collect()
    }
}

/// Weighs what was said against a peer.
pub(crate) fn weigh(case: &Case<'_>, accused: Endpoint) -> Word {
    let policy = &case.cx.policy.reach;
    let open = case.open(accused);
    let Some(since) = open.iter().map(|accusation| accusation.since).min() else {
        return Word::Doubted;
    };
    let agree = open.len() >= policy.witnesses;
    let found = case.swarm.probes.found(accused).filter(|found| found.at >= since);
    match found.map(|found| found.reached) {
        Some(false) if agree || is_telling(case, accused, &open) => Word::Believed,
        None if agree && may_trust(case) => Word::OnTrust,
        _ => Word::Doubted,
    }
}

/// Whether the site's peers may be believed alone: not if they were a while ago.
fn may_trust(case: &Case<'_>) -> bool {
    let again = case.cx.policy.reach.trusted;
    case.site.trusted.is_none_or(|(_, when)| when + again <= case.now)
}

/// Whether it says something of a peer that the tracker could not reach it: it has reached that one before, or
/// another one of the site that does not accuse it; or one that does, where there is no other.
fn is_telling(case: &Case<'_>, accused: Endpoint, open: &[Accusation]) -> bool {
    let (site, policy) = (case.site, &case.cx.policy.reach);
    let mut reached = site.reached.iter().filter(|(_, when)| *when + policy.evidence > case.now);
    let accuses = |at: Endpoint| open.iter().any(|accusation| accusation.by.ip() == at.ip());
    match others(case, accused, open).next() {
        None => reached.next().is_some(),
        Some(_) => reached.any(|(at, _)| !accuses(*at)),
    }
}

/// Agents of the site at other addresses than the accused and those that accuse it.
fn others<'a>(
    case: &Case<'a>,
    accused: Endpoint,
    open: &'a [Accusation],
) -> impl Iterator<Item = (Endpoint, Time)> {
    let agents = case.site.peers.iter().take(case.cx.policy.gateways.candidates);
    let announced = agents.filter_map(|(_, at, peer)| {
        let seen = peer.agent.as_ref()?.second.seen;
        Some((at, seen.into_iter().max().unwrap_or_default().time()))
    });
    announced.filter(move |(at, _)| {
        at.ip() != accused.ip() && open.iter().all(|accusation| accusation.by.ip() != at.ip())
    })
}

/// Which peers the tracker is to dial: the accused, and where it is not known to reach any peer of the site,
/// some to compare it with: those that announced last.
pub(crate) fn to_dial(case: &Case<'_>, accused: Endpoint) -> Vec<Endpoint> {
    let open = case.open(accused);
    let mut dial = vec![accused];
    if open.is_empty() || is_telling(case, accused, &open) {
        return dial;
    }
    let mut others: Vec<(Endpoint, Time)> = others(case, accused, &open).collect();
    others.sort_by_key(|(at, seen)| (std::cmp::Reverse(*seen), *at));
    dial.extend(others.iter().take(CONTROLS).map(|(at, _)| *at));
    if others.is_empty() {
        dial.extend(open.first().map(|accusation| accusation.by));
    }
    dial
}

/// Peers that an accused one is compared with: one may have just gone, too.
const CONTROLS: usize = 2;
