//! Where Prometheus is sent: which of the addresses that agents announce for their metrics.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use narrows_protocol::Host;

/// Most targets at one address. A machine runs one agent or a few; one that says to be thousands would have
/// Prometheus ask it thousands of times.
const MAX_PER_ADDRESS: usize = 8;

/// Most targets in one IPv6 network, which may be a large site, or a machine with as many addresses as it likes.
const MAX_PER_HOST: usize = 4096;

/// Most targets in all: more than a Prometheus asks.
const MAX_TARGETS: usize = 100_000;

/// A place to ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) site: String,
    pub(crate) address: SocketAddr,
}

/// The same agent once, though it is in many swarms and perhaps at two addresses: of these the least. Which
/// ones are left out where there are too many depends on the addresses alone, so that they stay the same.
#[derive(Default, Debug)]
pub(crate) struct Targets {
    /// By id and machine. An agent with another machine's id does not take its place.
    agents: BTreeMap<(String, Machine), SocketAddr>,
    /// By address and port.
    places: BTreeMap<IpAddr, BTreeMap<u16, (String, Machine, String)>>,
    by_host: BTreeMap<Host, usize>,
    count: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Machine {
    /// As it calls itself.
    Key(u32),
    /// It does not; then it is its address.
    At(IpAddr),
}

impl Targets {
    /// An agent, by its id and its machine's `key` (0: none), can be asked at `address`.
    pub(crate) fn add(&mut self, (id, key): (&str, u32), address: SocketAddr, site: impl FnOnce() -> String) {
        let machine = match key {
            0 => Machine::At(address.ip()),
            key => Machine::Key(key),
        };
        let agent = (id.to_owned(), machine);
        let known = self.agents.get(&agent).copied();
        let other = self.places.get(&address.ip()).and_then(|ports| ports.get(&address.port()));
        if known.is_some_and(|known| known <= address)
            || other.is_some_and(|(other, ..)| other.as_str() <= id)
        {
            return;
        }
        known.into_iter().chain([address]).for_each(|address| self.remove(address));
        let ports = self.places.entry(address.ip()).or_default();
        ports.insert(address.port(), (agent.0.clone(), machine, site()));
        self.agents.insert(agent, address);
        self.count += 1;
        let host = Host::of(address.ip());
        let of_host = self.by_host.entry(host).or_default();
        *of_host += 1;
        let is_over = *of_host > MAX_PER_HOST;
        let ports = self.places.get(&address.ip()).map_or(0, BTreeMap::len);
        if ports > MAX_PER_ADDRESS {
            self.remove_last_of(address.ip());
        } else if is_over && let Some(last) = self.last_in(host) {
            self.remove_last_of(last);
        } else if self.count > MAX_TARGETS
            && let Some(last) = self.places.last_key_value().map(|(ip, _)| *ip)
        {
            self.remove_last_of(last);
        }
    }

    /// All, by address.
    pub(crate) fn into_list(self) -> Vec<Target> {
        let of = |(ip, ports): (IpAddr, BTreeMap<u16, (String, Machine, String)>)| {
            ports.into_iter().map(move |(port, (id, _, site))| Target {
                id,
                site,
                address: SocketAddr::new(ip, port),
            })
        };
        self.places.into_iter().flat_map(of).collect()
    }

    /// The last address of an IPv6 network that has a target.
    fn last_in(&self, network: Host) -> Option<IpAddr> {
        let end = Ipv6Addr::from_bits(u128::from_be_bytes(network.bytes()) | u128::from(u64::MAX));
        self.places.range(..=IpAddr::V6(end)).next_back().map(|(ip, _)| *ip)
    }

    fn remove_last_of(&mut self, ip: IpAddr) {
        let port = self.places.get(&ip).and_then(|ports| ports.keys().next_back().copied());
        if let Some(port) = port {
            self.remove(SocketAddr::new(ip, port));
        }
    }

