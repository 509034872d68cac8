//! The addresses of a site's peers: which of them are at one address and port, the second one of each, and
//! which is handed to a peer.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use foldhash::fast::RandomState;
use narrows_protocol::Host;

use super::Peers;
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::policy::IdentityPolicy;
use crate::state::peer::{Class, Peer, Second, Tick};

/// Records that are looked at for one peer of each address: four times as many as an address may have.
const WALKED: usize = 4096;

impl Peers {
    /// A record comes: [`Peers::insert`] has not put it in yet.
    pub(super) fn count_address(&mut self, at: Endpoint) {
        if !self.of_address.is_empty() {
            *self.of_address.entry(at.host()).or_default() += 1;
        } else if self.len() >= self.counted_from {
            let mut counted: HashMap<Host, u32, _> = HashMap::default();
            for at in self.iter().map(|(_, at, _)| at).chain([at]) {
                *counted.entry(at.host()).or_default() += 1;
            }
            self.of_address = counted;
        }
    }

    /// A record has gone.
    pub(super) fn uncount_address(&mut self, at: Endpoint) {
        if let Entry::Occupied(mut count) = self.of_address.entry(at.host()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if self.len() <= self.counted_from / 2 && !self.of_address.is_empty() {
            self.of_address = HashMap::default();
        }
    }

    /// Records of an address that has as many as one may have; none if it has room.
    pub(crate) fn of_crowded(&self, policy: &IdentityPolicy, host: Host) -> Vec<Endpoint> {
        let count = self.of_address.get(&host).map_or(0, |count| *count as usize);
        if count < policy.most_of(host) {
            return Vec::new();
        }
        self.iter().map(|(_, at, _)| at).filter(|at| at.host() == host).collect()
    }

    /// The key of the peer in this place.
    fn resolve(&self, at: Endpoint) -> Option<Endpoint> {
        if self.find(at).is_some() {
            Some(at)
        } else {
            self.others.get(&at).copied()
        }
    }

    /// The keys of all peers with this address and port.
    pub(crate) fn residents(&self, addr: Endpoint) -> impl Iterator<Item = Endpoint> {
        let first = addr.at_place(0);
        let places = std::iter::once(first).chain(self.crowd.at(first));
        places.filter_map(|place| self.resolve(place))
    }

    /// A place at an address and port that no peer is in; `None`: as many peers as may be are there.
    pub(crate) fn free_place(&self, policy: &IdentityPolicy, addr: Endpoint) -> Option<Endpoint> {
        let first = addr.at_place(0);
        if self.resolve(first).is_none() {
            Some(first)
        } else {
            self.crowd.free(policy, first)
        }
    }

    /// One peer of each address, of those of a class, from this one on; after some thousands no further one.
    pub(crate) fn one_of_each_address(
        &self,
        class: Class,
        from: usize,
    ) -> impl Iterator<Item = (Endpoint, &Peer)> {
        let (count, mut seen) = (self.count(class), HashSet::<[u8; 16], RandomState>::default());
        let order = (from..count).chain(0..from.min(count)).take(WALKED);
        order.filter_map(move |i| self.at(class, i)).filter(move |(at, _)| seen.insert(at.ip_bytes()))
    }

    /// Whether several peers announce from one address and port.
    pub(crate) fn is_crowded(&self) -> bool {
        !self.crowd.is_empty()
    }

    /// Addresses and ports of several peers, each with how many.
    pub(crate) fn shared(&self) -> BTreeMap<SocketAddr, u32> {
        self.crowd.shared()
    }

    /// A peer's address in the other family than `at`, the one it is kept under.
    pub(crate) fn other(&self, at: Endpoint, peer: &Peer) -> Option<Endpoint> {
        match &peer.agent {
            Some(agent) => agent.second.other,
            None => self.pairs.get(&at)?.other,
        }
    }

    /// The address to hand to a peer at `asker`: of the same family, if the peer has one; of the other, if
    /// that is all that tells the two apart.
    pub(crate) fn address_for(&self, at: Endpoint, peer: &Peer, asker: Endpoint) -> Endpoint {
        let family = asker.is_ipv4();
        if self.is_crowded() && at.is_beside(asker) {
            let both = self.find(asker).is_some_and(|(_, own)| self.other(asker, own).is_some());
            return self.other(at, peer).filter(|_| both).unwrap_or(at);
        }
        // first what is at hand: the agent is a cache miss
        if at.is_ipv4() == family {
            return at;
        }
        let other = self.other(at, peer);
        other.filter(|other| other.is_ipv4() == family).unwrap_or(at)
    }

    /// Whether the peer kept under `at` has this address and port, as one of its two.
    pub(crate) fn is_at(&self, at: Endpoint, addr: Endpoint) -> bool {
        let other = || self.find(at).and_then(|(_, peer)| self.other(at, peer));
        at.is_beside(addr) || other().is_some_and(|other| other.is_beside(addr))
    }

    /// The addresses to hand to a peer at `asker` of these peers: none twice, and of others none that is its
    /// own.
    pub(crate) fn addresses_for(
        &self,
        keys: impl Iterator<Item = Endpoint>,
        asker: Endpoint,
    ) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for key in keys {
            let Some((_, peer)) = self.find(key) else { continue };
            let addr = self.address_for(key, peer, asker);
            let is_new = !self.is_crowded()
                || ((key == asker || !self.is_at(asker, addr)) && !addresses.contains(&addr.addr()));
            if is_new {
                addresses.push(addr.addr());
            }
        }
        addresses
    }

