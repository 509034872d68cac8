//! One active upstream and one idle spare.

use super::Swarm;
use super::peer::Peer;
use crate::policy::class::Relation;
use crate::{Action, CloseReason, PeerKey, Time};

/// How long an upstream may take to unchoke us before another gets its chance.
const UNCHOKE: Time = Time::from_secs(12);
/// How long others go before an upstream that disappointed.
const DISAPPOINTED: Time = Time::from_secs(30);
/// How long blocks on their way may take when an upstream must be left.
const GRACE: Time = Time::from_secs(1);

impl Swarm {
    /// Chooses the upstream to ask: the present one unless it is gone, chokes, is silent or has nothing for us while
    /// another has.
    pub(super) fn choose_upstream(&mut self, now: Time, out: &mut Vec<Action>) {
        if !self.is_fetching_wan() {
            if let Some(old) = self.active.take() {
                self.update_interest(old, out);
            }
            return;
        }
        let is_spare = |(key, peer): &(&PeerKey, &Peer)| {
            peer.relation == Relation::Upstream && peer.leaving.is_none() && Some(**key) != self.active
        };
        let spares: Vec<PeerKey> = self.peers.iter().filter(is_spare).map(|(key, _)| *key).collect();
        if spares.is_empty() {
            return;
        }
        let best = spares.into_iter().max_by_key(|key| {
            let peer = &self.peers[key];
            let work = self.picker.upstream_has_work(&peer.has);
            (now >= peer.bad_until, work, std::cmp::Reverse(*key))
        });
        let Some(best) = best else { return };
        if self.should_switch(best, now) {
            self.switch(best, now, out);
        }
    }

    fn should_switch(&mut self, best: PeerKey, now: Time) -> bool {
        let (Some(spare), Some(active)) = (
            self.peers.get(&best),
            self.active.and_then(|key| self.peers.get(&key)),
        ) else {
            return true;
        };
        if now < spare.bad_until {
            return false;
        }
        let choked = active
            .choking
            .is_some_and(|since| since > active.active_since || now >= active.active_since + UNCHOKE);
        let (idle, nothing) = (
            active.asked.is_empty(),
            !self.picker.upstream_has_work(&active.has),
        );
        let offers = self.picker.upstream_has_work(&spare.has);
        choked || active.snubbed.is_some() || now < active.bad_until || (idle && nothing && offers)
    }

    fn switch(&mut self, to: PeerKey, now: Time, out: &mut Vec<Action>) {
        if let Some(old) = self.active.replace(to) {
            if let Some(peer) = self.peers.get_mut(&old) {
                let failed = peer.choking.is_some() || peer.snubbed.is_some();
                if failed {
                    peer.bad_until = now + DISAPPOINTED;
                }
            }
            self.abandon(old, out);
            self.update_interest(old, out);
        }
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.active_since = now;
        }
        self.update_interest(to, out);
        self.fill(to, now, out);
    }

    /// Leaves upstreams that are not ours any more: at once, or when what is on its way completes its pieces within
    /// a second.
    pub(super) fn leave_upstreams(&mut self, now: Time, out: &mut Vec<Action>) {
        let gone = |peer: &Peer| {
            peer.relation == Relation::Upstream
                && peer.leaving.is_none()
                && !self.duty.upstreams.contains(&peer.addr)
        };
        let gone: Vec<PeerKey> = self
            .peers
            .iter()
            .filter(|(_, p)| gone(p))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            let soon = peer.asked_bytes > 0 && peer.open.is_empty() && peer.asked_bytes <= peer.down.rate();
            if soon {
                peer.leaving = Some(now + GRACE);
                if self.active == Some(key) {
                    self.active = None;
                }
            } else {
                self.close(key, CloseReason::NotAssigned, now, out);
            }
        }
    }

    /// Ends a connection that is being left once nothing is on its way.
    pub(super) fn leave_if_done(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let done = |peer: &Peer| {
            peer.leaving
                .is_some_and(|until| now >= until || peer.asked.is_empty())
        };
        if self.peers.get(&key).is_some_and(done) {
            self.close(key, CloseReason::NotAssigned, now, out);
        }
    }
}
