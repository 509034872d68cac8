//! Rule 8: nobody starves.
//!
//! A leecher whose `left` has not moved for two announces, or that says it is stalled, climbs a step at each
//! further such announce: 1 other peers (locals; for a gateway, upstreams), 2 a gateway of its own, 3 the
//! seeders of a root site. At progress it goes one step back; an extra gateway does so when most of the
//! progress came from its own site, since otherwise it would starve again without its upstream.
//!
//! Nobody is blamed for what is not his: a gateway whose link is paused or braked, or whose upstreams hold no
//! more than itself, a member in a site where nobody holds more than itself and the gateway is in office.

use narrows_protocol::AgentReport;
use narrows_topology::SiteId;

use super::intervals;
use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::peer::{Class, Peer, Tick};
use crate::state::site::Standing;
use crate::{Context, Outcome, Time};

/// The last step.
const TOP: u8 = 3;

impl Swarm {
    /// Compares a leecher with what it was at its last announce.
    pub(crate) fn judge(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        left_before: u64,
        report: Option<&AgentReport>,
        now: Time,
        outcome: &mut Outcome,
    ) {
        let tick = Tick::of(now);
        let excused = self.is_excused(cx, id, at, now);
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        let alone = site.is_each_alone();
        let extra = site.gateways.get(&at).is_some_and(|gateway| gateway.extra && !alone);
        let Some(peer) = site.peers.find_mut(at) else {
            return;
        };
        let stalled = report.is_some_and(|report| report.stalled);
        let moved = peer.left < left_before;
        let step_before = peer.step;
        if moved {
            let wan = report.map_or(0, |report| report.wan);
            let agent = peer.agent.as_mut();
            let fetched = agent.map_or(0, |agent| {
                wan.saturating_sub(std::mem::replace(&mut agent.wan, wan))
            });
            // what was received is verified later, so the two are compared with a wide margin
            let locally = (left_before - peer.left) / 2 > fetched;
            peer.still = 0;
            peer.judged = tick;
            if peer.step > 0 && (!extra || peer.step > 2 || locally) {
                peer.step -= 1;
            }
        } else if tick.time() >= peer.judged.time() + cx.policy.intervals.min.mul_f64(0.8) {
            peer.judged = tick;
            peer.still = peer.still.saturating_add(1);
            if excused {
                peer.still = peer.still.min(1);
            } else if peer.still >= 2 || stalled {
                outcome.escalated = peer.step < TOP;
                peer.step = (peer.step + 1).min(TOP);
            }
        }
        outcome.step = peer.step;
        let (step, still, left) = (peer.step, peer.still, peer.left);
        site.peers.climbed(step_before, step);
        if let Some(gateway) = site.gateways.get_mut(&at) {
            gateway.from_root = step == TOP || (gateway.from_root && step > 0);
            self.judge_parents(cx, (id, at), left, now);
        }
        if still >= 1 && self.root.is_none() && self.forest.is_empty() && !self.assume_data {
            self.assume_if_nobody(id);
        }
    }

    /// Somebody waits, and by their numbers nobody holds anything. Then the numbers may be wrong (clients
    /// that resume with equal parts of a content whose size is unknown), so everybody may fetch from
    /// everybody.
    fn assume_if_nobody(&mut self, id: SiteId) {
        let waits = self.sites.get(&id).is_some_and(|site| site.standing == Standing::Waiting);
        let seeded = || self.sites.values().any(|site| site.peers.count(Class::Seeder) > 0);
        if waits && !self.knows_size() && !seeded() {
            self.assume_data = true;
            self.replan = true;
        }
    }

    /// Whether a leecher could not have come on, or somebody else is responsible.
    fn is_excused(&self, cx: &Context<'_>, id: SiteId, at: Endpoint, now: Time) -> bool {
        let Some(site) = self.sites.get(&id) else {
            return true;
        };
        let Some(peer) = site.wanting(at) else { return true };
        if let Some(gateway) = site.gateways.get(&at) {
            let more = gateway.upstreams.iter().any(|up| {
                let found = self.sites.get(&up.site).and_then(|site| site.peers.find(up.peer));
                // a record that says nothing may hold anything
                found.is_some_and(|(class, other)| {
                    class == Class::Seeder || (class.shares() && has_more(other, peer))
                })
            });
            return !more || !self.may_fetch(cx, id, at);
        }
        if site.standing == Standing::Supplied || site.peers.best().is_some_and(|(best, _)| best < peer.left)
        {
            return false;
        }
        let lease = intervals::lease(cx.policy.intervals.gateway);
        !site.gateways.values().any(|gateway| gateway.is_overdue(lease, now))
    }
}

fn has_more(other: &Peer, than: &Peer) -> bool {
    other.left < than.left || (other.left == u64::MAX && than.left == u64::MAX)
}
