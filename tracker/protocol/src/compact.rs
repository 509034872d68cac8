//! Addresses as bytes: 6 for IPv4 (BEP 23), 18 for IPv6 (BEP 7), the port last, in network order.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bencode;

/// Appends the IPv4 addresses as one byte string, and says how many are IPv6.
pub(crate) fn v4(out: &mut Vec<u8>, addrs: impl Iterator<Item = SocketAddr> + Clone) -> usize {
    let (mut count4, mut count6) = (0, 0);
    for addr in addrs.clone() {
        if addr.is_ipv4() {
            count4 += 1;
        } else {
            count6 += 1;
        }
    }
    bencode::prefix(out, count4 * 6);
    for addr in addrs {
        if let SocketAddr::V4(addr) = addr {
            out.extend_from_slice(&addr.ip().octets());
            out.extend_from_slice(&addr.port().to_be_bytes());
        }
    }
    count6
}

/// Appends the IPv6 addresses, of which there are `count`, as one byte string.
pub(crate) fn v6(out: &mut Vec<u8>, count: usize, addrs: impl Iterator<Item = SocketAddr>) {
    bencode::prefix(out, count * 18);
    for addr in addrs {
        if let SocketAddr::V6(addr) = addr {
            out.extend_from_slice(&addr.ip().octets());
            out.extend_from_slice(&addr.port().to_be_bytes());
        }
    }
}

/// Reads what [`v4`] writes; `None` if the bytes are no multiple of 6.
pub(crate) fn read_v4(bytes: &[u8]) -> Option<impl Iterator<Item = SocketAddr>> {
    let (addrs, rest) = bytes.as_chunks::<6>();
    rest.is_empty().then(|| {
        addrs.iter().map(|&[a, b, c, d, high, low]| {
            SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
        })
    })
}

/// Reads what [`v6`] writes; `None` if the bytes are no multiple of 18.
pub(crate) fn read_v6(bytes: &[u8]) -> Option<impl Iterator<Item = SocketAddr>> {
    let (addrs, rest) = bytes.as_chunks::<18>();
    rest.is_empty().then(|| {
        addrs.iter().map(|addr| {
            let mut ip = [0; 16];
            ip.copy_from_slice(&addr[..16]);
            SocketAddr::from((Ipv6Addr::from(ip), u16::from_be_bytes([addr[16], addr[17]])))
        })
    })
}
