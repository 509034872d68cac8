//! Connections: beginning, class, end.

use std::collections::BTreeSet;
use std::net::IpAddr;

use narrows_wire::Message;

use super::peer::{Counted, Peer};
use super::{Swarm, dial};
use crate::policy::relation::{Facts, Relation, relation};
use crate::policy::sites::Whereabouts;
use crate::policy::{depth, liveness, places};
use crate::{Action, CloseReason, Origin, PeerKey, Time};

impl Swarm {
    pub(super) fn connected(&mut self, key: PeerKey, mut peer: Peer, now: Time, out: &mut Vec<Action>) {
        let (addr, origin, peer_id) = (peer.addr, peer.origin, peer.peer_id);
        peer.whereabouts = self.locate(&peer);
        if matches!(origin, Origin::Dialled(_)) {
            self.unreachable.connected(addr);
        }
        if let Some(reason) = self.refusal(&peer, now).or_else(|| self.make_room(&peer, now, out)) {
            out.push(Action::Close { peer: key, reason });
            self.dial_refused(addr, origin, reason, now);
            return;
        }
        if let Some(old) = self.duplicate_of(&peer) {
            // both sides come to the same result: the dial of the side with the lower peer id stays
            let ours_wins = self.config.peer_id < peer_id;
            let same_side = self.peers.get(&old).is_some_and(|old| old.origin == origin);
            // two dials that met; if the old one was silent for long, the peer may have lost it (another address,
            // a restart of its system) without our being told
            let met = self.peers.get(&old).is_some_and(|old| !liveness::is_gone(old.last_heard, now));
            if met && !same_side && matches!(origin, Origin::Dialled(_)) != ours_wins {
                out.push(Action::Close {
                    peer: key,
                    reason: CloseReason::Duplicate,
                });
                self.note_duplicate(addr, origin, old);
                return;
            }
            let listen = self.peers.get(&old).and_then(|old| old.listen);
            self.close(old, CloseReason::Duplicate, now, out);
            if let Some(known) = listen.and_then(|listen| self.known.get_mut(&listen)) {
                known.state = dial::State::Connected(key);
            }
        }
        if matches!(origin, Origin::Dialled(_)) {
            self.dial_succeeded(addr, key);
        }
        if peer.is_upstream_dial() {
            peer.parent_site = self.site_at(addr);
        }
        peer.probation = self.newcomer(peer.addr.ip(), now);
        self.picker.set_alone(key, self.blame.sends_alone(peer.addr.ip(), now));
        self.peers.insert(key, peer);
        self.mark(key, out);
        self.reclassify(key, now, out);
        self.shake_hands(key, out);
        self.choose_upstream(now, out);
        self.ask_for_rates(now, out);
        self.announcer.wake(&mut self.next_housekeeping, now);
    }

    /// Why a new connection is not wanted.
    fn refusal(&self, peer: &Peer, now: Time) -> Option<CloseReason> {
        let upstream = peer.is_upstream_dial();
        if self.paused {
            Some(CloseReason::Paused)
        } else if self.is_finished() {
            Some(CloseReason::Finished)
        } else if peer.peer_id == self.config.peer_id {
            Some(CloseReason::Myself)
        } else if self.is_banned(peer.addr.ip(), now) {
            Some(CloseReason::Banned)
        } else if peer.whereabouts == Whereabouts::Nowhere {
            Some(CloseReason::Unmapped(peer.addr.ip()))
        } else if upstream && !(self.left > 0 && self.parent_at(peer.addr).is_some()) {
            Some(CloseReason::NotAssigned)
        } else {
            None
        }
    }

