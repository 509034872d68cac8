//! What a tracker does not know yet after a restart, if it kept nothing: for some seconds it asks those who
//! wait to come back soon, gives no lease to a newcomer while others may be on their way to tell what they
//! hold and who fetches, and gives a lease back that a newcomer could not use.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::site::Gateway;
use crate::state::view::View;
use crate::{Policy, Time};

/// The gateway that took the lease in the swarm's youth, without having worked before, has less than the peer
/// and was handed no peer to fetch from. A tracker that restarted and kept nothing cannot but give the lease
/// to the first that comes.
pub(crate) fn newcomer(view: &View<'_>) -> Option<Endpoint> {
    let site = view.site;
    if !is_young(view.swarm, view.cx.policy, view.now) || !view.class.wants() {
        return None;
    }
    let mut blind = site
        .gateways
        .iter()
        .filter(|(_, gateway)| !gateway.extra && !gateway.adopted && gateway.upstreams.is_empty());
    let newcomer = blind.find(|(at, _)| site.leecher(**at).is_some_and(|other| other.left > view.peer.left));
    newcomer.map(|(at, _)| *at)
}

/// Whether a gateway of a tracker that has restarted has its lease by its own word, or by what was before, and no peer
/// came on by it since.
pub(crate) fn is_unproven(swarm: &Swarm, lease: &Gateway) -> bool {
    lease.adopted && (swarm.restored || swarm.forgetful) && lease.service.served <= lease.since
}

/// Whether the word of a peer that it fetches across links already is worth a lease: where nothing was kept of the time
/// before, and until others could have said what they know.
pub(crate) fn may_adopt(view: &View<'_>) -> bool {
    !view.swarm.restored || view.site.released.is_some_and(|before| before.at == view.at)
}

/// Whether a peer said that it works, and another address says so too.
pub(crate) fn is_spoken_for(view: &View<'_>, works: bool) -> bool {
    let spoken_for = &view.site.spoken_for;
    (works || spoken_for.is_claimant(view.at))
        && spoken_for.voices(view.at, view.at) > 0
        && is_young(view.swarm, view.cx.policy, view.now)
}

/// Whether a peer that says that it works finds another in its place that no peer has come on by yet: others may say
/// soon which one they are served by.
pub(crate) fn is_contested(view: &View<'_>) -> bool {
    let mut regular = view.site.gateways.values().filter(|lease| !lease.extra);
    is_young(view.swarm, view.cx.policy, view.now) && regular.any(|lease| is_unproven(view.swarm, lease))
}

/// Whether what the site got since `before` proves nothing of a gateway that has its lease by its word: it may have gone
/// round from before, or two say that they work.
pub(crate) fn is_disputed(view: &View<'_>, lease: &Gateway, before: Time) -> bool {
    let policy = view.cx.policy;
    let is_claimed = view.site.spoken_for.has_claimants() && is_young(view.swarm, policy, view.now);
    is_unproven(view.swarm, lease) && (is_claimed || before < lease.since + policy.recall)
}

/// A gateway that has its lease by its own word, of which no peer has come on since, and for which fewer addresses speak
/// than for the announcing peer, which said that it works too. It holds its upstreams until it comes back, or is late.
pub(crate) fn outspoken(view: &View<'_>, works: bool) -> Option<Endpoint> {
    let (site, at) = (view.site, view.at);
    if !(works || site.spoken_for.is_claimant(at)) {
        return None;
    }
    let late = view.cx.policy.reach.probe_again;
    let is_free = |lease: &Gateway| lease.upstreams.is_empty() || lease.due + late < view.now;
    let mut free = site.gateways.iter().filter(|(_, lease)| !lease.extra && is_free(lease));
    free.find(|(other, lease)| is_outspoken(view, (**other, lease), at)).map(|(other, _)| *other)
}

/// A peer that is to have the lease of the announcing gateway for the same reason.
pub(crate) fn outspoken_by(view: &View<'_>) -> Option<Endpoint> {
    let lease = view.gateway().filter(|lease| !lease.extra)?;
    let mut claimants = view.site.spoken_for.claimants();
    claimants.find(|at| view.site.leecher(*at).is_some() && is_outspoken(view, (view.at, lease), *at))
}

fn is_outspoken(view: &View<'_>, (gateway, lease): (Endpoint, &Gateway), by: Endpoint) -> bool {
    let spoken_for = &view.site.spoken_for;
    is_unproven(view.swarm, lease)
        && is_young(view.swarm, view.cx.policy, view.now)
        && spoken_for.voices(by, gateway) > spoken_for.voices(gateway, by)
}

/// When to come back, while a tracker that has lost its memory waits for those who know what it was.
pub(crate) fn recalling(view: &View<'_>) -> Option<Duration> {
    let policy = view.cx.policy;
    let until = view.swarm.born.filter(|_| view.swarm.forgetful)? + policy.recall;
    (view.now < until).then(|| (until - view.now).min(policy.hasty))
}

/// Whether there may be much that the tracker has not heard of yet.
pub(crate) fn is_young(swarm: &Swarm, policy: &Policy, now: Time) -> bool {
    swarm.born.is_none_or(|born| now < born + policy.youth)
}
