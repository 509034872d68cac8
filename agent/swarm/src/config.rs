//! What a swarm is started with.

use std::net::SocketAddr;

use narrows_protocol::metainfo::Lengths;
use narrows_protocol::{GatewayPreference, InfoHash, PeerId, Sharing};
use narrows_wire::Bitfield;

/// Everything a [`Swarm`](crate::Swarm) needs to know at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Sizes of the content and of its pieces.
    pub lengths: Lengths,
    /// Which content; also seeds the order in which pieces are fetched across the WAN.
    pub info_hash: InfoHash,
    /// Our own peer id: a connection to it is one to ourselves.
    pub peer_id: PeerId,
    /// The agent's stable name (`id` of agent.yaml), told to peers.
    pub agent: String,
    /// The address we listen on; with the address that the tracker sees it says which gateway of the roster
    /// we are.
    pub listen: SocketAddr,
    /// The pieces that are on disk and verified.
    pub have: Bitfield,
    /// Whether we may serve our site as gateway.
    pub gateway: GatewayPreference,
    /// Whether we serve others; if not, we do not tell them what we have either.
    pub share: Sharing,
    /// What the operator allows.
    pub limits: Limits,
    /// Seed of every random choice: ties between pieces, jitter of back-offs.
    pub seed: u64,
}

/// Limits of one content. The shell divides limits of the whole agent among its contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Payload bytes per second from all peers together; 0 = no limit.
    pub download: u64,
    /// Payload bytes per second to all peers together; 0 = no limit.
    pub upload: u64,
    /// As long as there are fewer connections of this content, we dial.
    pub dialled: usize,
    /// Most connections of this content. Many more than we would dial, for peers that have no other: the
    /// gateways of hundreds of sites at the only seeder, the members of a large site at their gateway.
    pub connections: usize,
    /// Most bytes of pieces that are being fetched or verified (they lie in memory); at least two pieces are
    /// allowed.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            download: 0,
            upload: 0,
            dialled: 64,
            connections: 512,
            memory: 64 << 20,
        }
    }
}
