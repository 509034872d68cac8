//! What a tracker does not know yet after a restart, if it kept nothing: for some seconds it asks those who
//! wait to come back soon, gives no lease to a newcomer while others may be on their way to tell what they
//! hold and who fetches, and gives a lease back that a newcomer could not use.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::state::Swarm;
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
