//! Which addresses to dial, and when again.

use std::net::SocketAddr;

use super::Swarm;
use super::peer::Peer;
use crate::policy::{backoff, liveness};
use crate::{Action, AnnounceReason, Class, CloseReason, DialError, Origin, PeerKey, Time};

/// An address to dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) class: Class,
    /// In the last list of its class that the tracker handed out.
    pub(super) listed: bool,
    pub(super) state: State,
    /// An upstream that was asked, or kept from asking, and brought nothing: that it takes connections does not
    /// make it one that answers. A block does.
    pub(super) let_down: bool,
    /// Dials in a row that came to nothing.
    failures: u32,
    /// Not before.
    pub(super) due: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Idle,
    Dialling,
    Connected(PeerKey),
    /// Ourselves, or a seeder as we are: nothing to say.
    Done,
}

/// A seeder waits for leechers to dial it, and dials those that cannot.
const SEEDER_WAITS: Time = Time::from_secs(5);
/// Between two announces of which the second names another peer that is gone.
const NEWS: Time = Time::from_millis(500);

impl Known {
    pub(super) fn new(class: Class, due: Time) -> Known {
        Known {
            class,
            listed: true,
            state: State::Idle,
            let_down: false,
            failures: 0,
            due,
        }
    }

    pub(super) fn is_listed_local(&self) -> bool {
        self.listed && self.class == Class::Local
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }
}

impl Swarm {
    /// Takes over the lists of the last good announce.
    pub(super) fn list(&mut self, local: &[SocketAddr], now: Time) {
        for known in self.known.values_mut() {
            known.listed = false;
        }
        let due = if self.left == 0 { now + SEEDER_WAITS } else { now };
        let upstreams = self.duty.upstreams().map(|addr| (addr, Class::Upstream));
        for (addr, class) in local.iter().map(|addr| (*addr, Class::Local)).chain(upstreams) {
            if addr == self.me || addr == self.config.listen {
                continue;
            }
            let known = self.known.entry(addr).or_insert_with(|| Known::new(class, due));
            known.listed = true;
            if known.class != class {
                *known = Known::new(class, due);
            }
        }
        self.known
            .retain(|_, known| known.listed || matches!(known.state, State::Connected(_) | State::Dialling));
    }

    /// Dials what is due.
    pub(super) fn dial(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.paused || self.is_finished() {
            return;
        }
        let limit = self.config.limits.dialled.min(self.config.limits.connections);
        let under_way = self.known.values().filter(|known| known.state == State::Dialling).count();
        // who comes unasked does not keep us from peers that the tracker named: at most half of our dials
        let is_stranger = |peer: &&Peer| {
            let listed =
                peer.listen.and_then(|listen| self.known.get(&listen)).is_some_and(|known| known.listed);
            peer.origin == Origin::Accepted && !listed
        };
        let strangers = self.peers.values().filter(is_stranger).count();
        let taken = self.peers.len() - strangers + strangers.min(limit / 2);
        let mut room = limit.saturating_sub(taken + under_way);
        let gateway = self.is_fetching_wan();
        let banned = |addr: &SocketAddr| self.blame.is_banned(addr.ip(), now);
        for (addr, known) in &mut self.known {
            let wanted = match known.class {
                Class::Upstream => gateway,
                Class::Local => room > 0,
            };
            if known.listed && known.is_idle() && now >= known.due && wanted && !banned(addr) {
                known.state = State::Dialling;
                room = room.saturating_sub(1);
                out.push(Action::Dial {
                    addr: *addr,
                    class: known.class,
                });
            }
        }
    }

    pub(super) fn dial_succeeded(&mut self, addr: SocketAddr, key: PeerKey) {
        if let Some(known) = self.known.get_mut(&addr) {
            known.state = State::Connected(key);
        }
        if !self.has_let_down(addr) {
            self.gone.remove(&addr);
        }
    }

    pub(super) fn has_let_down(&self, addr: SocketAddr) -> bool {
        self.known.get(&addr).is_some_and(|known| known.let_down)
    }

    /// An upstream brought nothing although it was its turn.
    pub(super) fn let_down(&mut self, addr: SocketAddr, now: Time) {
        if let Some(known) = self.known.get_mut(&addr) {
            known.let_down = true;
        }
        self.note_gone(addr, now);
    }

    pub(super) fn dial_failed(&mut self, addr: SocketAddr, why: DialError, now: Time, out: &mut Vec<Action>) {
        // one that has left the list since it was dialled does not matter any more
        if self.known.get(&addr).is_some_and(|known| known.listed) {
            self.unreachable.failed(addr, why, now);
        }
        self.put_off(addr, now);
        self.note_gone(addr, now);
        self.check_starved(now, out);
    }

