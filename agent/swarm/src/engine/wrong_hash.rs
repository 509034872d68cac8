//! Pieces that came with a wrong hash, and being unable to fetch.

use std::net::IpAddr;

use bytes::Bytes;
use narrows_wire::Message;

use super::Swarm;
use crate::picker::Source;
use crate::policy::blame::Verdict;
use crate::{Action, AnnounceReason, CloseReason, Fault, Misdeed, PeerKey, State, Time};

impl Swarm {
    /// The hash is wrong. A peer that sent the piece alone is not asked for it for a while; with several
    /// senders it is asked of one alone next time.
    pub(super) fn wrong(&mut self, piece: u32, sources: &[Source], now: Time, out: &mut Vec<Action>) {
        self.totals.hash_failures += 1;
        self.totals.wasted += u64::from(self.config.lengths.piece_size(piece));
        for source in sources {
            self.uncredit(
                source.peer,
                u64::from(source.blocks) * u64::from(narrows_wire::BLOCK_LEN),
            );
        }
        let [source] = sources else {
            for source in sources {
                self.blame.mixed(source.ip, now);
                self.keep_apart(source.ip, now);
                if self.blame.sends_alone(source.ip, now) {
                    let begun = self.picker.forget_begun_by(source.ip);
                    out.extend(begun.into_iter().map(|piece| Action::Discard { piece }));
                }
            }
            return;
        };
        let ip = source.ip;
        let agent = self.peers.get(&source.peer).and_then(|peer| peer.hello.as_ref());
        out.push(Action::Name {
            misdeed: Misdeed::WrongPieces,
            ip,
            agent: agent.map(|hello| hello.agent.clone()),
        });
        self.complain(source.peer, piece, out);
        match self.blame.wrong(piece, ip, now, &mut self.rng) {
            Verdict::Shun(_) => {
                for key in self.at(ip) {
                    self.set_offer(key, piece, false, out);
                }
            }
            Verdict::Ban(until) => {
                for key in self.at(ip) {
                    self.close(key, CloseReason::WrongData, now, out);
                }
                let until = Some(until);
                out.push(Action::Ban { ip, until });
            }
        }
    }

    /// Tells an agent that what it sent has a wrong hash: it looks at its disk again.
    fn complain(&self, key: PeerKey, piece: u32, out: &mut Vec<Action>) {
        if let Some(id) = self.peers.get(&key).and_then(|peer| peer.takes.wrong) {
            let payload = Bytes::copy_from_slice(&piece.to_be_bytes());
            let message = Message::Extended { id, payload };
            out.push(Action::Send { peer: key, message });
        }
    }

    /// A peer says that a piece from us was wrong. That is looked into if it took that many bytes from us:
    /// our disk decides, and no peer can make us read more than we have sent.
    pub(super) fn complained(
        &mut self,
        key: PeerKey,
        payload: &[u8],
        out: &mut Vec<Action>,
    ) -> Result<(), &'static str> {
        let Some(piece) = payload.try_into().ok().map(u32::from_be_bytes) else {
            return Err("a complaint that names no piece");
        };
        let size = u64::from(self.config.lengths.piece_size(piece));
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(());
        };
        let taken = u64::from(self.config.lengths.piece_size(0)) * u64::from(peer.complaints) + size;
        if size > 0 && self.config.have.has(piece) && taken <= peer.sent {
            peer.complaints += 1;
            out.push(Action::Doubt { piece, by: key });
        }
        Ok(())
    }

    /// A piece is right: the addresses that sent it wrong before may have it.
    pub(super) fn settle(&mut self, piece: u32, out: &mut Vec<Action>) {
        for ip in self.blame.right(piece) {
            for key in self.at(ip) {
                self.set_offer(key, piece, true, out);
            }
        }
    }

    /// Asks again, where the time has come, for pieces that were wrong.
    pub(super) fn forgive(&mut self, now: Time, out: &mut Vec<Action>) {
        for (piece, ip) in self.blame.forgiven(now) {
            for key in self.at(ip) {
                self.set_offer(key, piece, true, out);
            }
            self.choose_upstream(now, out);
            self.fill_all(now, out);
        }
    }

    /// What a peer that just said what it has is not asked for.
    pub(super) fn withhold(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let Some(ip) = self.peers.get(&key).map(|peer| peer.addr.ip()) else {
            return;
        };
        let shunned: Vec<u32> = self.blame.shunned_of(ip).collect();
        for piece in shunned {
            self.set_offer(key, piece, false, out);
        }
    }

    /// A peer brought a right piece alone, or pieces with a part of its own were wrong.
    pub(super) fn keep_apart(&mut self, ip: IpAddr, now: Time) {
        let alone = self.blame.sends_alone(ip, now);
        for key in self.at(ip) {
            self.picker.set_alone(key, alone);
        }
    }

    fn at(&self, ip: IpAddr) -> Vec<PeerKey> {
        let there = self.peers.iter().filter(|(_, peer)| peer.addr.ip() == ip);
        there.map(|(key, _)| *key).collect()
    }

    /// Lets a peer count as one that has a piece, or not.
    fn set_offer(&mut self, key: PeerKey, piece: u32, on: bool, out: &mut Vec<Action>) {
        let counted = self.peers.get(&key).is_some_and(|peer| peer.counted.is_some());
        self.count(key, false);
        if let Some(peer) = self.peers.get_mut(&key) {
            let changed = if on {
                peer.has.set(piece)
            } else {
                peer.has.unset(piece)
            };
            if changed && !self.config.have.has(piece) {
                peer.lacking = if on {
                    peer.lacking + 1
                } else {
                    peer.lacking.saturating_sub(1)
                };
            }
        }
        if counted {
            self.count(key, true);
        }
        self.update_interest(key, out);
    }

    /// What keeps us from fetching: the disk, or a piece that is wrong wherever we can ask, while nothing
    /// else is to be had.
    pub(super) fn obstacle(&self) -> Option<Fault> {
        if self.fault.is_some() || self.left == 0 {
            return self.fault;
        }
        let (piece, addresses, _) = self.blame.blocked()?;
        let offers = self.peers.values().any(|peer| peer.lacking > 0);
        (!offers).then_some(Fault::WrongHash {
            piece,
            addresses: u32::try_from(addresses).unwrap_or(u32::MAX),
        })
    }

    /// Tells tracker and neighbours at once that we cannot fetch any more, or can again: another one is to be
    /// gateway.
    pub(super) fn tell_ability(&mut self, now: Time, out: &mut Vec<Action>) {
        let able = self.state() != State::Error;
        if std::mem::replace(&mut self.able, able) == able || !self.announcer.started || self.paused {
            return;
        }
        self.tell_role(out);
        self.announce(AnnounceReason::Ability, now, out);
    }
}
