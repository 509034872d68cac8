//! Who an address tells apart: by it is counted what one machine may have.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// What counts as one machine, as far as a socket tells: ids, keys and ports are what a client says. It is an
/// IPv4 address (IPv4-mapped IPv6 is the same one), or an IPv6 network of 64 bits.
///
/// Why 64: that is what one machine has at least. Each link is a /64 (RFC 4291, 2.5.4), and a machine there gives
/// itself as many of its 2^64 addresses as it likes, each new connection from another (RFC 8981), so that a bound
/// for an IPv6 address bounds nothing. A machine may have more (a /56, a /48), but only where it routes for
/// others, and such networks are as easily a site of many machines. In the other direction a /64 may be a whole
/// site, as an IPv4 address may be one behind a NAT: a bound that a site of honest machines could reach is higher
/// for a /64. Link-local addresses are one host, whatever their zone: a neighbour may make as many of them up.
///
/// ```
/// use narrows_protocol::Host;
/// let host = |ip: &str| ip.parse().map(Host::of);
/// assert_eq!(host("2001:db8::1")?, host("2001:db8::ffff:1:2:3")?);
/// assert_eq!(host("::ffff:10.0.0.1")?, host("10.0.0.1")?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host([u8; 16]);

impl Host {
    /// Of any address.
    pub const fn of(ip: IpAddr) -> Host {
        Host::of_bytes(bytes(ip))
    }

    /// Of an address as the 16 bytes of an IPv6 one, IPv4 mapped; also of what [`Self::bytes`] returned.
    pub const fn of_bytes(ip: [u8; 16]) -> Host {
        let host = Host(ip);
        if host.is_ipv4() {
            return host;
        }
        let [a, b, c, d, e, f, g, h, ..] = ip;
        Host([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// A machine that is known by this very address, since one that may say so named it. It is apart from all
    /// others, those of its /64 too.
    pub const fn at(ip: IpAddr) -> Host {
        Host(bytes(ip))
    }

    /// Whether it is an IPv4 address.
    pub const fn is_ipv4(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..])
    }

    /// To be kept, or hashed.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

const fn bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ipv6Addr::from(self.0).to_canonical().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use proptest::prelude::*;

    use super::*;

    fn host(ip: &str) -> Host {
        Host::of(ip.parse().unwrap())
    }

    #[test]
    fn each_ipv4_address_is_a_host_and_the_same_one_as_ipv6_writes_it() {
        assert_ne!(host("10.0.0.1"), host("10.0.0.2"));
        assert_ne!(
            host("127.0.0.1"),
            host("127.0.0.2"),
            "as tests on the loopback have it"
        );
        assert_eq!(host("::ffff:10.0.0.1"), host("10.0.0.1"));
        assert_ne!(host("::ffff:10.0.0.1"), host("::ffff:10.0.0.2"));
        assert!(host("::ffff:10.0.0.1").is_ipv4());
        // IPv4-compatible addresses are no IPv4 ones (RFC 4291, 2.5.5.1), and the loopback is beside them
        assert_eq!(host("::10.0.0.1"), host("::1"));
        assert_ne!(host("::10.0.0.1"), host("10.0.0.1"));
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_of_64_bits_are_one_host_and_its_neighbours_are_others() {
        let ours = host("2001:db8:0:7::1");
        assert_eq!(host("2001:db8:0:7:ffff:ffff:ffff:ffff"), ours);
        assert_eq!(host("2001:db8:0:7::"), ours);
        for neighbour in [
            "2001:db8:0:6:ffff:ffff:ffff:ffff",
            "2001:db8:0:8::1",
            "2001:db9:0:7::1",
        ] {
            assert_ne!(host(neighbour), ours, "{neighbour}");
        }
        assert!(!ours.is_ipv4());
    }

    #[test]
    fn link_local_addresses_are_one_host_whatever_their_zone() {
        let zoned = SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 0, 3);
        assert_eq!(Host::of((*zoned.ip()).into()), host("fe80::abcd:1:2"));
        assert_ne!(host("fe80::1"), host("fd00::1"));
    }

    #[test]
    fn a_machine_that_is_named_by_its_address_is_apart_from_its_ipv6_network_alone() {
        let at = |ip: &str| Host::at(ip.parse().unwrap());
        assert_ne!(at("2001:db8::1"), at("2001:db8::2"));
        assert_ne!(at("2001:db8::1"), host("2001:db8::1"));
        assert_eq!(at("::ffff:10.0.0.1"), host("10.0.0.1"));
    }

    proptest! {
        #[test]
        fn a_host_comes_back_from_its_bytes_and_no_two_ipv4_addresses_are_one(a: [u8; 16], b: [u8; 4], c: [u8; 4]) {
            let host = Host::of_bytes(a);
            prop_assert_eq!(Host::of_bytes(host.bytes()), host);
            prop_assert_eq!(Host::of(IpAddr::from(a)), host);
            let of = |ip: [u8; 4]| Host::of(IpAddr::from(ip));
            prop_assert_eq!(of(b) == of(c), b == c);
            prop_assert_eq!(Host::of_bytes(std::net::Ipv4Addr::from(b).to_ipv6_mapped().octets()), of(b));
        }
    }
}
