//! Asking for blocks, taking them, and what becomes of whole pieces.

use std::net::{IpAddr, SocketAddr};

use narrows_wire::{Block, Message};

use super::Swarm;
use super::parents::may_stand_in;
use super::peer::Asked;
use crate::picker::{Nearby, Taken, Takeover};
use crate::policy::gateway;
use crate::policy::pacing::wire;
use crate::policy::relation::Relation;
use crate::{Action, AnnounceReason, Fault, PeerKey, Time};

/// After so long without a word or a block, neighbours are not waited for while the link is idle.
const SILENT_NEARBY: Time = Time::from_secs(4);

/// What becomes of the data of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is part of a piece being fetched.
    Keep,
    /// It was not asked for, or is here already.
    Drop,
}

impl Swarm {
    /// Asks a peer for as much as its depth, the memory and the rates allow.
    pub(super) fn fill(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        if !self.is_fetching() {
            return;
        }
        let piece_length = self.config.lengths.piece_length();
        let line = self.line_of(key);
        let (depth, most) = match self.peers.get(&key) {
            Some(peer) if peer.choking.is_none() && now >= peer.bad_until && peer.leaving.is_none() => {
                let mine = match line {
                    Some(line) => self.is_active(key) && self.is_open(line),
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
                return self.hold_up(line, now);
            }
            if let Some(line) = line.and_then(|line| self.lines.get_mut(line))
                && !line.pace.is_open(now)
            {
                (line.waiting, line.moved) = (true, now);
                return;
            }
            let Some(block) = self.next_block(key, line, now, out) else {
                return;
            };
            self.down_pace.spend(block.len);
            let snubbed = peer_is_snubbed(self.peers.get(&key));
            if let Some(line) = line.and_then(|line| self.lines.get_mut(line)) {
                line.pace.spend(wire(block.len));
                if !snubbed {
                    line.moved = now;
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

    /// Asks everybody who has room.
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
        line: Option<usize>,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<Block> {
        let wan = line.is_some();
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
        let mut piece = self.next_piece(key, line, now);
        if piece.is_none() {
            // of what it sends already, a block that it or another refused, or did not send
            if let Some(block) = self.picker.resume(key, wan) {
                return Some(block);
            }
            let theirs = &self.peers.get(&key)?.has;
            piece = match line {
                Some(line) => self.picker.pick_stalled(key, theirs, line, now),
                None => self.picker.pick_endgame(key, theirs, now),
            };
        }
        let piece = piece?;
        self.peers.get_mut(&key)?.open.push(piece);
        self.picker.ask(piece, key)
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

    fn next_piece(&mut self, key: PeerKey, line: Option<usize>, now: Time) -> Option<u32> {
        let length = u64::from(self.config.lengths.piece_length());
        let held = self.picker.held();
        let room = held + length <= self.config.limits.memory || held < 2 * length;
        let Some(line) = line else {
            let theirs = &self.peers.get(&key)?.has;
            return room.then(|| self.picker.pick_local(key, theirs, now)).flatten();
        };
        let wanted = |peer: &super::Peer| peer.relation == Relation::Local && peer.wants && !peer.is_guest();
        let wanted = self.peers.values().any(wanted);
        // the assigned rate too: the measured one shrinks while we wait
        let rate = self.down.rate().max(self.duty.rate) as f64 / length as f64;
        if !room || !self.fresh.may_take_more(wanted, rate, now) {
            self.hold_up(Some(line), now);
            return None;
        }
        self.next_wan_piece(key, line, now)
    }

    /// The next piece across the WAN: of the line's share; else of a gateway's or another line's that stands
    /// still.
    fn next_wan_piece(&mut self, key: PeerKey, line: usize, now: Time) -> Option<u32> {
        let Swarm {
            picker,
            peers,
            lines,
            silence,
            duty,
            ..
        } = self;
        let length = self.config.lengths.piece_length();
        let term = gateway::term(length, duty.rate);
        let gateways = |before: &mut dyn Iterator<Item = _>| silence.may_take_over(before, term, now);
        let stand_in = |before: &mut dyn Iterator<Item = _>| may_stand_in(lines, before, length, now);
        // the walk over all pieces is worth it only if somebody has been silent
        let quiet = |gateway: &SocketAddr| *gateway != self.me && gateways(&mut std::iter::once(*gateway));
        let several = duty.roster.iter().any(quiet);
        let still = (0..lines.len()).any(|other| other != line && stand_in(&mut std::iter::once(other)));
        let takeover = Takeover {
            gateways: if several { Some(&gateways) } else { None },
            lines: if still { Some(&stand_in) } else { None },
        };
        picker.pick_upstream(key, &peers.get(&key)?.has, line, takeover, now)
    }

    /// What holds a line up is ours, so nobody need stand in for it.
    fn hold_up(&mut self, line: Option<usize>, now: Time) {
        if let Some(line) = line.and_then(|line| self.lines.get_mut(line)) {
            line.moved = now;
        }
    }

    /// Gives tokens back for a block that will not come by this line (`None`: from a local peer).
    pub(super) fn refund(&mut self, line: Option<usize>, bytes: u32) {
        self.down_pace.refund(bytes);
        if let Some(line) = line.and_then(|line| self.lines.get_mut(line)) {
            line.pace.refund(wire(bytes));
        }
    }

    /// A block came.
    pub(super) fn block(&mut self, key: PeerKey, block: Block, now: Time, out: &mut Vec<Action>) -> Fate {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Fate::Drop;
        };
        peer.last_heard = now;
        let bytes = u64::from(block.len);
        peer.received += bytes;
        if peer.relation.is_wan() {
            self.totals.wan += bytes;
            let site = match (&peer.parent_site, &peer.hello) {
                (Some(site), _) => site.as_str(),
                (None, Some(hello)) => hello.site.as_str(),
                (None, None) => "",
            };
            match self.from.get_mut(site) {
                Some(sum) => *sum += bytes,
                None if site.is_empty() => {}
                None => {
                    self.from.insert(site.to_owned(), bytes);
                }
            }
        } else {
            self.totals.lan += bytes;
        }
        self.down.add(block.len, now);
        if let Some(asked) = peer.answer(block) {
            let took = now.saturating_sub(asked.at);
            peer.rtt = Some(peer.rtt.map_or(took, |rtt| rtt.min(took)));
        } else if let Some(index) = peer.late.iter().position(|late| *late == block) {
            peer.late.swap_remove(index);
        } else {
            self.totals.wasted += bytes;
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
            if let Some(line) = self.line_at(addr) {
                self.lines[line].moved = now;
            }
        }
        let (taken, rivals) = self.picker.take(key, ip, block, now);
        let fate = if taken == Taken::Again {
            self.totals.wasted += bytes;
            Fate::Drop
        } else {
            self.progressed(now);
            if taken == Taken::Whole {
                let from = self.picker.main_source(block.piece).unwrap_or(key);
                out.push(Action::Verify {
                    piece: block.piece,
                    from,
                });
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
        if self.duty.is_gateway() && self.picker.holders(piece) == 0 {
            self.fresh.came(piece, now);
        }
        let mut sated = Vec::new();
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
                    sated.push(*key);
                }
            }
        }
        for key in sated {
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

    /// Asks nobody for anything any more and forgets unfinished pieces.
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

    /// The opposite.
    pub(super) fn start_fetching(&mut self, now: Time, out: &mut Vec<Action>) {
        self.last_progress = now;
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.update_interest(key, out);
        }
        self.choose_upstream(now, out);
        self.fill_all(now, out);
    }

    fn progressed(&mut self, now: Time) {
        self.last_progress = now;
        self.announcer.stalled = false;
        self.announcer.stalls = 0;
    }
}

fn peer_is_snubbed(peer: Option<&super::Peer>) -> bool {
    peer.is_some_and(|peer| peer.snubbed.is_some())
}
