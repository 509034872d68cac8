//! Serving: everyone is unchoked; round robin over peers by whole pieces.

use narrows_wire::{Block, Message};

use super::Swarm;
use crate::policy::relation::Relation;
use crate::policy::serve::MAX_REJECTED;
use crate::{Action, CloseReason, Misdeed, PeerKey, Time};

impl Swarm {
    /// A peer asks for a block that lies within a piece.
    pub(super) fn requested(&mut self, key: PeerKey, block: Block, now: Time, out: &mut Vec<Action>) {
        let shares = self.shares();
        let have = shares && self.config.have.has(block.piece);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if have && peer.queue.push(block) {
            return self.serve(now, out);
        }
        peer.vain += 1;
        if peer.vain > MAX_REJECTED || (have && !peer.fast) {
            self.name(key, Misdeed::Flooding, out);
            self.close(key, CloseReason::TooManyRequests, now, out);
        } else if peer.fast {
            out.push(Action::Send {
                peer: key,
                message: Message::Reject(block),
            });
        }
    }

    /// Hands out what peers have asked for: in turn a piece each, as far as their windows and the limit
    /// allow.
    pub(super) fn serve(&mut self, now: Time, out: &mut Vec<Action>) {
        self.waiting.up = false;
        while let Some(key) = self.next_turn() {
            if self.take_turn(key, now, out) {
                self.turn = PeerKey(key.0.wrapping_add(1));
            } else {
                self.waiting.up = true;
                return;
            }
        }
    }

    /// The next peer in turn that waits for something.
    fn next_turn(&self) -> Option<PeerKey> {
        let mut rest = self.peers.range(self.turn..).chain(self.peers.range(..self.turn));
        rest.find(|(_, peer)| peer.queue.is_ready() && !self.is_stopped(peer)).map(|(key, _)| *key)
    }

    /// Serves up to one piece's worth; `false` if the limit ended the turn early.
    fn take_turn(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) -> bool {
        let Some(peer) = self.peers.get_mut(&key) else {
            return true;
        };
        peer.last_said = now;
        if peer.queue.credit == 0 {
            peer.queue.credit = self.config.lengths.piece_length();
        }
        let copies = &mut self.remote_copies;
        while peer.queue.credit > 0 && peer.queue.is_ready() {
            if !self.up_pace.is_open(now) {
                return false;
            }
            // what a non-sharing peer gets, no other peer has from there
            let non_sharing = peer.is_non_sharing();
            let remote = peer.relation == Relation::Remote && !copies.is_empty() && !non_sharing;
            let weight = |piece: u32| u32::from(copies.get(piece as usize).copied().unwrap_or(0));
            // a neighbour gets first what no other one has
            let known = |piece: u32| u32::from(!self.unreplicated.is_due(piece));
            let next = if remote {
                peer.queue.pop(Some(&weight))
            } else if peer.relation == Relation::Local && !self.unreplicated.is_empty() && !non_sharing {
                peer.queue.pop(Some(&known))
            } else {
                peer.queue.pop(None)
            };
            let Some((block, begins)) = next else { break };
            if begins && peer.relation == Relation::Local && !non_sharing {
                self.unreplicated.sends(block.piece);
            }
            if remote
                && begins
                && let Some(copies) = copies.get_mut(block.piece as usize)
            {
                *copies = copies.saturating_add(1);
            }
            self.up_pace.spend(block.len);
            peer.queue.credit = peer.queue.credit.saturating_sub(block.len);
            peer.queue.unsent += block.len;
            out.push(Action::Serve { peer: key, block });
        }
        peer.queue.credit = 0;
        true
    }

    /// Payload was flushed to a socket.
    pub(super) fn sent(&mut self, key: PeerKey, bytes: u32, now: Time, out: &mut Vec<Action>) {
        self.up.add(bytes, now);
        let Some(peer) = self.peers.get_mut(&key) else {
            // it closed meanwhile: count it, as which class matters little
            self.totals.sent_lan += u64::from(bytes);
            return;
        };
        peer.queue.unsent = peer.queue.unsent.saturating_sub(bytes);
        peer.sent += u64::from(bytes);
        peer.last_sent = now;
        peer.vain = peer.vain.saturating_sub(bytes / narrows_wire::BLOCK_LEN);
        if peer.relation.is_wan() {
            self.totals.sent_wan += u64::from(bytes);
        } else {
            self.totals.sent_lan += u64::from(bytes);
        }
        self.serve(now, out);
    }

    /// A block could not be read.
    pub(super) fn serve_failed(&mut self, key: PeerKey, block: Block, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.queue.unsent = peer.queue.unsent.saturating_sub(block.len);
        if peer.fast {
            out.push(Action::Send {
                peer: key,
                message: Message::Reject(block),
            });
        }
        self.serve(now, out);
    }
}
