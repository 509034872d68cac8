//! Numbers and networks as bytes, and which of them are the same.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use xxhash_rust::xxh3::Xxh3;

/// The longest table of networks in bytes, written and read: a hundred thousand networks, which take
/// 8 MiB of memory.
pub const MAX_TABLE: usize = 512 << 10;

/// A table of networks, or of rates, that is not as it is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworksError {
    /// More bytes than are read.
    #[error("it is too long")]
    TooLong,
    /// It ends in the middle of a value, or has bytes after its end.
    #[error("it is cut off, or longer than it says")]
    Length,
    /// A prefix is longer than an address, or has bits behind its length.
    #[error("a network in it is none")]
    Network,
}

/// The first length byte of an IPv6 network.
const V6: u8 = 33;

/// Appends a number as LEB128.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a network, without what host bits it may have.
pub(super) fn network(out: &mut Vec<u8>, network: IpNet) {
    let used = usize::from(network.prefix_len()).div_ceil(8);
    match network.trunc() {
        IpNet::V4(net) => {
            out.push(net.prefix_len());
            out.extend_from_slice(&net.addr().octets()[..used]);
        }
        IpNet::V6(net) => {
            out.push(V6 + net.prefix_len());
            out.extend_from_slice(&net.addr().octets()[..used]);
        }
    }
}

/// A hash of these, never 0 and within what every bencode reader takes.
pub(super) fn version(parts: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    parts.iter().for_each(|part| hash.update(part));
    (hash.digest() >> 1).max(1)
}

/// Reads what the others write.
pub(super) struct Reader<'t> {
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    pub(super) fn new(table: &'t [u8]) -> Self {
        Self { rest: table }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn byte(&mut self) -> Result<u8, NetworksError> {
        let (first, rest) = self.rest.split_first().ok_or(NetworksError::Length)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A number of at most 63 bits, in its shortest form, so that a table has one way to be written.
    pub(super) fn number(&mut self) -> Result<u64, NetworksError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return shortest.then_some(number).ok_or(NetworksError::Length);
            }
        }
        Err(NetworksError::Length)
    }

    pub(super) fn network(&mut self) -> Result<IpNet, NetworksError> {
        let length = self.byte()?;
        let network = if length < V6 {
            let address = Ipv4Addr::from(self.address::<4>(length)?);
            Ipv4Net::new(address, length).map(IpNet::V4)
        } else {
            let address = Ipv6Addr::from(self.address::<16>(length - V6)?);
            Ipv6Net::new(address, length - V6).map(IpNet::V6)
        };
        network.ok().filter(|network| network.trunc() == *network).ok_or(NetworksError::Network)
    }

    fn address<const N: usize>(&mut self, length: u8) -> Result<[u8; N], NetworksError> {
        let used = usize::from(length).div_ceil(8);
        let mut address = [0; N];
        let into = address.get_mut(..used).ok_or(NetworksError::Network)?;
        let (from, rest) = self.rest.split_at_checked(used).ok_or(NetworksError::Length)?;
        into.copy_from_slice(from);
        self.rest = rest;
        Ok(address)
    }
}
