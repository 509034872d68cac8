//! The peers of one site: by class, so that counting, choosing at random and "seeders first" cost nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::peer::{Class, Peer, Tick};
use crate::endpoint::Endpoint;
use crate::hash::Draw;

/// Most records that are looked at when the best-supplied peer has gone.
const SAMPLE: usize = 64;

#[derive(Debug)]
pub(crate) struct Peers {
    classes: [IndexMap<Endpoint, Peer, RandomState>; 5],
    /// Everybody who shares in the order of addresses, in sites with more than `ring_from` of them.
    ring: BTreeSet<Endpoint>,
    ring_from: usize,
    /// Second addresses of agents.
    others: HashMap<Endpoint, Endpoint, RandomState>,
    agents: u32,
    tally: Tally,
    /// Who of those that share and are without everything lacks least.
    best: Option<(u64, Endpoint)>,
}

/// Sums over all peers of a site, so that nobody has to walk them while announces wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    /// Bytes that those lack who say it.
    pub(crate) lacking: u128,
    /// How many do not say what they lack.
    pub(crate) silent: u32,
    /// How many are on the starvation ladder.
    pub(crate) starving: u32,
    /// How many wanted something when they came, or since.
    pub(crate) wanted: u32,
    /// Bytes that agents had before they fetched any.
    pub(crate) reused: u128,
}

impl Tally {
    fn add(&mut self, left: u64) {
        match left {
            u64::MAX => self.silent += 1,
            left => self.lacking += u128::from(left),
        }
    }

    fn remove(&mut self, left: u64) {
        match left {
            u64::MAX => self.silent -= 1,
            left => self.lacking -= u128::from(left),
        }
    }
}

fn reused(peer: &Peer) -> u128 {
    peer.agent.as_ref().map_or(0, |agent| agent.reused.into())
}

