//! The peers of one site: by class, so that counting, choosing at random and "seeders first" cost nothing.

mod addresses;

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use narrows_protocol::Host;

use super::crowd::Crowd;
use super::peer::{Class, Peer, Second};
use crate::endpoint::Endpoint;
use crate::hash::Draw;
use crate::policy::Policy;

#[derive(Debug)]
pub(crate) struct Peers {
    classes: [IndexMap<Endpoint, Peer, RandomState>; 5],
    /// All that share, in the order of addresses, in sites with more than `ring_from` of them.
    ring: BTreeSet<Endpoint>,
    ring_from: usize,
    /// Records of a class that are looked at when the best-supplied peer has gone.
    sample: usize,
    /// Second addresses, and whose they are.
    others: HashMap<Endpoint, Endpoint, RandomState>,
    /// Second addresses of stock clients by the first; agents keep theirs themselves.
    pairs: HashMap<Endpoint, Second, RandomState>,
    /// Which addresses and ports several peers announce from, first and second ones.
    crowd: Crowd,
    /// How many records each address has, in sites with more than `counted_from`: in smaller ones none can have
    /// too many.
    of_address: HashMap<Host, u32, RandomState>,
    counted_from: usize,
    agents: u32,
    tally: Tally,
    /// Of those that share and are without everything, the one that lacks least.
    best: Option<(u64, Endpoint)>,
}

/// Sums over all peers of a site, so that they need not be walked while announces wait.
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
    pub(crate) fn new(policy: &Policy) -> Peers {
        Peers {
            classes: Default::default(),
            ring: BTreeSet::new(),
            ring_from: policy.full_mesh as usize,
            sample: policy.gateways.candidates,
            others: HashMap::default(),
            pairs: HashMap::default(),
            crowd: Crowd::default(),
            of_address: HashMap::default(),
            counted_from: policy.identity.max_at_address.min(policy.identity.max_at_network),
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
        self.classes[class.index()].len()
    }

    /// How many agents are among them.
    pub(crate) fn agents(&self) -> u32 {
        self.agents
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn find(&self, at: Endpoint) -> Option<(Class, &Peer)> {
        Class::ALL.into_iter().find_map(|class| Some((class, self.classes[class.index()].get(&at)?)))
    }

    pub(crate) fn find_mut(&mut self, at: Endpoint) -> Option<&mut Peer> {
        self.classes.iter_mut().find_map(|class| class.get_mut(&at))
    }

    pub(crate) fn at(&self, class: Class, index: usize) -> Option<(Endpoint, &Peer)> {
        self.classes[class.index()].get_index(index).map(|(at, peer)| (*at, peer))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Class, Endpoint, &Peer)> {
        Class::ALL
            .into_iter()
            .flat_map(|class| self.classes[class.index()].iter().map(move |(at, peer)| (class, *at, peer)))
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Class, Endpoint, Peer)> {
        Class::ALL
            .into_iter()
            .zip(self.classes)
            .flat_map(|(class, peers)| peers.into_iter().map(move |(at, peer)| (class, at, peer)))
    }

    pub(crate) fn of(&self, class: Class) -> impl Iterator<Item = (Endpoint, &Peer)> {
        self.classes[class.index()].iter().map(|(at, peer)| (*at, peer))
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
        let up = self.ring.range((Excluded(at), Unbounded)).chain(self.ring.iter()).take(2);
        let down = self.ring.range(..at).rev().chain(self.ring.iter().rev()).take(2);
        up.chain(down).copied()
    }

    /// Of those that share and are without everything, the one that lacks least, and how much. In large
    /// sites, after that peer has gone, one of a sample until a better one announces.
    pub(crate) fn best(&self) -> Option<(u64, Endpoint)> {
        self.best
    }

    pub(crate) fn insert(&mut self, class: Class, at: Endpoint, peer: Peer) {
        self.crowd.add(at);
        if let Some(agent) = &peer.agent {
            self.agents += 1;
            if let Some(other) = agent.second.other {
                self.crowd.add(other);
                self.others.insert(other, at);
            }
        }
        self.count_address(at);
        let left = peer.left;
        self.tally.add(left);
        self.tally.starving += u32::from(peer.step > 0);
        self.tally.wanted += u32::from(peer.wanted);
        self.tally.reused += reused(&peer);
        self.classes[class.index()].insert(at, peer);
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
            .find_map(|class| Some((class, self.classes[class.index()].swap_remove(&at)?)));
        let (class, peer) = found?;
        self.tally.remove(peer.left);
        self.tally.starving -= u32::from(peer.step > 0);
        self.tally.wanted -= u32::from(peer.wanted);
        self.tally.reused -= reused(&peer);
        self.agents -= u32::from(peer.agent.is_some());
        let second = match &peer.agent {
            Some(agent) => agent.second.other,
            None if self.pairs.is_empty() => None,
            None => self.pairs.remove(&at).and_then(|second| second.other),
        };
        if let Some(other) = second {
            self.crowd.remove(other);
            self.others.remove(&other);
        }
        self.crowd.remove(at);
        self.uncount_address(at);
        self.ring.remove(&at);
        if self.sharers() <= self.ring_from / 2 {
            self.ring.clear();
        }
        // a site that shrinks gives its memory back
        let peers = &mut self.classes[class.index()];
        if peers.capacity() > 64 && peers.len() < peers.capacity() / 4 {
            peers.shrink_to(peers.len() * 2);
        }
        if self.best.is_some_and(|(_, best)| best == at) {
            self.find_best();
        }
        Some((class, peer))
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
        let (mut agents, mut others, mut beyond) = (0, 0, 0);
        for (_, at, peer) in self.iter() {
            tally.add(peer.left);
            tally.starving += u32::from(peer.step > 0);
            tally.wanted += u32::from(peer.wanted);
            tally.reused += reused(peer);
            agents += u32::from(peer.agent.is_some());
            let other = self.other(at, peer);
            others += usize::from(other.is_some());
            beyond += usize::from(at.place() > 0) + usize::from(other.is_some_and(|other| other.place() > 0));
        }
        let (kept, counted) = ((self.tally, self.agents), (tally, agents));
        if kept != counted || self.others.len() != others || self.crowd.len() != beyond {
            return Err(format!(
                "kept {kept:?}, counted {counted:?}; second addresses {others}; beyond the first of an address and port \
                 {beyond}, kept {}",
                self.crowd.len()
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
        let partial = self.of(Class::Partial).take(self.sample);
        let some = partial.chain(self.of(Class::Leecher).take(self.sample));
        self.best = some.map(|(at, peer)| (peer.left, at)).min();
    }
}
