//! What time brings: tokens, silence, keep-alives, dials, announces.

use narrows_wire::Message;

use super::Swarm;
use super::peer::Peer;
use crate::policy::owing::Owing;
use crate::policy::relation::Relation;
use crate::policy::{depth, liveness};
use crate::{Action, AnnounceReason, CloseReason, PeerKey, Time};

/// Between two rounds of housekeeping while something moves.
pub(super) const BUSY: Time = Time::from_millis(100);
/// The same while nothing does.
const QUIET: Time = Time::from_secs(1);

/// Between two rounds in which every peer with room is asked.
const ROUND: Time = Time::from_secs(1);

const KEEPALIVE: Time = Time::from_secs(60);
const IDLE: Time = Time::from_secs(180);
/// How long a peer may owe us blocks, at least.
const LOCAL_PATIENCE: Time = Time::from_secs(10);
/// How long a silent peer is not asked again.
pub(super) const SNUB_REST: Time = Time::from_secs(4);
/// How long after that a local holder counts no more.
const USELESS: Time = Time::from_secs(20);
/// How long blocks of a silent upstream are still waited for before it is closed and dialled anew.
const UPSTREAM_LINGERS: Time = Time::from_secs(5);

impl Swarm {
    pub(super) fn tick(&mut self, now: Time, out: &mut Vec<Action>) {
        let waiting: Vec<PeerKey> = self
            .parents
            .iter_mut()
            .filter_map(|parent| parent.active.filter(|_| std::mem::take(&mut parent.waiting)))
            .collect();
        if std::mem::take(&mut self.waiting.down) {
            self.fill_all(now, out);
        } else {
            for key in waiting {
                self.fill(key, now, out);
            }
        }
        if self.waiting.up {
            self.serve(now, out);
        }
    }

    /// Everything that need not happen to the millisecond.
    pub(super) fn housekeeping(&mut self, now: Time, out: &mut Vec<Action>) {
        if liveness::have_slept(self.next_housekeeping, now) {
            self.wake_up(now, out);
        }
        self.down.fold(now);
        self.up.fold(now);
        self.gone.retain(|_, at| now < *at + liveness::GONE);
        let known = &self.known;
        self.unreachable.look(now, |addr| known.get(&addr).is_some_and(|known| known.listed));
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        let mut moves = false;
        for key in keys {
            moves |= self.look_after(key, now, out);
        }
        self.forgive(now, out);
        self.look_nearby(now);
        self.choose_upstream(now, out);
        self.try_spares(now, out);
        self.await_first_blocks(now);
        // a takeover may have become due, or an upstream's time out
        self.fill_upstreams(now, out);
        self.look_at_supply(now, out);
        // and pieces that crawl get help, though blocks come
        if self.picker.is_stalled(now) || now >= self.next_round {
            self.next_round = now + ROUND;
            self.fill_all(now, out);
        }
        self.meet_again(now, out);
        self.dial(now, out);
        self.check_starved(now, out);
        self.check_stalled(now, out);
        self.announce_due(now, out);
        self.ask_for_rates(now, out);
        moves |= self.is_fetching() && !self.peers.is_empty();
        self.next_housekeeping = now + if moves { BUSY } else { QUIET };
    }

    /// One peer's clocks; whether something moves there.
    fn look_after(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) -> bool {
        let Some(peer) = self.peers.get_mut(&key) else {
            return false;
        };
        peer.down.fold(now);
        if now >= peer.last_heard + IDLE {
            self.close(key, CloseReason::Idle, now, out);
            return false;
        }
        let keepalive = if (self.introduced_as.gateway && peer.is_local_agent()) || peer.is_remote_agent() {
            liveness::SPEAKS
        } else {
            KEEPALIVE
        };
        if now >= peer.last_said + keepalive {
            peer.last_said = now;
            out.push(Action::Send {
                peer: key,
                message: Message::KeepAlive,
            });
        }
        let moves = !peer.asked.is_empty() || !peer.queue.is_idle();
        if peer.leaving.is_some() {
            self.leave_if_done(key, now, out);
            return true;
        }
        // its keep-alives are missing: the tracker names a successor, or others to fetch from. An upstream
        // that owes us blocks has longer where a block takes long.
        let owes_words = peer.is_local_gateway() || (peer.is_upstream_agent() && peer.asked.is_empty());
        if owes_words && liveness::is_gone(peer.last_heard, now) && self.is_fetching() {
            self.close(key, CloseReason::Silent, now, out);
            return true;
        }
        let Some(peer) = self.peers.get(&key) else {
            return false;
        };
        if is_silent(peer, now) {
            self.snub(key, now, out);
        }
        self.check_useless(key, now, out);
        moves
    }

    /// A peer owes us blocks and sends none: others get its pieces, and it is asked for one block at a time.
    fn snub(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.snubbed = Some(now);
        peer.owing.disappoints();
        peer.bad_until = now + SNUB_REST;
        let (addr, upstream) = (peer.addr, peer.is_upstream_dial());
        if upstream {
            peer.silent = Some(now);
            self.let_down(addr, now);
        }
        self.abandon(key, out);
        self.choose_upstream(now, out);
        self.fill_all(now, out);
        self.check_starved(now, out);
    }

    /// We were stopped, or the machine slept: the silence of others was ours, and another gateway may have
    /// been named.
    fn wake_up(&mut self, now: Time, out: &mut Vec<Action>) {
        for peer in self.peers.values_mut() {
            (peer.last_heard, peer.last_block) = (now, now);
            peer.owing = Owing::default();
        }
        for parent in &mut self.parents {
            parent.moved = now;
        }
        if self.is_fetching() && self.duty.is_gateway() {
            self.in_doubt = true;
            self.announce(AnnounceReason::Doubt, now, out);
        }
    }

    /// A local peer that gives nothing for long does not count as holder, so that its pieces come from
    /// elsewhere; an upstream that stays silent is dialled anew.
    fn check_useless(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get(&key) else { return };
        let silent = peer.snubbed.is_some_and(|since| now >= since + USELESS);
        let closes = peer.silent.is_some_and(|since| now >= since + UPSTREAM_LINGERS) || silent;
        let choking = peer.choking.is_some_and(|since| now >= since + USELESS);
        match peer.relation {
            Relation::Upstream if closes => {
                self.close(key, CloseReason::Silent, now, out);
            }
            Relation::Local if (silent || choking) && peer.counted.is_some() => {
                self.count(key, false);
                self.fill_all(now, out);
            }
            _ => {}
        }
    }
}

/// Whether a peer has owed us blocks for longer than it could take.
fn is_silent(peer: &Peer, now: Time) -> bool {
    let patience = if peer.relation == Relation::Upstream {
        liveness::upstream_patience(peer.asked_bytes, peer.rate_then)
    } else {
        depth::patience(peer.asked_bytes, peer.rate_then, LOCAL_PATIENCE)
    };
    !peer.asked.is_empty() && now >= peer.last_block + patience
}