impl Peers {
    pub(crate) fn new(ring_from: usize) -> Peers {
        Peers {
            classes: Default::default(),
            ring: BTreeSet::new(),
            ring_from,
            others: HashMap::default(),
            agents: 0,
            tally: Tally::default(),
            best: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.classes.iter().map(IndexMap::len).sum()
    }

    /// How many serve others.
    pub(crate) fn sharers(&self) -> usize {
        let sharing = Class::ALL.into_iter().filter(|class| class.shares());
        sharing.map(|class| self.count(class)).sum()
    }

    pub(crate) fn count(&self, class: Class) -> usize {
        self.classes[class as usize].len()
    }

    /// How many agents are among them.
    pub(crate) fn agents(&self) -> u32 {
        self.agents
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// The key of the peer with this address.
    pub(crate) fn resolve(&self, at: Endpoint) -> Option<Endpoint> {
        if self.find(at).is_some() {
            Some(at)
        } else {
            self.others.get(&at).copied()
        }
    }

    pub(crate) fn find(&self, at: Endpoint) -> Option<(Class, &Peer)> {
        Class::ALL
            .into_iter()
            .find_map(|class| Some((class, self.classes[class as usize].get(&at)?)))
    }

    pub(crate) fn find_mut(&mut self, at: Endpoint) -> Option<&mut Peer> {
        self.classes.iter_mut().find_map(|class| class.get_mut(&at))
    }

    pub(crate) fn at(&self, class: Class, index: usize) -> Option<(Endpoint, &Peer)> {
        self.classes[class as usize]
            .get_index(index)
            .map(|(at, peer)| (*at, peer))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Class, Endpoint, &Peer)> {
        Class::ALL.into_iter().flat_map(|class| {
            self.classes[class as usize]
                .iter()
                .map(move |(at, peer)| (class, *at, peer))
        })
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Class, Endpoint, Peer)> {
        Class::ALL
            .into_iter()
            .zip(self.classes)
            .flat_map(|(class, peers)| peers.into_iter().map(move |(at, peer)| (class, at, peer)))
    }

    pub(crate) fn of(&self, class: Class) -> impl Iterator<Item = (Endpoint, &Peer)> {
        self.classes[class as usize].iter().map(|(at, peer)| (*at, peer))
    }

    pub(crate) fn random(&self, class: Class, draw: &mut Draw) -> Option<(Endpoint, &Peer)> {
        let len = self.count(class);
        if len == 0 {
            None
        } else {
            self.at(class, draw.below(len))
        }
    }

    /// Up to two neighbours each way, of those that share, in the order of addresses, which is a ring.
    pub(crate) fn ring_neighbours(&self, at: Endpoint) -> impl Iterator<Item = Endpoint> {
        use std::ops::Bound::{Excluded, Unbounded};
        let up = self
            .ring
            .range((Excluded(at), Unbounded))
            .chain(self.ring.iter())
            .take(2);
        let down = self.ring.range(..at).rev().chain(self.ring.iter().rev()).take(2);
        up.chain(down).copied()
    }

    /// Who of those that share and are without everything lacks least, and how much. In large sites, after that peer has gone, one
    /// of a sample until somebody better announces.
    pub(crate) fn best(&self) -> Option<(u64, Endpoint)> {
        self.best
    }

    pub(crate) fn insert(&mut self, class: Class, at: Endpoint, peer: Peer) {
        if let Some(agent) = &peer.agent {
            self.agents += 1;
            if let Some(other) = agent.other {
                self.others.insert(other, at);
            }
        }
        let left = peer.left;
        self.tally.add(left);
        self.tally.starving += u32::from(peer.step > 0);
        self.tally.wanted += u32::from(peer.wanted);
        self.tally.reused += reused(&peer);
        self.classes[class as usize].insert(at, peer);
        self.note(class, at, left);
        if !class.shares() {
            return;
        }
        if !self.ring.is_empty() {
            self.ring.insert(at);
        } else if self.sharers() > self.ring_from {
            let sharing = self.iter().filter(|(class, ..)| class.shares());
            self.ring = sharing.map(|(_, at, _)| at).collect();
        }
    }

    pub(crate) fn remove(&mut self, at: Endpoint) -> Option<(Class, Peer)> {
        let found = Class::ALL
            .into_iter()
            .find_map(|class| Some((class, self.classes[class as usize].swap_remove(&at)?)));
        let (class, peer) = found?;
        self.tally.remove(peer.left);
        self.tally.starving -= u32::from(peer.step > 0);
        self.tally.wanted -= u32::from(peer.wanted);
        self.tally.reused -= reused(&peer);
        if let Some(agent) = &peer.agent {
            self.agents -= 1;
            if let Some(other) = agent.other {
                self.others.remove(&other);
            }
        }
        self.ring.remove(&at);
        if self.sharers() <= self.ring_from / 2 {
            self.ring.clear();
        }
        // a site that shrinks gives its memory back
        let peers = &mut self.classes[class as usize];
        if peers.capacity() > 64 && peers.len() < peers.capacity() / 4 {
            peers.shrink_to(peers.len() * 2);
        }
        if self.best.is_some_and(|(_, best)| best == at) {
            self.find_best();
        }
        Some((class, peer))
    }

    /// An agent kept under `at` has announced from `from`, which is `at` or an address of the other family. One of
    /// its addresses that it has not announced from for `stale` is no more: if that is `at`, the record must go,
    /// and the answer is no.
    pub(crate) fn seen_at(&mut self, at: Endpoint, from: Endpoint, now: Tick, stale: Duration) -> bool {
        let Some(agent) = self.find_mut(at).and_then(|peer| peer.agent.as_mut()) else {
            return false;
        };
        let is_stale = |seen: Tick| seen.time() + stale < now.time();
        let before = agent.other;
        if from == at {
            agent.seen[0] = now;
            if is_stale(agent.seen[1]) {
                agent.other = None;
            }
        } else if is_stale(agent.seen[0]) {
            return false;
        } else {
            agent.seen[1] = now;
            agent.other = Some(from);
        }
        let after = agent.other;
        if before != after {
            if let Some(before) = before {
                self.others.remove(&before);
            }
            if let Some(after) = after {
                self.others.insert(after, at);
            }
        }
        true
    }

    /// A peer, whose record says so already, lacks `left` now and lacked `before`.
    pub(crate) fn restate(&mut self, class: Class, at: Endpoint, before: u64, left: u64) {
        self.tally.remove(before);
        self.tally.add(left);
        self.note(class, at, left);
    }

    /// An agent says that it had so many bytes before it fetched any.
    pub(crate) fn reuses(&mut self, at: Endpoint, bytes: u64) {
        if let Some(agent) = self.find_mut(at).and_then(|peer| peer.agent.as_mut()) {
            let before = std::mem::replace(&mut agent.reused, bytes);
            self.tally.reused -= u128::from(before);
            self.tally.reused += u128::from(bytes);
        }
    }

    /// A peer, whose record says so already, is on another step of the starvation ladder.
    pub(crate) fn climbed(&mut self, before: u8, step: u8) {
        self.tally.starving -= u32::from(before > 0);
        self.tally.starving += u32::from(step > 0);
    }

    /// A peer begins anew on the starvation ladder.
    pub(crate) fn forgive(&mut self, at: Endpoint) {
        if let Some(peer) = self.find_mut(at) {
            let before = peer.step;
            (peer.step, peer.still) = (0, 0);
            self.climbed(before, 0);
        }
    }

    /// What is kept as a sum, counted once more.
    ///
    /// # Errors
    /// Which sum differs, and from what.
    pub(crate) fn recount(&self) -> Result<(), String> {
        let mut tally = Tally::default();
        let (mut agents, mut others) = (0, 0);
        for (_, _, peer) in self.iter() {
            tally.add(peer.left);
            tally.starving += u32::from(peer.step > 0);
            tally.wanted += u32::from(peer.wanted);
            tally.reused += reused(peer);
            agents += u32::from(peer.agent.is_some());
            others += usize::from(peer.agent.as_ref().is_some_and(|agent| agent.other.is_some()));
        }
        let (kept, counted) = ((self.tally, self.agents), (tally, agents));
        if kept != counted || self.others.len() != others {
            return Err(format!(
                "kept {kept:?}, counted {counted:?}; second addresses {others}"
            ));
        }
        Ok(())
    }

    /// A peer now lacks so much.
    fn note(&mut self, class: Class, at: Endpoint, left: u64) {
        match self.best {
            _ if !matches!(class, Class::Leecher | Class::Partial) => {}
            Some((least, best)) if best == at && left > least => self.find_best(),
            Some((least, best)) if best != at && left >= least => {}
            _ => self.best = Some((left, at)),
        }
    }

    fn find_best(&mut self) {
        let partial = self.of(Class::Partial).take(SAMPLE);
        let some = partial.chain(self.of(Class::Leecher).take(SAMPLE));
        self.best = some.map(|(at, peer)| (peer.left, at)).min();
    }
}
