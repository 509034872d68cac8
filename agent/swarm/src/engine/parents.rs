//! The parents that a gateway fetches from, each with its own active upstream, rate and depth. Mostly there
//! is one.

use std::net::SocketAddr;

use narrows_protocol as protocol;

use super::Swarm;
use crate::picker::Division;
use crate::policy::gateway::{order_seed, term};
use crate::policy::pacing::Bucket;
use crate::policy::relation::Relation;
use crate::policy::trial::Trial;
use crate::{Action, PeerKey, Time};

/// A parent, as its gateway sees it.
#[derive(Debug)]
pub(super) struct Parent {
    /// The parent site; empty if the tracker did not say.
    pub(super) site: String,
    pub(super) upstreams: Vec<SocketAddr>,
    /// A link on the way is paused.
    pub(super) paused: bool,
    /// The upstream that we ask.
    pub(super) active: Option<PeerKey>,
    /// Bytes/s on the wire.
    pub(super) pace: Bucket,
    /// What its upstreams bring.
    pub(super) trial: Trial,
    /// The pace holds a request up.
    pub(super) waiting: bool,
    /// Last time it brought a block or asked for one, or something of ours held it up.
    pub(super) moved: Time,
    /// The memory for pieces is full.
    pub(super) crowded: bool,
    /// How long in this term nothing was asked of it, though nothing of ours held it up but what neighbours
    /// have.
    pub(super) idle: Time,
}

impl Parent {
    fn new(named: &protocol::Parent, now: Time) -> Parent {
        Parent {
            site: named.site.clone(),
            upstreams: named.upstreams.clone(),
            paused: named.paused,
            active: None,
            pace: Bucket::new(named.rate, now),
            trial: Trial::default(),
            waiting: false,
            moved: now,
            crowded: false,
            idle: Time::ZERO,
        }
    }
}

impl Swarm {
    /// Takes over the parents that the tracker named. Where one was named before, its state goes on.
    pub(super) fn set_parents(&mut self, now: Time, out: &mut Vec<Action>) {
        let mut old = std::mem::take(&mut self.parents);
        let mut left: Vec<PeerKey> = Vec::new();
        for named in &self.duty.parents {
            let active_of =
                |parent: &Parent| parent.active.and_then(|key| self.peers.get(&key)).map(|peer| peer.addr);
            let same = old.iter().position(|parent| {
                active_of(parent).is_some_and(|addr| named.upstreams.contains(&addr))
                    || parent.upstreams.iter().any(|addr| named.upstreams.contains(addr))
                    || (!named.site.is_empty() && parent.site == named.site)
            });
            let mut parent = Parent::new(named, now);
            if let Some(before) = same.map(|index| old.swap_remove(index)) {
                let kept = active_of(&before).is_some_and(|addr| named.upstreams.contains(&addr));
                parent.active = before.active.filter(|_| kept);
                parent.pace = before.pace;
                parent.trial = before.trial;
                parent.pace.set_rate(named.rate, now);
                (parent.waiting, parent.moved) = (before.waiting, before.moved);
                if before.paused && !named.paused {
                    parent.moved = now;
                }
                left.extend(before.active.filter(|_| !kept));
            }
            self.parents.push(parent);
        }
        left.extend(old.iter().filter_map(|parent| parent.active));
        for key in left {
            // one that is left altogether may finish what is on its way
            let stays = |addr| self.duty.upstreams().any(|upstream| upstream == addr);
            if self.peers.get(&key).is_some_and(|peer| stays(peer.addr)) {
                self.update_interest(key, out);
            }
        }
        self.look_nearby(now);
        if self.duty.is_gateway() {
            self.picker.set_division(Division {
                seed: order_seed(self.config.info_hash, &self.duty.site),
                me: self.me,
                roster: self.duty.roster.clone(),
                info_hash: self.config.info_hash,
                stripes: self.duty.stripes,
                parents: self.duty.parents.iter().map(|parent| parent.stripes.clone()).collect(),
            });
        }
    }

    /// The parent that an upstream's address belongs to.
    pub(super) fn parent_at(&self, addr: SocketAddr) -> Option<usize> {
        self.parents.iter().position(|parent| parent.upstreams.contains(&addr))
    }

    /// The parent that a peer belongs to; `None` unless it is an upstream of ours.
    pub(super) fn parent_of(&self, key: PeerKey) -> Option<usize> {
        let peer = self.peers.get(&key)?;
        self.parent_at(peer.addr).filter(|_| peer.relation == Relation::Upstream)
    }

    /// Whether a peer is the one that its parent asks.
    pub(super) fn is_active(&self, key: PeerKey) -> bool {
        self.parents.iter().any(|parent| parent.active == Some(key))
    }

    /// Whether we may fetch by this parent now.
    pub(super) fn is_open(&self, parent: usize) -> bool {
        self.is_fetching_wan() && self.parents.get(parent).is_some_and(|parent| !parent.paused)
    }

    /// Asks the active upstreams.
    pub(super) fn fill_upstreams(&mut self, now: Time, out: &mut Vec<Action>) {
        let active: Vec<PeerKey> = self.parents.iter().filter_map(|parent| parent.active).collect();
        for key in active {
            self.fill(key, now, out);
        }
    }
}

/// Whether a parent may fetch pieces of these other ones, which come before it: each has stood still for k
/// terms of its rate, k being how many they are. Never by count of what is left. `piece`: bytes of a piece.
pub(super) fn may_stand_in(
    parents: &[Parent],
    before: &mut dyn Iterator<Item = usize>,
    piece: u32,
    now: Time,
) -> bool {
    let (mut number, mut still, mut longest) = (0, Time::MAX, Time::ZERO);
    for parent in before.filter_map(|parent| parents.get(parent)) {
        number += 1;
        still = still.min(now.saturating_sub(parent.moved));
        longest = longest.max(term(piece, parent.pace.rate()));
    }
    number > 0 && still >= longest * number
}
