//! Where the stock clients are whose machines call themselves something (`key`, BEP 7): one that comes from
//! another port, address or family is known again. Those that announce no key are known by address and port
//! alone.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use narrows_protocol::PeerId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::peer::Peer;
use crate::Announce;
use crate::endpoint::Endpoint;
use crate::hash::AgentKey;

/// By [`name`]. Two of a name are told apart when the record is looked at; only one of them is known again
/// elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Clients(HashMap<u32, Endpoint, RandomState>);

/// What a client that restarts keeps: its key, and program and version, which lead its peer id (BEP 20).
fn name(id: PeerId, key: u32) -> u32 {
    xxh3_64_with_seed(program(&id), u64::from(key)) as u32
}

fn program(id: &PeerId) -> &[u8] {
    &id.0[..8]
}

/// The same as a key of [`super::agents::Agents::moved`].
pub(crate) fn moving_as(id: PeerId, key: u32) -> AgentKey {
    AgentKey::from_number(u64::from(name(id, key)))
}

/// Whether a record is of this client, by what it keeps over a restart.
pub(crate) fn is_same(peer: &Peer, id: PeerId, key: u32) -> bool {
    key != 0 && peer.key == key && program(&peer.id) == program(&id)
}

/// Whether a record has the name that an announce says.
pub(crate) fn is_written(peer: &Peer, announce: &Announce<'_>) -> bool {
    peer.key == announce.key.unwrap_or(0) && program(&peer.id) == program(&announce.peer_id)
}

impl Clients {
    pub(crate) fn insert(&mut self, peer: &Peer, at: Endpoint) {
        if peer.agent.is_none() && peer.key != 0 {
            self.0.insert(name(peer.id, peer.key), at);
        }
    }

    pub(crate) fn remove(&mut self, peer: &Peer, at: Endpoint) {
        if peer.agent.is_some() || peer.key == 0 {
            return;
        }
        let name = name(peer.id, peer.key);
        if self.0.get(&name) == Some(&at) {
            self.0.remove(&name);
        }
    }

    pub(crate) fn find(&self, id: PeerId, key: u32) -> Option<Endpoint> {
        if key == 0 {
            return None;
        }
        self.0.get(&name(id, key)).copied()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
