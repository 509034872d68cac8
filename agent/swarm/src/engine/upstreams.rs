//! Of each parent one active upstream and one idle spare.

use super::Swarm;
use super::peer::Peer;
use crate::policy::first_block::{Lets, UNCHOKE};
use crate::policy::relation::Relation;
use crate::{Action, CloseReason, PeerKey, Time};

/// How long others go before an upstream that disappointed.
const DISAPPOINTED: Time = Time::from_secs(30);
/// How long blocks on their way may take when an upstream must be left.
const GRACE: Time = Time::from_secs(1);

impl Swarm {
    /// Chooses the upstream that each parent asks: the present one unless it is gone, chokes, is silent or
    /// has nothing for us while another has.
    pub(super) fn choose_upstream(&mut self, now: Time, out: &mut Vec<Action>) {
        for parent in 0..self.parents.len() {
            self.choose_for(parent, now, out);
        }
    }

    /// Tries the spare where the active upstream brings much less than its parent may carry.
    pub(super) fn try_spares(&mut self, now: Time, out: &mut Vec<Action>) {
        for parent in 0..self.parents.len() {
            if let Some(spare) = self.preferred_spare(parent, now) {
                self.switch(parent, spare, now, out);
            }
        }
    }

    fn preferred_spare(&mut self, parent: usize, now: Time) -> Option<PeerKey> {
        if !self.is_open(parent) {
            return None;
        }
        let free = self.down_pace.is_open(now);
        let present = self.parents.get_mut(parent)?;
        let active = self.peers.get(&present.active?)?;
        let hungry = free && present.pace.is_open(now) && !active.asked.is_empty();
        let seen = (active.addr, active.received, hungry);
        if !present.trial.is_slow(seen, present.pace.rate(), now) {
            return None;
        }
        let spare = self.best_spare(parent, now)?;
        let peer = self.peers.get(&spare).filter(|peer| {
            now >= peer.bad_until
                && peer.choking.is_none()
                && self.picker.upstream_has_work(&peer.has, parent, now)
        })?;
        self.parents.get_mut(parent)?.trial.tries(peer.addr, now).then_some(spare)
    }

    fn choose_for(&mut self, parent: usize, now: Time, out: &mut Vec<Action>) {
        if !self.is_open(parent) {
            if let Some(old) = self.parents.get_mut(parent).and_then(|parent| parent.active.take()) {
                self.update_interest(old, out);
            }
            return;
        }
        let Some(best) = self.best_spare(parent, now) else {
            return;
        };
        if self.should_switch(parent, best, now) {
            self.switch(parent, best, now, out);
        }
    }

    /// The upstream of a parent, beside the active one, that is most likely to bring something.
    fn best_spare(&mut self, parent: usize, now: Time) -> Option<PeerKey> {
        let present = self.parents.get(parent)?;
        let is_spare = |(key, peer): &(&PeerKey, &Peer)| {
            peer.relation == Relation::Upstream
                && peer.leaving.is_none()
                && Some(**key) != present.active
                && present.upstreams.contains(&peer.addr)
        };
        let spares: Vec<PeerKey> = self.peers.iter().filter(is_spare).map(|(key, _)| *key).collect();
        spares.into_iter().max_by_key(|key| {
            let peer = &self.peers[key];
            let work = self.picker.upstream_has_work(&peer.has, parent, now);
            let unchoked = peer.choking.is_none();
            (now >= peer.bad_until, work, unchoked, std::cmp::Reverse(*key))
        })
    }

    fn should_switch(&mut self, parent: usize, best: PeerKey, now: Time) -> bool {
        let active = self.parents.get(parent).and_then(|parent| parent.active);
        let (Some(spare), Some(active)) =
            (self.peers.get(&best), active.and_then(|key| self.peers.get(&key)))
        else {
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
            !self.picker.upstream_has_work(&active.has, parent, now),
        );
        let offers = self.picker.upstream_has_work(&spare.has, parent, now);
        choked || active.snubbed.is_some() || now < active.bad_until || (idle && nothing && offers)
    }

    fn switch(&mut self, parent: usize, to: PeerKey, now: Time, out: &mut Vec<Action>) {
        let parent = self.parents.get_mut(parent);
        if let Some(old) = parent.and_then(|parent| parent.active.replace(to)) {
            if let Some(peer) = self.peers.get_mut(&old) {
                let failed = peer.choking.is_some() || peer.snubbed.is_some();
                if failed {
                    peer.bad_until = now + DISAPPOINTED;
                }
                let (addr, vain) = (
                    peer.addr,
                    peer.last_block < peer.active_since || peer.brought == 0,
                );
                if failed && vain {
                    self.let_down(addr, now);
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

    /// Those that were asked long enough and have brought nothing yet have let us down, with a spare or without one:
    /// the tracker hears of it, while they are still asked.
    pub(super) fn await_first_blocks(&mut self, now: Time) {
        for parent in 0..self.parents.len() {
            if !self.is_open(parent) {
                continue;
            }
            let Some((key, peer)) =
                self.parents[parent].active.and_then(|key| Some((key, self.peers.get(&key)?)))
            else {
                continue;
            };
            // a block takes as long as it takes on a slow link: snubbing sees to that
            if peer.brought > 0 {
                continue;
            }
            let lets = match (peer.asked.is_empty(), peer.choking) {
                (false, None) => Lets::Wait,
                (_, Some(_)) if self.picker.upstream_has_work(&peer.has, parent, now) => Lets::Starve,
                _ => Lets::Be,
            };
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            if peer.first_block.look(lets, now) {
                let addr = peer.addr;
                self.let_down(addr, now);
            }
        }
    }

    /// Leaves upstreams that are not ours any more: at once, or when what is on its way completes its pieces
    /// within a second.
    pub(super) fn leave_upstreams(&mut self, now: Time, out: &mut Vec<Action>) {
        let gone = |peer: &Peer| {
            peer.relation == Relation::Upstream
                && peer.leaving.is_none()
                && !self.duty.upstreams().any(|addr| addr == peer.addr)
        };
        let gone: Vec<PeerKey> = self.peers.iter().filter(|(_, p)| gone(p)).map(|(key, _)| *key).collect();
        for key in gone {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            let soon = peer.asked_bytes > 0 && peer.open.is_empty() && peer.asked_bytes <= peer.down.rate();
            if soon {
                peer.leaving = Some(now + GRACE);
                for parent in self.parents.iter_mut().filter(|parent| parent.active == Some(key)) {
                    parent.active = None;
                }
            } else {
                self.close(key, CloseReason::NotAssigned, now, out);
            }
        }
    }

    /// Ends a connection that is being left once nothing is on its way.
    pub(super) fn leave_if_done(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let done = |peer: &Peer| peer.leaving.is_some_and(|until| now >= until || peer.asked.is_empty());
        if self.peers.get(&key).is_some_and(done) {
            self.close(key, CloseReason::NotAssigned, now, out);
        }
    }
}
