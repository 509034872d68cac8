//! When to announce, and what is lost.

use std::net::SocketAddr;

use super::Swarm;
use super::peer::Peer;
use crate::policy::backoff;
use crate::policy::relation::Relation;
use crate::{Action, AnnounceReason, PeerKey, Time};

/// When the next announce is due and what it has to say.
#[derive(Debug)]
pub(super) struct Announcer {
    /// The first one went out.
    pub(super) started: bool,
    /// When to announce regularly.
    next: Time,
    min_interval: Time,
    /// The last good one.
    last: Option<Time>,
    /// Asked for and not answered yet.
    under_way: bool,
    failures: u32,
    /// The tenth of the content that the last one reported.
    tenth: u64,
    pub(super) stalled: bool,
    pub(super) stalls: u32,
    pub(super) stall_due: Time,
    /// When we last said that something is wrong.
    pub(super) complained: Time,
    /// A peer is gone that no announce has named.
    pub(super) news: bool,
    pub(super) lost: Option<SocketAddr>,
    /// The next answer is to an announce that did not say what is lost.
    lost_unsaid: bool,
}

impl Announcer {
    pub(super) fn new(now: Time) -> Announcer {
        Announcer {
            started: false,
            next: now,
            min_interval: Time::from_secs(10),
            last: None,
            under_way: false,
            failures: 0,
            tenth: 0,
            stalled: false,
            stalls: 0,
            stall_due: now,
            complained: now,
            news: false,
            lost: None,
            lost_unsaid: false,
        }
    }

    /// A good answer came.
    pub(super) fn answered(
        &mut self,
        interval: Time,
        min_interval: Time,
        lease_ends: Option<Time>,
        now: Time,
    ) {
        self.min_interval = min_interval.clamp(Time::from_millis(100), Time::from_secs(3600));
        // a lease is renewed well before it ends
        let lease = lease_ends.map_or(interval, |ends| ends.saturating_sub(now).mul_f64(0.7));
        self.next = now + interval.min(lease).max(Time::from_millis(250));
        self.last = Some(now);
        self.under_way = false;
        self.failures = 0;
        if !std::mem::take(&mut self.lost_unsaid) {
            self.lost = None;
        }
    }

    /// No answer: try again soon, and soon enough to find a tracker that comes back. Meanwhile all agents go
    /// on as before: a gateway stays one although its lease runs out, and no agent takes the place of one
    /// that dies, because two could; its site then lives on what it has until the tracker is back.
    fn failed<R: rand::Rng>(&mut self, gateway: bool, now: Time, rng: &mut R) {
        let backoff = if gateway {
            backoff::ANNOUNCE_GATEWAY
        } else {
            backoff::ANNOUNCE
        };
        self.under_way = false;
        self.failures += 1;
        self.next = now + backoff.wait(self.failures, rng);
    }

    pub(super) fn wake(&self, housekeeping: &mut Time, now: Time) {
        *housekeeping = (*housekeeping).min(now + super::housekeeping::BUSY);
    }

    /// Whether a question would not go out beside another one, or to a tracker that does not answer.
    pub(super) fn may_ask(&self) -> bool {
        self.started && !self.under_way && self.failures == 0
    }

    pub(super) fn next(&self) -> Time {
        self.next
    }
}

impl Swarm {
    pub(super) fn announce(&mut self, reason: AnnounceReason, now: Time, out: &mut Vec<Action>) {
        // not again before this one is answered, or long overdue
        self.announcer.under_way = true;
        self.announcer.news = false;
        self.announcer.tenth = self.tenths();
        if self.sends_across() {
            self.rates_asked = Some(now);
        }
        self.announcer.next = now + Time::from_secs(60);
        out.push(Action::Announce(reason));
    }

    pub(super) fn announce_failed(&mut self, now: Time, out: &mut Vec<Action>) {
        self.announcer.failed(self.duty.is_gateway(), now, &mut self.rng);
        if std::mem::take(&mut self.in_doubt) {
            self.choose_upstream(now, out);
            self.fill_upstreams(now, out);
        }
    }

    /// Announces what is due.
    pub(super) fn announce_due(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.paused {
            return;
        }
        if !self.announcer.started {
            self.announcer.started = true;
            return self.announce(AnnounceReason::Started, now, out);
        }
        if now >= self.announcer.next {
            return self.announce(AnnounceReason::Regular, now, out);
        }
        let Some(last) =
            self.announcer.last.filter(|_| !self.announcer.under_way && self.announcer.failures == 0)
        else {
            return;
        };
        if !self.is_fetching() || now < last + self.announcer.min_interval {
            return;
        }
        if self.lacks_peers() {
            self.announce(AnnounceReason::MorePeers, now, out);
        } else if self.tenths() > self.announcer.tenth {
            // at most ten announces more, for what is shown of a rollout to be true between regular ones
            self.announce(AnnounceReason::Regular, now, out);
        }
    }

