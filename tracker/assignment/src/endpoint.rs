//! Addresses, small: an IPv4 or IPv6 address and a port in 18 bytes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where a peer accepts connections, and its key in a swarm. IPv4 is kept as IPv4-mapped IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Endpoint {
    ip: [u8; 16],
    port: u16,
}

impl Endpoint {
    pub(crate) fn of(addr: SocketAddr) -> Endpoint {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        Endpoint {
            ip,
            port: addr.port(),
        }
    }

    pub(crate) fn addr(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    pub(crate) fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }

    /// A number for its address, whatever the port.
    pub(crate) fn ip_hash(self) -> u32 {
        xxhash_rust::xxh3::xxh3_64(&self.ip) as u32
    }

    pub(crate) fn is_ipv4(self) -> bool {
        matches!(self.ip, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..])
    }

    pub(crate) fn bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(&self.ip);
        bytes[16..].copy_from_slice(&self.port.to_be_bytes());
        bytes
    }
}
