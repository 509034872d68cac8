//! What a tracker does not know yet after a restart, if it kept nothing: for some seconds it asks those who
//! wait to come back soon, gives no lease to a newcomer while others may be on their way to tell what they
//! hold and who fetches, and gives a lease back that a newcomer could not use.

use std::time::Duration;

use narrows_topology::SiteId;

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::{Context, Time};

impl Swarm {
    /// The gateway that took the lease in the swarm's youth, without having worked before, has less than the
    /// peer at `at` and was told of nobody to fetch from. A tracker that restarted and kept nothing cannot
    /// but give the lease to whoever comes first.
    pub(super) fn newcomer(&self, cx: &Context<'_>, id: SiteId, at: Endpoint, now: Time) -> Option<Endpoint> {
        let site = self.sites.get(&id).filter(|_| self.is_young(cx, now))?;
        let left = site.wanting(at)?.left;
        let mut regular = site
            .gateways
            .iter()
            .filter(|(_, gateway)| !gateway.extra && !gateway.adopted && gateway.upstreams.is_empty());
        let newcomer = regular.find(|(key, _)| site.leecher(**key).is_some_and(|other| other.left > left));
        newcomer.map(|(key, _)| *key)
    }

    /// When to come back, while a tracker that has lost its memory waits for those who know what it was.
    pub(super) fn recalling(&self, cx: &Context<'_>, now: Time) -> Option<Duration> {
        let until = self.born.filter(|_| self.forgetful)? + cx.policy.recall;
        (now < until).then(|| (until - now).min(cx.policy.hasty))
    }

    /// Whether there may be much that the tracker has not heard of yet.
    pub(crate) fn is_young(&self, cx: &Context<'_>, now: Time) -> bool {
        self.born.is_none_or(|born| now < born + cx.policy.youth)
    }
}
