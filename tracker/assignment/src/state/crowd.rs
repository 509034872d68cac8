//! Machines behind one address and port (NAT, a VPN concentrator). Each is a peer in a place of its own
//! there; the first has place 0 and is not in these lists, so that a swarm without such machines pays nothing
//! for them.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv6Addr, SocketAddr};

use foldhash::fast::RandomState;

use crate::endpoint::Endpoint;
use crate::policy::IdentityPolicy;

/// Places beyond the first, by address: port and place.
#[derive(Debug, Default)]
pub(super) struct Crowd(HashMap<[u8; 16], Vec<(u16, u16)>, RandomState>);

impl Crowd {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that a place is taken.
    pub(super) fn add(&mut self, at: Endpoint) {
        if at.place() == 0 {
            return;
        }
        let taken = self.0.entry(at.ip_bytes()).or_default();
        if !taken.contains(&(at.port(), at.place())) {
            taken.push((at.port(), at.place()));
        }
    }

    /// Notes that a place is free again.
    pub(super) fn remove(&mut self, at: Endpoint) {
        if at.place() == 0 {
            return;
        }
        if let Some(taken) = self.0.get_mut(&at.ip_bytes()) {
            taken.retain(|place| *place != (at.port(), at.place()));
            if taken.is_empty() {
                self.0.remove(&at.ip_bytes());
            }
        }
    }

    /// The places beyond the first that are taken at an address and port.
    pub(super) fn at(&self, at: Endpoint) -> impl Iterator<Item = Endpoint> {
        let taken = self.0.get(&at.ip_bytes()).into_iter().flatten();
        taken.filter(move |(port, _)| *port == at.port()).map(move |(_, place)| at.at_place(*place))
    }

    /// A free place beyond the first; `None`: as many peers as may be are there.
    pub(super) fn free(&self, policy: &IdentityPolicy, at: Endpoint) -> Option<Endpoint> {
        let of_address = self.0.get(&at.ip_bytes()).map_or(0, Vec::len);
        let mut taken: Vec<u16> = self.at(at).map(Endpoint::place).collect();
        if of_address >= policy.max_at_address || taken.len() + 1 >= policy.max_at_endpoint {
            return None;
        }
        taken.sort_unstable();
        let free = (1..).zip(&taken).find(|(place, taken)| place != *taken);
        let next = u16::try_from(taken.len()).unwrap_or(u16::MAX).saturating_add(1);
        Some(at.at_place(free.map_or(next, |(place, _)| place)))
    }

    /// Addresses and ports at which places beyond the first are taken, each with how many peers are there.
    pub(super) fn shared(&self) -> BTreeMap<SocketAddr, u32> {
        let mut shared = BTreeMap::new();
        for (ip, taken) in &self.0 {
            let ip = Ipv6Addr::from(*ip).to_canonical();
            for (port, _) in taken {
                *shared.entry(SocketAddr::new(ip, *port)).or_insert(1) += 1;
            }
        }
        shared
    }

    /// How many places beyond the first are taken.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}
