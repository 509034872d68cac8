//! Who this agent is, towards trackers and peers.

mod key;

pub(crate) use key::of_machine;

use std::net::SocketAddr;

use narrows_protocol::PeerId;

/// What an agent calls itself and where it is reached. It stays the same until the agent ends.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The stable name, from the configuration.
    pub(crate) id: String,
    /// The name of this run, in handshakes and announces.
    pub(crate) peer_id: PeerId,
    /// What this machine calls itself across address changes and restarts (BEP 7 `key`).
    pub(crate) key: u32,
    /// Where peers connect, with the real port. Dials and announces leave from its address unless that is a
    /// wildcard.
    pub(crate) listen: SocketAddr,
    /// Whether IPv4 peers can connect.
    pub(crate) v4: bool,
    /// Whether IPv6 peers can connect.
    pub(crate) v6: bool,
    /// The port of the metrics, if the tracker is told.
    pub(crate) metrics: Option<u16>,
}

impl Identity {
    /// Whether this agent is reached over the family of `addr`, and so speaks it.
    pub(crate) fn speaks(&self, addr: &SocketAddr) -> bool {
        if addr.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// A new name for every run (BEP 20 style): the stable one is the agent's id.
pub(crate) fn peer_id() -> PeerId {
    let mut id: [u8; 20] = rand::random();
    id[..8].copy_from_slice(b"-NW0100-");
    PeerId(id)
}
