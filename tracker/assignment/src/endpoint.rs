//! Addresses, small: an IPv4 or IPv6 address, a port, and which of the peers there, in 20 bytes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use narrows_protocol::Host;
use serde::{Deserialize, Serialize};

/// Where a peer accepts connections, and its key in a swarm. IPv4 is kept as IPv4-mapped IPv6.
///
/// Behind a NAT several machines announce one address and port: each has a place of its own there, and the
/// first to come has place 0. An address that a peer speaks of has place 0, too: see
/// [`Endpoint::is_beside`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Endpoint {
    ip: [u8; 16],
    port: u16,
    place: u16,
}

/// An [`Endpoint`] as it is kept over a restart of the tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct EndpointRecord(SocketAddr, u16);

impl Endpoint {
    pub(crate) fn of(addr: SocketAddr) -> Endpoint {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        Endpoint {
            ip,
            port: addr.port(),
            place: 0,
        }
    }

    pub(crate) fn addr(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    pub(crate) fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }

    pub(crate) fn port(self) -> u16 {
        self.port
    }

    /// Which of the peers at its address and port.
    pub(crate) fn place(self) -> u16 {
        self.place
    }

    /// Another place at the same address and port.
    pub(crate) fn at_place(self, place: u16) -> Endpoint {
        Endpoint { place, ..self }
    }

    /// Whether address and port are the same.
    pub(crate) fn is_beside(self, other: Endpoint) -> bool {
        (self.ip, self.port) == (other.ip, other.port)
    }

    /// Its address alone, for lists by address.
    pub(crate) fn ip_bytes(self) -> [u8; 16] {
        self.ip
    }

    /// Who speaks from there, as far as a socket tells.
    pub(crate) fn host(self) -> Host {
        Host::of_bytes(self.ip)
    }

    /// A number for its address, whatever the port.
    pub(crate) fn ip_hash(self) -> u32 {
        xxhash_rust::xxh3::xxh3_64(&self.ip) as u32
    }

    pub(crate) fn is_ipv4(self) -> bool {
        matches!(self.ip, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..])
    }

    pub(crate) fn bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&self.ip);
        bytes[16..18].copy_from_slice(&self.port.to_be_bytes());
        bytes[18..].copy_from_slice(&self.place.to_be_bytes());
        bytes
    }
}

impl From<Endpoint> for EndpointRecord {
    fn from(at: Endpoint) -> Self {
        EndpointRecord(at.addr(), at.place)
    }
}

impl From<EndpointRecord> for Endpoint {
    fn from(EndpointRecord(addr, place): EndpointRecord) -> Self {
        Endpoint::of(addr).at_place(place)
    }
}
