//! Taking blocks as they come, and what becomes of whole pieces.

use std::net::IpAddr;

use narrows_wire::{Block, Message};

use super::Swarm;
use crate::picker::Taken;
use crate::policy::flood;
use crate::policy::relation::Relation;
use crate::{Action, AnnounceReason, CloseReason, Fault, Misdeed, PeerKey, Time};

/// What becomes of the data of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is part of a piece being fetched.
    Keep,
    /// It was not asked for, or is here already.
    Drop,
}

impl Swarm {
    /// A block came.
    pub(super) fn block(&mut self, key: PeerKey, block: Block, now: Time, out: &mut Vec<Action>) -> Fate {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Fate::Drop;
        };
        peer.last_heard = now;
        peer.owing.hears(now);
        let bytes = u64::from(block.len);
        peer.received += bytes;
        let welcome = if let Some(asked) = peer.answer(block) {
            let took = now.saturating_sub(asked.at);
            peer.rtt = Some(peer.rtt.map_or(took, |rtt| rtt.min(took)));
            true
        } else if let Some(index) = peer.late.iter().position(|late| *late == block) {
            peer.late.swap_remove(index);
            true
        } else {
            false
        };
        // what a peer that we do not fetch from sends is no part of what we fetched
        if !welcome && peer.relation != Relation::Upstream {
            self.totals.wasted += bytes;
            self.endure(key, now, out);
            return Fate::Drop;
        }
        if peer.relation.is_wan() {
            self.totals.wan += bytes;
            let site = match (&peer.parent_site, &peer.hello) {
                (Some(site), _) => site.as_str(),
                (None, Some(hello)) => hello.site.as_str(),
                (None, None) => "",
            };
            let full = self.from.len() >= flood::MAX_SITES;
            match self.from.get_mut(site) {
                Some(sum) => *sum += bytes,
                None if site.is_empty() || full => {}
                None => {
                    self.from.insert(site.to_owned(), bytes);
                }
            }
        } else {
            self.totals.lan += bytes;
        }
        self.down.add(block.len, now);
        if !welcome {
            self.totals.wasted += bytes;
            self.endure(key, now, out);
            return Fate::Drop;
        }
        peer.last_block = now;
        peer.down.add(block.len, now);
        peer.rate_then = peer.down.rate();
        peer.useful = true;
        let revived = peer.snubbed.take().is_some();
        if revived {
            peer.bad_until = now;
        }
        peer.silent = None;
        let (addr, ip) = (peer.addr, peer.addr.ip());
        if peer.relation == Relation::Local {
            self.nearby_moved = now;
        }
        if peer.relation == Relation::Upstream {
            self.gone.remove(&addr);
            if let Some(known) = self.known.get_mut(&addr) {
                known.let_down = false;
            }
            if let Some(parent) = self.parent_at(addr) {
                self.parents[parent].moved = now;
            }
        }
        let (taken, rivals) = self.picker.take(key, ip, block, now);
        let fate = if taken == Taken::Again {
            self.totals.wasted += bytes;
            Fate::Drop
        } else {
            self.credit_block(key, bytes, now);
            self.note_brought(key, bytes);
            if taken == Taken::Whole {
                out.push(Action::Verify { piece: block.piece });
            }
            for rival in rivals {
                self.cancel(rival, block, now, out);
            }
            Fate::Keep
        };
        if revived {
            self.count(key, true);
        }
        self.fill(key, now, out);
        self.leave_if_done(key, now, out);
        fate
    }

    /// A block came that was not asked for.
    fn endure(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.unasked += 1;
        if peer.unasked > flood::MAX_UNASKED {
            self.name(key, Misdeed::Flooding, out);
            let reason = CloseReason::Protocol("sends data that was not asked for");
            self.close(key, reason, now, out);
        }
    }

    /// The endgame's loser need not send this block any more.
    fn cancel(&mut self, rival: PeerKey, block: Block, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&rival) else {
            return;
        };
        if peer.answer(block).is_some() {
            out.push(Action::Send {
                peer: rival,
                message: Message::Cancel(block),
            });
            self.fill(rival, now, out);
        }
    }

    /// A piece is hashed and on disk, or its hash is wrong.
    pub(super) fn verified(&mut self, piece: u32, ok: bool, now: Time, out: &mut Vec<Action>) {
        let Some(sources) = self.picker.verified(piece, ok) else {
            return;
        };
        if ok {
            if let [source] = sources.as_slice()
                && self.blame.right_alone(source.ip)
            {
                self.keep_apart(source.ip, now);
            }
            self.got(piece, now, out)
        } else {
            self.wrong(piece, &sources, now, out)
        }
        self.fill_all(now, out);
    }

    fn got(&mut self, piece: u32, now: Time, out: &mut Vec<Action>) {
        if !self.config.have.set(piece) {
            return;
        }
        self.left -= u64::from(self.config.lengths.piece_size(piece));
        self.settle(piece, out);
        self.progressed(now);
        if self.duty.is_gateway() && self.picker.credited_holders(piece) == 0 {
            self.unreplicated.came(piece, now);
        }
        let mut useless = Vec::new();
        let shares = self.shares();
        for (key, peer) in &mut self.peers {
            if shares {
                peer.last_said = now;
                out.push(Action::Send {
                    peer: *key,
                    message: Message::Have(piece),
                });
            }
            if peer.has.has(piece) {
                peer.lacking = peer.lacking.saturating_sub(1);
                if peer.lacking == 0 {
                    useless.push(*key);
                }
            }
        }
        for key in useless {
            self.update_interest(key, out);
        }
        if self.left == 0 {
            out.push(Action::Completed);
            self.announce(AnnounceReason::Completed, now, out);
            self.tell_role(out);
            self.close_seeders(now, out);
        }
    }

    pub(super) fn is_banned(&self, ip: IpAddr, now: Time) -> bool {
        self.blame.is_banned(ip, now)
    }

    pub(super) fn store_failed(&mut self, piece: u32, full: bool, out: &mut Vec<Action>) {
        self.picker.verified(piece, false);
        self.fault = Some(if full { Fault::DiskFull } else { Fault::DiskBroken });
        self.stop_fetching(out);
    }

    pub(super) fn store_healed(&mut self, now: Time, out: &mut Vec<Action>) {
        if matches!(self.fault, Some(Fault::DiskFull | Fault::DiskBroken)) {
            self.fault = None;
            self.start_fetching(now, out);
        }
    }

    /// A block that a peer brought is kept. From one that is known to bring little it is no progress before
    /// its piece is whole and right: a block now and then silences no complaint.
    fn credit_block(&mut self, key: PeerKey, bytes: u64, now: Time) {
        let doubted = self.peers.get_mut(&key).is_some_and(|peer| {
            peer.brought += bytes;
            peer.owing.brings(now);
            (peer.unasked, peer.offers) = (peer.unasked.saturating_sub(1), 0);
            peer.probation.is_some()
        });
        if !doubted {
            self.progressed(now);
        }
    }

    fn progressed(&mut self, now: Time) {
        self.last_progress = now;
        self.announcer.stalled = false;
        self.announcer.stalls = 0;
    }
}