    /// How many tenths of its bytes are verified.
    fn tenths(&self) -> u64 {
        let total = self.config.lengths.total();
        // no product overflows: 2^60 bytes are more than any content
        total.saturating_sub(self.left).saturating_mul(10) / total.max(1)
    }

    /// Whether an announce could help: there is no peer to fetch from, or none of one of our parents, or
    /// there is one that the tracker has not handed out.
    fn lacks_peers(&self) -> bool {
        let fetches = |peer: &Peer| matches!(peer.relation, Relation::Local | Relation::Upstream);
        let unknown = |peer: &Peer| peer.relation == Relation::Unknown && peer.lacking > 0;
        let unfed = |parent: &super::Parent| !parent.paused && parent.upstreams.is_empty();
        !self.peers.values().any(fetches)
            || self.peers.values().any(unknown)
            || self.parents.iter().any(unfed)
    }

    /// The connection to a peer broke: if it is our gateway, the tracker must know at once. One that has
    /// `refused` us has no room for us, and is not lost.
    pub(super) fn report_loss(&mut self, peer: &Peer, refused: bool, now: Time, out: &mut Vec<Action>) {
        let duplicate = self.peers.values().any(|other| other.is_same_peer(peer));
        if peer.relation == Relation::Local && !duplicate && !refused {
            let listed = self.duty.roster.iter().copied();
            let gateway = listed
                .chain(peer.listen.filter(|_| peer.is_local_gateway()))
                .find(|gateway| is_at(peer, *gateway));
            if let Some(gateway) = gateway.filter(|gateway| *gateway != self.me) {
                self.announcer.lost = Some(gateway);
                self.announcer.lost_unsaid = self.announcer.under_way;
                self.announce(AnnounceReason::Lost(gateway), now, out);
            }
        }
        if peer.relation == Relation::Upstream {
            self.check_starved(now, out);
        }
    }

    /// The gateway of our site that we are connected to.
    pub(super) fn connected_gateway(&self) -> Option<SocketAddr> {
        let nearby = |addr: SocketAddr| {
            self.peers.values().any(|peer| peer.relation == Relation::Local && is_at(peer, addr))
        };
        self.duty.roster.iter().copied().find(|gateway| *gateway != self.me && nearby(*gateway))
    }

    /// A peer sent us what we lacked: the tracker is told which gateway of our site that was.
    pub(super) fn note_brought(&mut self, key: PeerKey, bytes: u64) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.relation == Relation::Local) else {
            return;
        };
        if let Some(gateway) = self.duty.roster.iter().find(|gateway| is_at(peer, **gateway)) {
            *self.brought.entry(*gateway).or_default() += bytes;
        }
    }

    /// What each gateway of our site sent us, where there are several.
    pub(super) fn brought_now(&self) -> Vec<(SocketAddr, u64)> {
        let roster = self.duty.roster.iter().filter(|_| self.duty.roster.len() > 1);
        let others = roster.filter(|gateway| **gateway != self.me);
        others.map(|gateway| (*gateway, self.brought.get(gateway).copied().unwrap_or(0))).collect()
    }

    /// Whether we are stuck: nothing is on its way, no peer has what we lack, and nothing has moved for long
    /// enough.
    pub(super) fn check_stalled(&mut self, now: Time, out: &mut Vec<Action>) {
        if !self.is_fetching() || self.announcer.last.is_none() {
            return;
        }
        let quiet = now.saturating_sub(self.last_progress);
        let patience = if self.duty.is_gateway() {
            // a parent that itself waits for the next piece is no reason
            Time::from_secs(30)
                .max(crate::policy::gateway::term(self.config.lengths.piece_length(), self.duty.rate) * 2)
        } else if self.connected_gateway().is_some() {
            // its gateway would say so itself
            Time::from_secs(90)
        } else {
            Time::from_secs(10)
        };
        let pause = self.duty.paused && (self.duty.is_gateway() || self.connected_gateway().is_some());
        if quiet >= patience && !pause {
            self.stall(now, out);
        }
    }

    pub(super) fn pause(&mut self, now: Time, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.paused, true) {
            return;
        }
        self.stop_fetching(out);
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.close(key, crate::CloseReason::Paused, now, out);
        }
        if self.announcer.started {
            self.announce(AnnounceReason::Stopped, now, out);
        }
    }

    pub(super) fn resume(&mut self, now: Time) {
        if !std::mem::replace(&mut self.paused, false) {
            return;
        }
        self.announcer.started = false;
        self.last_progress = now;
        self.next_housekeeping = now;
    }
}

/// Whether a peer is the one that listens there.
pub(super) fn is_at(peer: &Peer, addr: SocketAddr) -> bool {
    match peer.listen {
        Some(listen) => listen == addr,
        None => peer.addr.ip() == addr.ip(),
    }
}
