//! From an address to the longest prefix that holds it.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Per prefix length its mask, and from network to prefix length and site.
type Lengths<K> = Vec<(K, HashMap<K, (u8, u32), RandomState>)>;

/// A longest-prefix table: one hash map per prefix length that occurs, longest first. Maps of companies use
/// a handful of lengths, so a lookup is a handful of probes.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    v4: Lengths<u32>,
    v6: Lengths<u128>,
}

impl Networks {
    /// Of networks without host bits and their sites; of equal networks the last stands.
    pub(crate) fn new(networks: impl IntoIterator<Item = (IpNet, u32)>) -> Networks {
        let mut table = Networks::default();
        for (network, site) in networks {
            match network {
                IpNet::V4(net) => insert(
                    &mut table.v4,
                    u32::from(net.netmask()),
                    u32::from(net.network()),
                    (net.prefix_len(), site),
                ),
                IpNet::V6(net) => insert(
                    &mut table.v6,
                    u128::from(net.netmask()),
                    u128::from(net.network()),
                    (net.prefix_len(), site),
                ),
            }
        }
        table.v4.sort_by_key(|(mask, _)| std::cmp::Reverse(*mask));
        table.v6.sort_by_key(|(mask, _)| std::cmp::Reverse(*mask));
        table
    }

    /// Every network that holds the address, longest prefix first.
    pub(crate) fn all(&self, addr: IpAddr) -> impl Iterator<Item = (IpNet, u32)> {
        let (v4, v6) = match addr.to_canonical() {
            IpAddr::V4(addr) => (Some(u32::from(addr)), None),
            IpAddr::V6(addr) => (None, Some(u128::from(addr))),
        };
        let v4 = self.v4.iter().filter_map(move |(mask, nets)| {
            let network = v4? & mask;
            let (prefix, site) = nets.get(&network)?;
            Some((IpNet::V4(Ipv4Net::new(network.into(), *prefix).ok()?), *site))
        });
        let v6 = self.v6.iter().filter_map(move |(mask, nets)| {
            let network = v6? & mask;
            let (prefix, site) = nets.get(&network)?;
            Some((IpNet::V6(Ipv6Net::new(network.into(), *prefix).ok()?), *site))
        });
        v4.chain(v6)
    }

    /// The longest network that holds the address.
    pub(crate) fn longest(&self, addr: IpAddr) -> Option<(IpNet, u32)> {
        self.all(addr).next()
    }
}

fn insert<K: Eq + std::hash::Hash + Copy>(lengths: &mut Lengths<K>, mask: K, network: K, value: (u8, u32)) {
    match lengths.iter_mut().find(|(m, _)| *m == mask) {
        Some((_, nets)) => {
            nets.insert(network, value);
        }
        None => lengths.push((mask, HashMap::from_iter([(network, value)]))),
    }
}

/// The pseudo-site's network of an address that no site names: its /24, for IPv6 its /56.
pub(crate) fn around(addr: IpAddr) -> Option<IpNet> {
    let addr = addr.to_canonical();
    let prefix = if addr.is_ipv4() { 24 } else { 56 };
    Some(IpNet::new(addr, prefix).ok()?.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(networks: &[(IpNet, u32)], addr: IpAddr) -> Option<(IpNet, u32)> {
        let addr = addr.to_canonical();
        networks
            .iter()
            .filter(|(net, _)| net.contains(&addr))
            .max_by_key(|(net, _)| net.prefix_len())
            .copied()
    }

    /// Networks crowded into a small space, so that they nest, and of both families.
    fn network() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (0u32..=0xffff, 0u8..=32)
                .prop_map(|(low, prefix)| (IpAddr::from((low << 16 | low).to_be_bytes()), prefix)),
            (0u128..=0xff, 0u8..=128)
                .prop_map(|(low, prefix)| (IpAddr::from((low << 120 | low).to_be_bytes()), prefix)),
        ]
        .prop_map(|(addr, prefix)| IpNet::new(addr, prefix).unwrap().trunc())
    }

    proptest! {
        #[test]
        fn a_lookup_equals_a_naive_longest_prefix_scan(
            mut nets in proptest::collection::vec(network(), 0..60), host in any::<u128>(), pick in any::<prop::sample::Index>(),
        ) {
            nets.sort();
            nets.dedup();
            let nets: Vec<_> = nets.into_iter().zip(0u32..).collect();
            let table = Networks::new(nets.clone());
            let mut probes = vec![IpAddr::from((host as u32).to_be_bytes()), IpAddr::from(host.to_be_bytes())];
            if !nets.is_empty() {
                let net = nets[pick.index(nets.len())].0;
                probes.extend([net.network(), net.broadcast()]);
            }
            for addr in probes {
                prop_assert_eq!(table.longest(addr), naive(&nets, addr));
                if let IpAddr::V4(v4) = addr {
                    prop_assert_eq!(table.longest(IpAddr::V6(v4.to_ipv6_mapped())), naive(&nets, addr));
                }
            }
        }
    }
}