    /// Finds a place for a new connection, where another one may have to give way; or says why it has none.
    fn make_room(&mut self, peer: &Peer, now: Time, out: &mut Vec<Action>) -> Option<CloseReason> {
        if peer.is_upstream_dial() || self.duplicate_of(peer).is_some() {
            return None;
        }
        let listed: BTreeSet<IpAddr> =
            self.known.iter().filter(|(_, known)| known.listed).map(|(addr, _)| addr.ip()).collect();
        let standing = |peer: &Peer| match peer.origin {
            Origin::Dialled(_) => places::Standing::Dialled,
            Origin::Accepted if listed.contains(&peer.addr.ip()) => places::Standing::Named,
            Origin::Accepted => places::Standing::Stranger,
        };
        let place = |(key, peer): (&PeerKey, &Peer)| places::Place {
            peer: *key,
            ip: peer.addr.ip(),
            standing: standing(peer),
            used: peer.used(now),
        };
        let taken: Vec<places::Place> = self.peers.iter().map(place).collect();
        let connected: BTreeSet<IpAddr> = taken.iter().map(|place| place.ip).collect();
        let (ip, limit) = (peer.addr.ip(), self.config.limits.connections);
        let awaited = listed.difference(&connected).count();
        match places::verdict(ip, standing(peer), &taken, limit, awaited, now) {
            places::Verdict::Enters => None,
            places::Verdict::InPlaceOf(other) => {
                self.close(other, CloseReason::GivesWay, now, out);
                None
            }
            places::Verdict::AllTaken => Some(CloseReason::TooMany),
            places::Verdict::AddressHasEnough => Some(CloseReason::TooManyOfAddress(ip)),
        }
    }

    /// Another connection to the same peer in the same role.
    fn duplicate_of(&self, new: &Peer) -> Option<PeerKey> {
        let same = |old: &Peer| old.is_same_peer(new) && old.is_upstream_dial() == new.is_upstream_dial();
        self.peers.iter().find(|(_, old)| same(old)).map(|(key, _)| *key)
    }

    /// Says what we have, who we are, and that the peer may ask. An agent that does not share says that it
    /// has nothing, and leaves all peers choked.
    fn shake_hands(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get(&key) else { return };
        let (have, shares) = (&self.config.have, self.shares());
        let mut send = |message| out.push(Action::Send { peer: key, message });
        match (peer.fast, have.is_full() && shares, have.is_empty() || !shares) {
            (true, true, _) => send(Message::HaveAll),
            (true, _, true) => send(Message::HaveNone),
            (false, _, true) => {}
            _ => send(Message::Bitfield(have.to_wire())),
        }
        if peer.extended {
            send(self.introduction(peer));
        }
        if shares {
            send(Message::Unchoke);
        }
    }

    /// Classifies a connection anew with what is known now.
    pub(super) fn reclassify(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get(&key) else { return };
        let listed = match peer.listen {
            Some(listen) => self.known.get(&listen).is_some_and(|known| known.is_listed_local()),
            None => {
                self.known.iter().any(|(addr, known)| addr.ip() == peer.addr.ip() && known.is_listed_local())
            }
        };
        let facts = Facts {
            origin: peer.origin,
            hello: peer.hello.as_ref(),
            whereabouts: peer.whereabouts,
            site: &self.duty.site,
            listed,
            foreign_tracker: self.foreign,
        };
        let (old, new) = (peer.relation, relation(facts));
        if old != new {
            if old == Relation::Local {
                self.count(key, false);
                self.abandon(key, out);
            }
            self.set_relation(key, new);
        }
        self.mark(key, out);
        if new == Relation::Local {
            self.count(key, true);
            self.update_interest(key, out);
            self.fill(key, now, out);
        }
    }

