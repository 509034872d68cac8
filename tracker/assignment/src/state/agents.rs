//! Where each agent is. An agent is an id and the key that its machine made for itself (`key`, BEP 7): an id
//! that two machines use (cloned images, equal host names) is two agents, each with a record of its own. An
//! id is what a client says, so it alone gives no power over the record of another machine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;
use narrows_topology::SiteId;

use crate::Time;
use crate::endpoint::Endpoint;
use crate::hash::{AgentKey, Machine};
use crate::policy::IdentityPolicy;

/// Where a record is, and of which machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) site: SiteId,
    pub(crate) at: Endpoint,
    pub(crate) machine: Machine,
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
    /// The other machines that use the id of the first.
    more: BTreeMap<(AgentKey, Machine), Place>,
}

impl Agents {
    /// What tells the machine that announces from `from` from others of its id: its key, or where it has none
    /// (0) or several machines have the same, its address.
    pub(crate) fn machine(&self, id: AgentKey, key: u32, from: Endpoint) -> Machine {
        if key == 0 || self.is_shared(id, key) {
            Machine::at(from)
        } else {
            Machine::Key(key)
        }
    }

    /// Several machines have an id and a key.
    pub(crate) fn share(&mut self, policy: &IdentityPolicy, id: AgentKey, key: u32) {
        if self.shared.len() < policy.max_remembered {
            self.shared.insert((id, key));
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
            self.share(policy, id, key);
        }
    }

    /// The record of a machine. Neither one that announced a key before nor one that does so now is found by
    /// its id alone: any client may announce any id.
    pub(crate) fn find(&self, id: AgentKey, machine: Machine) -> Option<Place> {
        let first = *self.first.get(&id)?;
        if first.machine == machine {
            return Some(first);
        }
        self.more.get(&(id, machine)).copied()
    }

    /// Another machine's record with this id.
    pub(crate) fn double(&self, id: AgentKey, machine: Machine) -> Option<Place> {
        self.all(id).find(|place| place.machine != machine)
    }

    /// All records with an id.
    pub(crate) fn all(&self, id: AgentKey) -> impl Iterator<Item = Place> {
        self.first.get(&id).copied().into_iter().chain(self.others(id))
    }

    fn others(&self, id: AgentKey) -> impl Iterator<Item = Place> {
        self.more.range(of_id(id)).map(|(_, place)| *place)
    }

    /// Records with an id of which one is to give way before another machine with that id is kept that
    /// announces from `from`; none if there is room. They are those of one address, which has the most.
    pub(crate) fn surplus(&self, policy: &IdentityPolicy, id: AgentKey, from: Endpoint) -> Vec<Place> {
        if self.others(id).nth(policy.max_of_id_at_address - 1).is_none() {
            return Vec::new();
        }
        let mut by_address: BTreeMap<[u8; 16], Vec<Place>> = BTreeMap::new();
        for place in self.others(id) {
            by_address.entry(place.at.ip_bytes()).or_default().push(place);
        }
        let there = by_address.get(&from.ip_bytes()).map_or(0, Vec::len);
        if there >= policy.max_of_id_at_address {
            return by_address.remove(&from.ip_bytes()).unwrap_or_default();
        }
        if self.others(id).count() < policy.max_of_id {
            return Vec::new();
        }
        by_address.into_values().max_by_key(Vec::len).unwrap_or_default()
    }

    /// Ids that several machines use.
    pub(crate) fn doubles(&self) -> impl Iterator<Item = AgentKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let first = self.more.keys().next().map(|(id, _)| *id);
        std::iter::successors(first, |id| {
            let mut further = self.more.range((Excluded(*of_id(*id).end()), Unbounded));
            further.next().map(|((id, _), _)| *id)
        })
    }

    pub(crate) fn insert(&mut self, id: AgentKey, place: Place) {
        match self.first.get_mut(&id) {
            Some(first) if first.machine != place.machine => {
                self.more.insert((id, place.machine), place);
            }
            Some(first) => *first = place,
            None => {
                self.first.insert(id, place);
            }
        }
    }

    /// Forgets the record at `at`, of a machine.
    pub(crate) fn remove(&mut self, id: AgentKey, machine: Machine, at: Endpoint) {
        if self.first.get(&id).is_some_and(|first| first.at == at) {
            let heir = self.more.range(of_id(id)).next();
            let heir = heir.map(|(of, _)| *of).and_then(|of| self.more.remove(&of));
            match heir {
                Some(heir) => self.first.insert(id, heir),
                None => self.first.remove(&id),
            };
        } else if self.more.get(&(id, machine)).is_some_and(|place| place.at == at) {
            self.more.remove(&(id, machine));
        }
    }

    /// A number of each, the same in every swarm.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        let more = self.more.keys().map(|(id, machine)| id.of_machine(*machine));
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

/// All machines of an id, in their order.
fn of_id(id: AgentKey) -> RangeInclusive<(AgentKey, Machine)> {
    (id, Machine::Key(0))..=(id, Machine::At(u32::MAX))
}
