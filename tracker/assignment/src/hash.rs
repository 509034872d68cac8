//! Rendezvous hashing (Thaler & Ravishankar 1998): every program that knows the same names picks the same
//! one, and a name that goes moves only what it held.

use std::hash::{DefaultHasher, Hash, Hasher};

use narrows_protocol::InfoHash;
use narrows_topology::SiteId;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::endpoint::Endpoint;

/// What an agent's stable id is kept as. Two ids of a million share one with a chance of 1 in 30 million.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct AgentKey(u64);

impl AgentKey {
    pub(crate) fn of(agent: &str) -> AgentKey {
        AgentKey(xxh3_64(agent.as_bytes()))
    }

    /// The key of one of several machines that may share an id.
    pub(crate) fn of_machine(self, machine: Machine) -> AgentKey {
        let hash = |bytes: &[u8]| AgentKey(xxh3_64_with_seed(bytes, self.0));
        match machine {
            Machine::Key(key) => hash(&key.to_be_bytes()),
            Machine::At(address) => hash(&(u64::from(address) << 8).to_be_bytes()),
        }
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The key of which [`Self::number`] is this one.
    pub(crate) fn from_number(number: u64) -> AgentKey {
        AgentKey(number)
    }
}

/// What tells the machines of one agent id apart. A key is known to its machine and the tracker alone, an
/// address to all; so neither is ever taken for the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Machine {
    /// The key that it announces (`key`, BEP 7).
    Key(u32),
    /// A hash of its address, where it announces no key or several machines have the same.
    At(u32),
}

impl Machine {
    /// The machine at an address, whatever it announces.
    pub(crate) fn at(place: Endpoint) -> Machine {
        Machine::At(place.ip_hash())
    }
}

/// What a site's name is kept as where only equality counts.
pub(crate) fn name_hash(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// A site's name in hashes.
pub(crate) fn site_name(id: SiteId) -> u64 {
    // DefaultHasher::new is SipHash with fixed keys
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// A peer's name in hashes that must not change when an agent's address does: its id, else its address.
pub(crate) fn peer_name(agent: Option<AgentKey>, at: Endpoint) -> u64 {
    agent.map_or_else(|| xxh3_64(&at.bytes()), AgentKey::number)
}

/// Random numbers for what a peer is handed at a moment: the same again when `/explain` asks why.
#[derive(Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(swarm: &InfoHash, who: u64, moment: u64) -> Draw {
        Draw(rendezvous(swarm, who, moment))
    }

    /// A number below `n`, which is not 0; the bias of at most n / 2^32 does not matter here.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // SplitMix64 (Steele, Lea & Flood 2014)
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 32).wrapping_mul(n as u64) >> 32) as usize
    }
}

/// The weight of `what` to `who` in this swarm; the greatest wins.
pub(crate) fn rendezvous(swarm: &InfoHash, who: u64, what: u64) -> u64 {
    let mut bytes = [0; 28];
    bytes[..20].copy_from_slice(&swarm.0);
    bytes[20..].copy_from_slice(&what.to_be_bytes());
    xxh3_64_with_seed(&bytes, who)
}