    fn remove(&mut self, address: SocketAddr) {
        let Some(ports) = self.places.get_mut(&address.ip()) else {
            return;
        };
        if let Some((id, machine, _)) = ports.remove(&address.port()) {
            self.agents.remove(&(id, machine));
            self.count -= 1;
            if let Some(of_host) = self.by_host.get_mut(&Host::of(address.ip())) {
                *of_host -= 1;
            }
        }
        if ports.is_empty() {
            self.places.remove(&address.ip());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(announced: &[(&str, u32, &str)]) -> Vec<(String, String)> {
        let mut targets = Targets::default();
        for (id, key, address) in announced {
            targets.add((id, *key), address.parse().unwrap(), || "hq".to_owned());
        }
        let list: Vec<Target> = targets.into_list();
        list.into_iter().map(|target| (target.id, target.address.to_string())).collect()
    }

    fn named(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, address)| ((*id).to_owned(), (*address).to_owned())).collect()
    }

    #[test]
    fn an_agent_is_asked_once_and_one_that_takes_its_id_does_not_take_its_place() {
        let announced = [
            ("pc1", 7, "10.2.0.1:6882"),
            // in another swarm it came by its other address
            ("pc1", 7, "[2001:db8::1]:6882"),
            // a machine that says to be pc1
            ("pc1", 9, "10.2.0.66:80"),
            ("pc1", 0, "10.2.0.67:80"),
            ("pc2", 0, "10.2.0.2:6882"),
            ("pc2", 0, "10.2.0.2:6882"),
            // and one that says to be at the same place
            ("pc3", 5, "10.2.0.2:6882"),
        ];
        let expected = named(&[
            ("pc1", "10.2.0.1:6882"),
            ("pc2", "10.2.0.2:6882"),
            ("pc1", "10.2.0.66:80"),
            ("pc1", "10.2.0.67:80"),
        ]);
        assert_eq!(list(&announced), expected);
        let mut turned = announced;
        turned.reverse();
        assert_eq!(list(&turned), expected, "in whatever order");
    }

    #[test]
    fn a_machine_that_says_to_be_thousands_of_agents_is_asked_at_eight_ports() {
        let mut targets = Targets::default();
        for n in (1..5000u16).rev() {
            let address = SocketAddr::from(([10, 2, 0, 66], n));
            targets.add((&format!("pc{n}"), n.into()), address, || "b1".to_owned());
        }
        targets.add(("pc1", 1), "10.2.0.1:6882".parse().unwrap(), || "b1".to_owned());
        assert_eq!(targets.agents.len(), targets.count);
        let list = targets.into_list();
        let ports: Vec<u16> = list.iter().map(|target| target.address.port()).collect();
        assert_eq!(
            ports,
            [6882, 2, 3, 4, 5, 6, 7, 8],
            "and pc1 where it is, as it moved there"
        );
    }

    #[test]
    fn a_machine_with_an_ipv6_network_leaves_room_for_all_others() {
        let mut targets = Targets::default();
        let at = |network: u64, n: u32| {
            let ip = u128::from(0x2001_0db8_0000_0000 + network) << 64 | u128::from(n);
            SocketAddr::new(Ipv6Addr::from_bits(ip).into(), 6882)
        };
        let count = MAX_PER_HOST as u32 + 1000;
        for n in (0..count).rev() {
            targets.add((&format!("pc{n}"), 1 + n), at(7, n), || "b1".to_owned());
        }
        for other in [6, 8] {
            targets.add(("other", 1), at(other, u32::MAX), || "b2".to_owned());
            targets.add(("other", 2), at(other, u32::MAX), || "b2".to_owned());
        }
        assert_eq!(targets.agents.len(), targets.count);
        let list: Vec<SocketAddr> = targets.into_list().iter().map(|target| target.address).collect();
        let mut expected: Vec<SocketAddr> = (0..MAX_PER_HOST as u32).map(|n| at(7, n)).collect();
        expected.insert(0, at(6, u32::MAX));
        expected.push(at(8, u32::MAX));
        assert_eq!(list, expected);
    }
}
