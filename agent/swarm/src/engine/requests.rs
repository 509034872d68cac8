//! Asking for blocks: which peer, of which piece, and as many as depth, memory and rates allow.

use std::net::SocketAddr;

use narrows_wire::{Block, Message};

use super::Swarm;
use super::housekeeping::SNUB_REST;
use super::parents::may_stand_in;
use super::peer::Asked;
use crate::picker::{Nearby, Takeover};
use crate::policy::gateway;
use crate::policy::pacing::wire;
use crate::policy::relation::Relation;
use crate::{Action, PeerKey, Time};

/// How long neighbours may send neither a word nor a block before they are not waited for while the link is
/// idle.
const SILENT_NEARBY: Time = Time::from_secs(4);

impl Swarm {
    /// Asks a peer for as much as its depth, the memory and the rates allow.
    pub(super) fn fill(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        if !self.is_fetching() {
            return;
        }
        let piece_length = self.config.lengths.piece_length();
        let parent = self.parent_of(key);
        if parent.is_none() && self.peers.get(&key).is_some_and(|peer| peer.probation.is_some()) {
            // what it may not bring comes across the link where that has room
            self.fill_upstreams(now, out);
        }
        let (depth, most) = match self.peers.get(&key) {
            Some(peer) if peer.choking.is_none() && now >= peer.bad_until && peer.leaving.is_none() => {
                let mine = match parent {
                    Some(parent) => self.is_active(key) && self.is_open(parent),
                    None => peer.relation == Relation::Local,
                };
                if !mine || peer.lacking == 0 {
                    return;
                }
                (peer.depth(piece_length), peer.reqq as usize)
            }
            _ => return,
        };
        loop {
            let Some(peer) = self.peers.get(&key) else { return };
            if peer.asked_bytes >= depth || peer.asked.len() >= most {
                return;
            }
            if !self.down_pace.is_open(now) {
                self.waiting.down = true;
                return self.hold_up(parent, now);
            }
            if let Some(parent) = parent.and_then(|parent| self.parents.get_mut(parent))
                && !parent.pace.is_open(now)
            {
                (parent.waiting, parent.moved) = (true, now);
                return;
            }
            let Some(block) = self.next_block(key, parent, now, out) else {
                return;
            };
            self.down_pace.spend(block.len);
            let snubbed = peer_is_snubbed(self.peers.get(&key));
            if let Some(parent) = parent.and_then(|parent| self.parents.get_mut(parent)) {
                parent.pace.spend(wire(block.len));
                if !snubbed {
                    parent.moved = now;
                }
            }
            if let Some(peer) = self.peers.get_mut(&key) {
                if peer.asked.is_empty() {
                    peer.last_block = now;
                }
                peer.asked.push_back(Asked { block, at: now });
                peer.asked_bytes += u64::from(block.len);
            }
            out.push(Action::Send {
                peer: key,
                message: Message::Request(block),
            });
        }
    }

    /// Asks every peer that has room.
    pub(super) fn fill_all(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.is_fetching() {
            let ready = |peer: &super::Peer| peer.choking.is_none() && peer.lacking > 0;
            let keys: Vec<PeerKey> =
                self.peers.iter().filter(|(_, p)| ready(p)).map(|(key, _)| *key).collect();
            for key in keys {
                self.fill(key, now, out);
            }
        }
    }

    /// The next block to ask a peer for: of a piece reserved from it, of a new one, or in the endgame of
    /// another's.
    fn next_block(
        &mut self,
        key: PeerKey,
        parent: Option<usize>,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<Block> {
        let wan = parent.is_some();
        loop {
            let peer = self.peers.get_mut(&key)?;
            let Some(piece) = peer.open.first().copied() else {
                break;
            };
            // a local peer got it meanwhile: what is not asked for yet comes from there
            let found_nearby = wan && self.picker.comes_nearby(piece);
            if !found_nearby && let Some(block) = self.picker.ask(piece, key) {
                return Some(block);
            }
            peer.open.remove(0);
            if found_nearby && !peer.asked.iter().any(|asked| asked.block.piece == piece) {
                let keep = self.config.limits.memory / 2;
                if self.picker.release_piece(piece, key, keep) {
                    out.push(Action::Discard { piece });
                }
            }
        }
        let mut piece = self.next_piece(key, parent, now);
        if piece.is_none() {
            // of what it sends already, a block that it or another refused, or did not send
            if let Some(block) = self.picker.resume(key, wan) {
                return Some(block);
            }
            let theirs = &self.peers.get(&key)?.has;
            piece = match parent {
                Some(parent) => self.picker.pick_stalled(key, theirs, parent, now),
                None => self.picker.pick_endgame(key, theirs, now),
            };
            if piece.is_none()
                && let Some(keeper) = self.picker.keeps_from(key, theirs, wan, now)
            {
                self.take_away(keeper, now, out);
                piece = self.next_piece(key, parent, now);
            }
            if piece.is_none() {
                let theirs = &self.peers.get(&key)?.has;
                let forgotten = self.picker.forget_begun_for(key, theirs, wan)?;
                out.push(Action::Discard { piece: forgotten });
                piece = self.next_piece(key, parent, now);
            }
        }
        let piece = piece?;
        self.peers.get_mut(&key)?.open.push(piece);
        self.picker.ask(piece, key)
    }

    /// A peer that sends pieces alone does not come on with them: others begin them anew.
    fn take_away(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.bad_until = peer.bad_until.max(now + SNUB_REST);
        }
        self.picker.take_away(key);
        self.abandon(key, out);
    }