    /// We did not take the connection that we dialled.
    pub(super) fn dial_refused(&mut self, addr: SocketAddr, origin: Origin, reason: CloseReason, now: Time) {
        if matches!(origin, Origin::Dialled(_)) {
            self.put_off(addr, now);
            if reason == CloseReason::Myself
                && let Some(known) = self.known.get_mut(&addr)
            {
                known.state = State::Done;
            }
        }
    }

    /// The peer that we dialled is connected already.
    pub(super) fn note_duplicate(&mut self, addr: SocketAddr, origin: Origin, other: PeerKey) {
        if matches!(origin, Origin::Dialled(_)) {
            self.dial_succeeded(addr, other);
            if let Some(peer) = self.peers.get_mut(&other) {
                peer.listen.get_or_insert(addr);
            }
        }
    }

    /// A connection ended: when to dial again.
    pub(super) fn hang_up(&mut self, peer: &Peer, key: PeerKey, reason: Option<CloseReason>, now: Time) {
        let done = reason == Some(CloseReason::BothSeeders) || (self.left == 0 && peer.has.is_full());
        let theirs: Vec<SocketAddr> = self
            .known
            .iter()
            .filter(|(_, known)| known.state == State::Connected(key))
            .map(|(addr, _)| *addr)
            .collect();
        for addr in theirs {
            if peer.useful
                && let Some(known) = self.known.get_mut(&addr)
            {
                known.failures = 0;
            }
            self.put_off(addr, now);
            if done && let Some(known) = self.known.get_mut(&addr) {
                known.state = State::Done;
            }
        }
    }

    fn put_off(&mut self, addr: SocketAddr, now: Time) {
        let Some(known) = self.known.get_mut(&addr) else {
            return;
        };
        known.state = State::Idle;
        known.failures += 1;
        let backoff = match known.class {
            Class::Upstream => backoff::UPSTREAM,
            Class::Local => backoff::DIAL,
        };
        let wait = backoff.wait(known.failures, &mut self.rng);
        known.due = now + wait;
        self.next_housekeeping = self.next_housekeeping.min(known.due);
    }

    /// A peer that the tracker handed out does not answer.
    pub(super) fn note_gone(&mut self, addr: SocketAddr, now: Time) {
        if self.known.get(&addr).is_some_and(|known| known.listed) {
            self.announcer.news |= self.gone.insert(addr, now).is_none();
        }
    }

    /// Those that did not answer lately, the latest first.
    pub(super) fn gone_now(&self) -> Vec<SocketAddr> {
        let mut gone: Vec<(Time, SocketAddr)> = self.gone.iter().map(|(addr, at)| (*at, *addr)).collect();
        gone.sort_unstable_by(|a, b| b.cmp(a));
        gone.into_iter().take(liveness::MAX_GONE).map(|(_, addr)| addr).collect()
    }

    /// A gateway without an upstream that answers says so at once; also one of whose parents no upstream
    /// answers.
    pub(super) fn check_starved(&mut self, now: Time, out: &mut Vec<Action>) {
        if !self.is_fetching_wan() || (self.has_seed_nearby() && !self.duty.slow_supply) {
            return;
        }
        let open = self.parents.iter().filter(|parent| !parent.paused);
        let (mut fed, mut starved) = (0, 0);
        for parent in open.filter(|parent| !parent.upstreams.is_empty()) {
            let theirs = |addr: &SocketAddr| parent.upstreams.contains(addr);
            let answers = |peer: &Peer| {
                let serves = peer.silent.is_none() && !self.has_let_down(peer.addr);
                peer.is_upstream_dial() && theirs(&peer.addr) && serves
            };
            let untried = |(addr, known): (&SocketAddr, &Known)| {
                theirs(addr)
                    && known.listed
                    && known.failures == 0
                    && matches!(known.state, State::Idle | State::Dialling)
            };
            if self.peers.values().any(answers) || self.known.iter().any(untried) {
                fed += 1;
            } else {
                starved += 1;
            }
        }
        if starved > 0 && fed == 0 {
            self.stall(now, out);
        } else if starved > 0 && self.may_complain(now) {
            self.announce(AnnounceReason::Gone, now, out);
        }
    }

    fn has_seed_nearby(&self) -> bool {
        self.peers.values().any(Peer::is_credited_seed)
    }

    /// Says that we cannot go on, not too often.
    pub(super) fn stall(&mut self, now: Time, out: &mut Vec<Action>) {
        self.announcer.stalled = true;
        if self.may_complain(now) {
            self.announce(AnnounceReason::Stalled, now, out);
        }
    }

    /// Whether it is time to say again that something is wrong: when there is news of it, and by a back-off.
    fn may_complain(&mut self, now: Time) -> bool {
        let announcer = &mut self.announcer;
        let news = announcer.news && now >= announcer.complained + NEWS;
        if now < announcer.stall_due && !news {
            return false;
        }
        if now >= announcer.stall_due {
            announcer.stalls += 1;
        }
        announcer.complained = now;
        announcer.stall_due = now + backoff::STALLED.wait(announcer.stalls, &mut self.rng);
        true
    }
}