    /// A peer kept under `at` has announced from `from`, which is `at` or an address of the other family. One
    /// of its addresses that it has not announced from for `stale` is no more: if that is `at`, the record
    /// must go, and the answer is no. `last`: when a stock client without a second address has announced.
    pub(crate) fn seen_at(
        &mut self,
        policy: &IdentityPolicy,
        at: Endpoint,
        from: Endpoint,
        (last, now): (Tick, Tick),
        stale: Duration,
    ) -> Result<bool, Broken> {
        let (_, peer) = self.find(at).ok_or(Broken::PeerMissing)?;
        let is_stock = peer.agent.is_none();
        let is_first = from.is_beside(at);
        let before = match &peer.agent {
            Some(agent) => agent.second,
            None => match self.pairs.get(&at) {
                Some(second) => *second,
                None if is_first => return Ok(true),
                None => Second::none(last),
            },
        };
        let mut after = before;
        let is_stale = |seen: Tick| seen.time() + stale < now.time();
        if is_first {
            after.seen[0] = now;
            if is_stale(after.seen[1]) {
                after.other = None;
            }
        } else if is_stale(after.seen[0]) {
            return Ok(false);
        } else {
            after.seen[1] = now;
            if !after.other.is_some_and(|other| other.is_beside(from)) {
                after.other = self.free_place(policy, from);
            }
        }
        if before.other != after.other {
            if let Some(before) = before.other {
                self.crowd.remove(before);
                self.others.remove(&before);
            }
            if let Some(other) = after.other {
                self.crowd.add(other);
                self.others.insert(other, at);
            }
        }
        if !is_stock {
            if let Some(agent) = self.find_mut(at).and_then(|peer| peer.agent.as_mut()) {
                agent.second = after;
            }
        } else if after.other.is_some() {
            self.pairs.insert(at, after);
        } else {
            self.pairs.remove(&at);
        }
        Ok(true)
    }

    /// A stock client's second address, to be given to [`Peers::pair`] when its record is taken out and put
    /// back.
    pub(crate) fn paired(&self, at: Endpoint) -> Option<Second> {
        if self.pairs.is_empty() {
            return None;
        }
        self.pairs.get(&at).copied()
    }

    /// A stock client has a second address.
    pub(crate) fn pair(&mut self, at: Endpoint, second: Second) {
        if let Some(other) = second.other {
            self.crowd.add(other);
            self.others.insert(other, at);
            self.pairs.insert(at, second);
        }
    }
}