    /// Looks what neighbours bring: nothing if we wait for some, since they choke us or owe us blocks, and
    /// none has sent one for a while.
    pub(super) fn look_nearby(&mut self, now: Time) {
        let waits = |peer: &super::Peer| {
            let owes = peer.choking.is_some() || peer.snubbed.is_some() || !peer.asked.is_empty();
            owes && peer.counted.is_some() && peer.lacking > 0
        };
        if !self.peers.values().any(waits) {
            self.nearby_moved = now;
        }
        self.picker.set_nearby(if now >= self.nearby_moved + SILENT_NEARBY {
            Nearby::Silent
        } else if self.duty.slow_supply {
            Nearby::SeedsAreSlow
        } else {
            Nearby::Brings
        });
    }

    fn next_piece(&mut self, key: PeerKey, parent: Option<usize>, now: Time) -> Option<u32> {
        let length = u64::from(self.config.lengths.piece_length());
        let held = self.picker.held();
        let room = held + length <= self.config.limits.memory || held < 2 * length;
        let Some(parent) = parent else {
            let theirs = &self.peers.get(&key)?.has;
            return room.then(|| self.picker.pick_local(key, theirs, now)).flatten();
        };
        let wanted =
            |peer: &super::Peer| peer.relation == Relation::Local && peer.wants && !peer.is_non_sharing();
        let wanted = self.peers.values().any(wanted);
        // the assigned rate too: the measured one shrinks while we wait
        let rate = self.down.rate().max(self.duty.rate) as f64 / length as f64;
        if let Some(parent) = self.parents.get_mut(parent) {
            parent.crowded = !room;
        }
        if !room || !self.unreplicated.may_take_more(wanted, rate, now) {
            self.hold_up(Some(parent), now);
            return None;
        }
        self.next_wan_piece(key, parent, now)
    }

    /// The next piece across the WAN: of the parent's share; else of a gateway's or another parent's that
    /// stands still.
    fn next_wan_piece(&mut self, key: PeerKey, parent: usize, now: Time) -> Option<u32> {
        let Swarm {
            picker,
            peers,
            parents,
            silence,
            duty,
            ..
        } = self;
        let length = self.config.lengths.piece_length();
        let term = gateway::term(length, duty.rate);
        let gateways = |before: &mut dyn Iterator<Item = _>| silence.may_take_over(before, term, now);
        let stand_in = |before: &mut dyn Iterator<Item = _>| may_stand_in(parents, before, length, now);
        // the walk over all pieces is worth it only if a gateway has been silent
        let quiet = |gateway: &SocketAddr| *gateway != self.me && gateways(&mut std::iter::once(*gateway));
        let several = duty.roster.iter().any(quiet);
        let still = (0..parents.len()).any(|other| other != parent && stand_in(&mut std::iter::once(other)));
        let takeover = Takeover {
            gateways: if several { Some(&gateways) } else { None },
            parents: if still { Some(&stand_in) } else { None },
        };
        picker.pick_upstream(key, &peers.get(&key)?.has, parent, takeover, now)
    }

    /// What holds a parent up is ours, so no other need stand in for it.
    fn hold_up(&mut self, parent: Option<usize>, now: Time) {
        if let Some(parent) = parent.and_then(|parent| self.parents.get_mut(parent)) {
            parent.moved = now;
        }
    }

    /// Gives tokens back for a block that will not come from this parent (`None`: from a local peer).
    pub(super) fn refund(&mut self, parent: Option<usize>, bytes: u32) {
        self.down_pace.refund(bytes);
        if let Some(parent) = parent.and_then(|parent| self.parents.get_mut(parent)) {
            parent.pace.refund(wire(bytes));
        }
    }

    /// Stops asking and forgets unfinished pieces.
    pub(super) fn stop_fetching(&mut self, out: &mut Vec<Action>) {
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.abandon(key, out);
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.late.clear();
            }
            self.update_interest(key, out);
        }
        out.extend(self.picker.forget_begun().into_iter().map(|piece| Action::Discard { piece }));
    }

    /// Asks again, after [`Self::stop_fetching`].
    pub(super) fn start_fetching(&mut self, now: Time, out: &mut Vec<Action>) {
        self.last_progress = now;
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.update_interest(key, out);
        }
        self.choose_upstream(now, out);
        self.fill_all(now, out);
    }
}

fn peer_is_snubbed(peer: Option<&super::Peer>) -> bool {
    peer.is_some_and(|peer| peer.snubbed.is_some())
}
