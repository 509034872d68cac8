//! Where each agent is. An agent is an id and the key that its machine made for itself (`key`, BEP 7): an id
//! that two machines use (cloned images, equal host names) is two agents, each with a record of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use narrows_topology::SiteId;

use crate::Time;
use crate::endpoint::Endpoint;
use crate::hash::AgentKey;
use crate::policy::IdentityPolicy;

/// Where a record is, and the key that was announced with it; 0: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) site: SiteId,
    pub(crate) at: Endpoint,
    pub(crate) key: u32,
}

/// The agents of a swarm by id.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// How often each moved lately, and since when that is counted.
    moves: BTreeMap<(AgentKey, u32), (u32, Time)>,
    /// Ids and keys that several machines have, as golden images make them: each address is a machine of its
    /// own.
    shared: BTreeSet<(AgentKey, u32)>,
    first: HashMap<AgentKey, Place, RandomState>,
    /// The other machines that use the id of the first, by their keys.
    more: BTreeMap<(AgentKey, u32), Place>,
}

impl Agents {
    /// What tells the machine that announces from `from` from others of its id: its key, or where several
    /// machines have that too, its address.
    pub(crate) fn machine(&self, id: AgentKey, key: u32, from: Endpoint) -> u32 {
        if self.is_shared(id, key) {
            from.ip_hash() | 1
        } else {
            key
        }
    }

    /// Whether several machines have an id and a key.
    pub(crate) fn is_shared(&self, id: AgentKey, key: u32) -> bool {
        self.shared.contains(&(id, key))
    }

    /// An agent announces from another address than before. One that does so again and again within minutes
    /// is several machines.
    pub(crate) fn moved(&mut self, policy: &IdentityPolicy, id: AgentKey, key: u32, now: Time) {
        if self.moves.len() >= policy.max_remembered {
            self.moves.retain(|_, (_, since)| now < *since + policy.restless);
        }
        if self.moves.len() >= policy.max_remembered || self.shared.len() >= policy.max_remembered {
            return;
        }
        let (times, since) = self.moves.entry((id, key)).or_insert((0, now));
        if now >= *since + policy.restless {
            (*times, *since) = (0, now);
        }
        *times += 1;
        if *times >= policy.max_moves {
            self.moves.remove(&(id, key));
            self.shared.insert((id, key));
        }
    }

    /// The record of an id and a key; who announces no key, or did not before, is the first of that id.
    pub(crate) fn find(&self, id: AgentKey, key: u32) -> Option<Place> {
        let first = *self.first.get(&id)?;
        if is_same(first.key, key) {
            return Some(first);
        }
        self.more.get(&(id, key)).copied()
    }

    /// Another machine's record with this id.
    pub(crate) fn double(&self, id: AgentKey, key: u32) -> Option<Place> {
        self.all(id).find(|place| !is_same(place.key, key))
    }

    /// All records with an id.
    pub(crate) fn all(&self, id: AgentKey) -> impl Iterator<Item = Place> {
        self.first.get(&id).copied().into_iter().chain(self.others(id))
    }

    fn others(&self, id: AgentKey) -> impl Iterator<Item = Place> {
        let of_id = self.more.range((id, 0)..=(id, u32::MAX));
        of_id.map(|(_, place)| *place)
    }

    /// Records with an id of which one is to give way before another machine with that id is kept that
    /// announces from `from`; none if there is room.
    pub(crate) fn surplus(&self, policy: &IdentityPolicy, id: AgentKey, from: Endpoint) -> Vec<Place> {
        if self.others(id).nth(policy.max_of_id_at_address - 1).is_none() {
            return Vec::new();
        }
        if self.others(id).count() >= policy.max_of_id {
            return self.others(id).collect();
        }
        let mut there: Vec<Place> = self.others(id).filter(|place| place.at.ip() == from.ip()).collect();
        if there.len() < policy.max_of_id_at_address {
            there.clear();
        }
        there
    }

    /// Ids that several machines use.
    pub(crate) fn doubles(&self) -> impl Iterator<Item = AgentKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let first = self.more.keys().next().map(|(id, _)| *id);
        std::iter::successors(first, |id| {
            let mut further = self.more.range((Excluded((*id, u32::MAX)), Unbounded));
            further.next().map(|((id, _), _)| *id)
        })
    }

    pub(crate) fn insert(&mut self, id: AgentKey, place: Place) {
        match self.first.get_mut(&id) {
            Some(first) if !is_same(first.key, place.key) => {
                self.more.insert((id, place.key), place);
            }
            Some(first) => *first = place,
            None => {
                self.first.insert(id, place);
            }
        }
    }

    /// Forgets the record at `at`, of an id and a key.
    pub(crate) fn remove(&mut self, id: AgentKey, key: u32, at: Endpoint) {
        if self.first.get(&id).is_some_and(|first| first.at == at) {
            let heir = self.more.range((id, 0)..=(id, u32::MAX)).next();
            let heir = heir.map(|(of, _)| *of).and_then(|of| self.more.remove(&of));
            match heir {
                Some(heir) => self.first.insert(id, heir),
                None => self.first.remove(&id),
            };
        } else if self.more.get(&(id, key)).is_some_and(|place| place.at == at) {
            self.more.remove(&(id, key));
        }
    }

    /// A number of each, the same in every swarm.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        let more = self.more.keys().map(|(id, key)| id.of_machine(*key));
        self.first.keys().copied().chain(more).map(AgentKey::number)
    }

    pub(crate) fn clear(&mut self) {
        self.first.clear();
        self.more.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }
}

/// Whether two keys are one machine's, as far as they say anything.
pub(crate) fn is_same(one: u32, other: u32) -> bool {
    one == other || one == 0 || other == 0
}