    fn set_relation(&mut self, key: PeerKey, new: Relation) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.relation = new;
        if new == Relation::Remote {
            if self.remote_copies.is_empty() {
                self.remote_copies = vec![0; self.config.lengths.piece_count() as usize];
            }
            for piece in peer.has.iter() {
                self.remote_copies[piece as usize] = self.remote_copies[piece as usize].saturating_add(1);
            }
        }
    }

    /// Lets a local peer count as holder of its pieces, or not any more.
    pub(super) fn count(&mut self, key: PeerKey, on: bool) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        match (peer.counted, on) {
            (None, true) if peer.relation == Relation::Local => {
                let (whole, word) = (peer.has.is_full(), peer.word());
                peer.counted = Some(Counted { whole, word });
                self.picker.add_holder(&peer.has, word);
            }
            (Some(Counted { whole, word }), false) => {
                peer.counted = None;
                self.picker.remove_holder(&peer.has, whole, word);
            }
            _ => {}
        }
    }

    /// Tells a peer whether we want something of it: of a local one if it has what we lack, of an upstream if
    /// it is the active one.
    pub(super) fn update_interest(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let fetching = self.is_fetching();
        let wan = self.is_active(key) && self.parent_of(key).is_some_and(|parent| self.is_open(parent));
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let want = match peer.relation {
            Relation::Local => fetching && peer.lacking > 0,
            Relation::Upstream => wan && peer.leaving.is_none(),
            Relation::Remote | Relation::Unknown => false,
        };
        if std::mem::replace(&mut peer.interested, want) != want {
            let message = if want {
                Message::Interested
            } else {
                Message::NotInterested
            };
            out.push(Action::Send { peer: key, message });
        }
    }

    /// Asks nothing more of a peer and lets others fetch what it had reserved. What is on its way stays
    /// welcome.
    pub(super) fn abandon(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let asked = peer.forget_asked();
        peer.open.clear();
        peer.late.truncate(depth::MAX_REQUESTS as usize);
        peer.late.extend(asked.iter().map(|asked| asked.block));
        let parent = self.parent_of(key);
        for asked in &asked {
            out.push(Action::Send {
                peer: key,
                message: Message::Cancel(asked.block),
            });
            self.picker.unask(key, asked.block);
            self.refund(parent, asked.block.len);
        }
        self.release(key, out);
    }

    /// Gives back what a peer had reserved.
    pub(super) fn release(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let keep = self.config.limits.memory / 2;
        let forgotten = self.picker.release(key, keep);
        let wasted = forgotten.iter().map(|piece| u64::from(self.config.lengths.piece_size(*piece))).sum();
        self.totals.wasted += wasted;
        self.uncredit(key, wasted);
        out.extend(forgotten.into_iter().map(|piece| Action::Discard { piece }));
    }

    /// Ends a connection ourselves.
    pub(super) fn close(&mut self, key: PeerKey, reason: CloseReason, now: Time, out: &mut Vec<Action>) {
        if self.peers.contains_key(&key) {
            out.push(Action::Close { peer: key, reason });
            self.remove(key, Some(reason), now, out);
        }
    }

    /// A connection ended.
    pub(super) fn closed(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        self.remove(key, None, now, out);
    }

    fn remove(&mut self, key: PeerKey, reason: Option<CloseReason>, now: Time, out: &mut Vec<Action>) {
        self.count(key, false);
        let Some(mut peer) = self.peers.remove(&key) else {
            return;
        };
        if peer.owed > Time::ZERO && peer.brought == peer.term_began && peer.probation.is_none() {
            self.credit.left(peer.addr.ip(), peer.owed, peer.brought == 0, now);
        }
        let parent = self.parent_at(peer.addr).filter(|_| peer.is_upstream_dial());
        for asked in peer.forget_asked() {
            self.picker.unask(key, asked.block);
            self.refund(parent, asked.block.len);
        }
        self.release(key, out);
        self.picker.set_alone(key, false);
        self.hang_up(&peer, key, reason, now);
        for parent in self.parents.iter_mut().filter(|parent| parent.active == Some(key)) {
            parent.active = None;
        }
        let broke = matches!(reason, None | Some(CloseReason::Idle | CloseReason::Silent));
        if broke && self.is_fetching() {
            if parent.is_some() {
                self.note_gone(peer.addr, now);
            }
            let refused = reason.is_none() && !peer.spoke && !peer.introduced;
            self.report_loss(&peer, refused, now, out);
        }
        if reason != Some(CloseReason::Paused) {
            self.choose_upstream(now, out);
            self.fill_all(now, out);
        }
    }

    /// Seeders have nothing to say to each other, and a non-sharing one nothing to any peer.
    pub(super) fn close_seeders(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.left > 0 {
            return;
        }
        let (all, reason) = if self.is_finished() {
            (true, CloseReason::Finished)
        } else {
            (false, CloseReason::BothSeeders)
        };
        let whole = |peer: &Peer| all || peer.has.is_full() || peer.relation == Relation::Upstream;
        let done: Vec<PeerKey> = self.peers.iter().filter(|(_, p)| whole(p)).map(|(key, _)| *key).collect();
        for key in done {
            self.close(key, reason, now, out);
        }
    }
}
