//! From an address to its site.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::bytes::{self, MAX_TABLE, NetworksError, Reader, version};

/// Where an address belongs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The site of the map with this number.
    Site(u32),
    /// An unknown network, which the map makes a site of its own.
    Attached(IpNet),
}

/// The networks of a site map.
#[derive(Clone, Debug)]
pub struct Networks {
    /// Unknown addresses belong to a site of their own, by /24 (IPv6: /56); else to none.
    attach: bool,
    /// As it is sent.
    table: Arc<[u8]>,
    /// From the table's contents, never 0.
    version: u64,
    sites: u32,
    /// By prefix length, longest first, from network to site.
    v4: Lengths,
    v6: Lengths,
}

type Lengths = Vec<(u8, BTreeMap<u128, u32>)>;

impl PartialEq for Networks {
    fn eq(&self, other: &Self) -> bool {
        (self.attach, &self.table) == (other.attach, &other.table)
    }
}

impl Eq for Networks {}

impl Networks {
    /// Of the networks of each site, in the sites' order; with `attach` an unknown network is a site of its
    /// own.
    ///
    /// # Errors
    /// [`NetworksError::TooLong`]: there are more than can be told.
    pub fn new<S>(sites: S, attach: bool) -> Result<Self, NetworksError>
    where
        S: IntoIterator,
        S::Item: AsRef<[IpNet]>,
    {
        let mut table = Vec::new();
        for networks in sites {
            let networks = networks.as_ref();
            bytes::number(&mut table, networks.len() as u64);
            networks.iter().for_each(|network| bytes::network(&mut table, *network));
            if table.len() > MAX_TABLE {
                return Err(NetworksError::TooLong);
            }
        }
        Self::read(&table, attach)
    }

    /// Reads a [`table`](Self::table).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(table: &[u8], attach: bool) -> Result<Self, NetworksError> {
        if table.len() > MAX_TABLE {
            return Err(NetworksError::TooLong);
        }
        let mut networks = Self {
            attach,
            table: table.into(),
            version: version(&[&[u8::from(attach)], table]),
            sites: 0,
            v4: Vec::new(),
            v6: Vec::new(),
        };
        let mut reader = Reader::new(table);
        while !reader.is_empty() {
            for _ in 0..reader.number()? {
                let network = reader.network()?;
                networks.insert(network);
            }
            networks.sites += 1;
        }
        let by_length = |(length, _): &(u8, BTreeMap<u128, u32>)| std::cmp::Reverse(*length);
        networks.v4.sort_by_key(by_length);
        networks.v6.sort_by_key(by_length);
        Ok(networks)
    }

    /// Of equal networks the last stands.
    fn insert(&mut self, network: IpNet) {
        let (lengths, bits) = match network {
            IpNet::V4(net) => (&mut self.v4, u128::from(u32::from(net.network()))),
            IpNet::V6(net) => (&mut self.v6, u128::from(net.network())),
        };
        let length = network.prefix_len();
        let at = lengths.iter().position(|(known, _)| *known == length).unwrap_or_else(|| {
            lengths.push((length, BTreeMap::new()));
            lengths.len() - 1
        });
        lengths[at].1.insert(bits, self.sites);
    }

    /// Where an address belongs: to the site of the longest network that holds it. An IPv4-mapped IPv6
    /// address is the IPv4 address. `None`: to none, and such a peer is denied.
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let (lengths, bits, width) = match address {
            IpAddr::V4(v4) => (&self.v4, u128::from(u32::from(v4)), 32),
            IpAddr::V6(v6) => (&self.v6, u128::from(v6), 128),
        };
        let named = lengths.iter().find_map(|(length, networks)| {
            let mask = u128::MAX.checked_shl(width - u32::from(*length)).unwrap_or(0);
            networks.get(&(bits & mask)).copied()
        });
        match named {
            Some(site) => Some(Place::Site(site)),
            None if self.attach => {
                let length = if address.is_ipv4() { 24 } else { 56 };
                Some(Place::Attached(IpNet::new(address, length).ok()?.trunc()))
            }
            None => None,
        }
    }

    /// The networks of each site as they are sent: for each site, in order, their number (LEB128) and for
    /// each a byte for family and prefix length (0 to 32: IPv4; 33 to 161: IPv6, 33 more than the length) and
    /// as many bytes of the address as the length reaches into.
    pub fn table(&self) -> &[u8] {
        &self.table
    }

    /// Whether unknown networks are sites of their own.
    pub fn attaches(&self) -> bool {
        self.attach
    }

    /// A number that only this table has: two trackers with one map agree on it. Never 0.
    pub fn version(&self) -> u64 {
        self.version
    }
}
