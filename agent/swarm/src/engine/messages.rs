//! Messages of peers. Nothing in them is trusted: indices are checked, and who breaks the protocol is closed.

use narrows_wire::{Bitfield, Block, ExtendedHandshake, Message};

use super::housekeeping::SNUB_REST;
use super::peer::Counted;
use super::{Swarm, dial};
use crate::picker::{Bits, Word};
use crate::policy::relation::Relation;
use crate::policy::{depth, flood};
use crate::{Action, CloseReason, Misdeed, Origin, PeerKey, Time};

impl Swarm {
    pub(super) fn message(&mut self, key: PeerKey, message: Message, now: Time, out: &mut Vec<Action>) {
        if let Err(what) = self.try_message(key, message, now, out) {
            self.close(key, CloseReason::Protocol(what), now, out);
        }
    }

    fn try_message(
        &mut self,
        key: PeerKey,
        message: Message,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Result<(), &'static str> {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(());
        };
        peer.last_heard = now;
        peer.owing.hears(now);
        let pieces = self.config.lengths.piece_count();
        let first = !peer.spoke;
        // stock clients send these before their bitfield
        peer.spoke |= !matches!(
            message,
            Message::KeepAlive
                | Message::Extended { .. }
                | Message::Port(_)
                | Message::AllowedFast(_)
                | Message::Suggest(_)
        );
        use Message::{AllowedFast, HaveAll, HaveNone, Reject, Suggest};
        if !peer.fast
            && matches!(
                message,
                HaveAll | HaveNone | Reject(_) | Suggest(_) | AllowedFast(_)
            )
        {
            return Err("a message of the fast extension, which was not agreed on");
        }
        match message {
            HaveAll | HaveNone if !first => {
                return Err("says what it has, but not as its first message");
            }
            Message::Bitfield(bytes) => {
                let theirs = Bitfield::from_wire(&bytes, pieces)
                    .map_err(|_| "a bitfield of the wrong length or with spare bits")?;
                if !first {
                    // aria2 sends one in place of many Haves, against BEP 3
                    let new: Vec<u32> = theirs.iter_ones().filter(|piece| !peer.has.has(*piece)).collect();
                    new.into_iter().for_each(|piece| self.they_got(key, piece, now, out));
                    return Ok(());
                }
                let mut has = Bits::new(pieces);
                theirs.iter_ones().for_each(|piece| {
                    has.set(piece);
                });
                self.they_have(key, has, now, out);
            }
            HaveAll => self.they_have(key, Bits::full(pieces), now, out),
            HaveNone => self.they_have(key, Bits::new(pieces), now, out),
            Message::Have(piece) if piece >= pieces => return Err("has a piece that does not exist"),
            Message::Have(piece) => self.they_got(key, piece, now, out),
            Message::Choke => self.choked(key, now, out),
            Message::Unchoke => {
                peer.offers += 1;
                if peer.offers > flood::MAX_OFFERS {
                    self.name(key, Misdeed::Flooding, out);
                    return Err("offers to serve again and again, and sends nothing");
                }
                let prompt = peer.offers <= flood::PROMPT_OFFERS;
                // what it was asked before its choke it should have sent or rejected by now (BEP 6); not all
                // do
                let unanswered = peer.choking.take().is_some() && !peer.asked.is_empty();
                if !prompt {
                    peer.bad_until = peer.bad_until.max(now + SNUB_REST);
                } else if peer.relation == Relation::Local {
                    // it offers to serve again: no need to wait
                    peer.bad_until = now;
                }
                if unanswered {
                    self.abandon(key, out);
                }
                self.count(key, true);
                self.choose_upstream(now, out);
                self.fill(key, now, out);
            }
            Message::Request(block) => {
                self.check(block)?;
                self.requested(key, block, now, out);
            }
            Message::Cancel(block) => {
                if peer.queue.cancel(block) && peer.fast {
                    out.push(Action::Send {
                        peer: key,
                        message: Reject(block),
                    });
                }
            }
            Reject(block) => self.rejected(key, block, now, out),
            Message::Extended { id: 0, payload } => {
                let said = ExtendedHandshake::decode_after(peer.takes, &payload)
                    .map_err(|_| "an extension handshake that makes no sense")?;
                self.introduced(key, said, now, out);
            }
            Message::Extended {
                id: narrows_wire::UPLOAD_ONLY,
                payload,
            } => peer.upload_only = payload.first().is_some_and(|byte| *byte != 0),
            Message::Extended {
                id: narrows_wire::WRONG,
                payload,
            } => self.complained(key, &payload, out)?,
            Message::Interested => peer.wants = true,
            Message::NotInterested => peer.wants = false,
            Message::Extended { .. }
            | Message::KeepAlive
            | Message::Port(_)
            | Suggest(_)
            | AllowedFast(_)
            | Message::Piece { .. } => {}
        }
        Ok(())
    }

    /// Whether a block lies within its piece and is of a size that may be asked for.
    fn check(&self, block: Block) -> Result<(), &'static str> {
        let size = u64::from(self.config.lengths.piece_size(block.piece));
        let end = u64::from(block.begin) + u64::from(block.len);
        if size == 0 {
            Err("asks for a piece that does not exist")
        } else if block.len == 0 || block.len > narrows_wire::BLOCK_LEN {
            Err("asks for a block of 0 bytes or more than 16 KiB")
        } else if end > size {
            Err("asks for bytes beyond the end of a piece")
        } else {
            Ok(())
        }
    }

    /// What a peer has, said at its start.
    fn they_have(&mut self, key: PeerKey, has: Bits, now: Time, out: &mut Vec<Action>) {
        self.count(key, false);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.lacking = has.iter().filter(|piece| !self.config.have.has(*piece)).count() as u32;
        if peer.relation == Relation::Remote && !self.remote_copies.is_empty() {
            for piece in has.iter() {
                self.remote_copies[piece as usize] = self.remote_copies[piece as usize].saturating_add(1);
            }
        }
        if peer.relation == Relation::Local {
            has.iter().for_each(|piece| {
                self.unreplicated.passed_on(piece);
            });
        }
        peer.has = has;
        self.withhold(key, out);
        self.count(key, true);
        self.close_seeders(now, out);
        self.update_interest(key, out);
        self.choose_upstream(now, out);
        self.fill(key, now, out);
    }

    /// A peer got a piece.
    fn they_got(&mut self, key: PeerKey, piece: u32, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if !peer.has.set(piece) {
            return;
        }
        let (relation, word) = (peer.relation, peer.word());
        let lacked = !self.config.have.has(piece);
        peer.lacking += u32::from(lacked);
        match peer.counted {
            Some(Counted { whole: false, word }) => self.picker.gained(piece, word),
            _ => self.count(key, true),
        }
        match relation {
            Relation::Remote => {
                if let Some(copies) = self.remote_copies.get_mut(piece as usize) {
                    *copies = copies.saturating_add(1);
                }
            }
            Relation::Local => {
                if self.unreplicated.passed_on(piece) {
                    self.fill_upstreams(now, out);
                }
                if self.duty.roster.len() > 1
                    && self.picker.credited_holders(piece) == 1
                    && word == Word::Counts
                    && let Some(gateway) = self.picker.gateway_of(piece)
                {
                    self.silence.heard(gateway, now);
                }
            }
            Relation::Upstream | Relation::Unknown => {}
        }
        if lacked {
            self.update_interest(key, out);
            if relation == Relation::Upstream && !self.is_active(key) {
                self.choose_upstream(now, out);
            }
            self.fill(key, now, out);
        } else if self.left == 0 {
            self.close_seeders(now, out);
        }
    }

    /// A peer chokes us: without the fast extension what we asked for will not come.
    fn choked(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.choking.get_or_insert(now);
        if !peer.fast {
            peer.open.clear();
            peer.late.truncate(depth::MAX_REQUESTS as usize);
            let asked = peer.forget_asked();
            peer.late.extend(asked.iter().map(|asked| asked.block));
            let parent = self.parent_of(key);
            for asked in asked {
                self.picker.unask(key, asked.block);
                self.refund(parent, asked.block.len);
            }
            self.release(key, out);
        }
        self.choose_upstream(now, out);
        self.fill_all(now, out);
    }

    /// A peer will not send a block.
    fn rejected(&mut self, key: PeerKey, block: Block, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if peer.answer(block).is_none() {
            peer.late.retain(|late| *late != block);
            return;
        }
        self.picker.unask(key, block);
        // it may be asked of another peer; here only once nothing else is on its way
        if peer.asked.is_empty() {
            peer.open.clear();
            peer.bad_until = now + Time::from_secs(5);
            peer.snubbed.get_or_insert(now);
            peer.owing.refuses();
            self.release(key, out);
            self.choose_upstream(now, out);
            self.fill_all(now, out);
        }
        self.refund(self.parent_of(key), block.len);
    }

    /// The extension handshake came: what the peer says of itself.
    fn introduced(&mut self, key: PeerKey, said: ExtendedHandshake, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if let Some(reqq) = said.reqq {
            peer.reqq = reqq.clamp(1, 4 * depth::MAX_REQUESTS);
        }
        peer.introduced = true;
        (peer.takes, peer.upload_only) = (said.takes, peer.upload_only || said.upload_only);
        let was_gateway = peer.is_local_gateway();
        if said.narrows.is_some() {
            peer.hello = said.narrows;
        }
        if let (Origin::Accepted, Some(port)) = (peer.origin, said.port) {
            peer.listen = Some(std::net::SocketAddr::new(peer.addr.ip(), port));
        }
        let listen = peer.listen;
        if let Some(listen) = listen {
            self.unreachable.connected(listen);
        }
        self.reclassify(key, now, out);
        // a peer that has dialled us is not dialled
        let local = self.peers.get(&key).is_some_and(|peer| peer.relation == Relation::Local);
        if let Some(known) = listen.and_then(|listen| self.known.get_mut(&listen))
            && local
            && known.is_idle()
        {
            known.state = dial::State::Connected(key);
        }
        if was_gateway {
            self.hear_of_resignation(key, now, out);
        }
        self.judge_site(key, out);
        self.hear_of_gateway(key, now, out);
        self.hear_of_being_forgotten(key, now, out);
    }
}
