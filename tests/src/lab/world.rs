//! Sites and agents: a site map of which every address can be used here, and who is at which.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use narrows_topology::{Forest, Hop, Load, Rate, SiteId, SiteMap, forest, max_flow};

use super::args::Groups;

/// The map that is used when none is given.
pub const DEFAULT_MAP: &str = include_str!("../../maps/default.yaml");

const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Networks that no site in a namespace can have: this host, the lab's own links between routers and its
/// management network, multicast and above.
const RESERVED: [Ipv4Net; 5] = [
    Ipv4Net::new_assert(Ipv4Addr::new(0, 0, 0, 0), 8),
    LOOPBACK,
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The first agent's place in its site's network; those before it are for the router, the tracker and probes.
const FIRST: u32 = 10;

/// Where the sites' addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// This machine's loopback, 127.0.0.0/8.
    Loopback,
    /// Network namespaces: any addresses.
    Namespaces,
}

impl Ground {
    /// Whether a site can have this network here.
    fn takes(self, net: Ipv4Net) -> bool {
        match self {
            Ground::Loopback => LOOPBACK.contains(&net),
            Ground::Namespaces => {
                net.prefix_len() <= 27 && RESERVED.iter().all(|r| !r.contains(&net) && !net.contains(r))
            }
        }
    }

    /// The first byte of networks that stand in for those of a map.
    fn stand_in(self) -> u8 {
        match self {
            Ground::Loopback => 127,
            Ground::Namespaces => 10,
        }
    }
}

/// How many clients a site gets when none are asked for.
const CLIENTS: usize = 4;

/// More agents than this are only started when they are asked for by number.
const MANY: usize = 32;

/// A site map and who is where.
#[derive(Debug)]
pub struct World {
    /// The map with loopback networks.
    pub map: SiteMap,
    /// Its text, for the tracker.
    pub text: String,
    /// Seeders first, each group in the order asked for.
    pub agents: Vec<Place>,
    /// Sites with seeders.
    pub roots: BTreeSet<SiteId>,
    /// Sites with clients and no seeder.
    pub waiting: BTreeSet<SiteId>,
    /// Where the addresses come from.
    pub ground: Ground,
}

/// Where an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `b1-0`.
    pub id: String,
    /// Its site.
    pub site: SiteId,
    /// Its number among the seeders or clients of the site, from 0.
    pub number: usize,
    /// Its address, of the site's network.
    pub addr: IpAddr,
    /// Whether it has the content from the beginning.
    pub seeder: bool,
    /// Started later, by an event.
    pub late: bool,
}

impl World {
    /// Lays seeders and clients out over a site map's text. `name` is the file's name for messages.
    ///
    /// # Errors
    /// A message that names the option that is wrong.
    pub fn new(
        name: &str,
        text: &str,
        seeds: Option<&Groups>,
        clients: Option<&Groups>,
        ground: Ground,
    ) -> Result<World, String> {
        let asked = SiteMap::parse(name, text).map_err(|mistakes| format!("--sites: {mistakes}"))?;
        let ours = asked
            .sites()
            .all(|site| asked.is_transit(site) || usable(&asked, site, ground).is_some());
        let (map, text) = match ours {
            true => (asked, text.to_owned()),
            false => moved(name, text, &asked, ground)?,
        };
        let seeds = match seeds {
            Some(groups) => located(&map, "--seeds", groups)?,
            None => match map.site_named("hq").filter(|site| !map.is_transit(*site)) {
                Some(site) => vec![(site, CLIENTS)],
                None => {
                    return Err(format!(
                        "--seeds: say where the content is, as in --seeds {}=4",
                        example(&map)
                    ));
                }
            },
        };
        let roots: BTreeSet<SiteId> = seeds.iter().map(|(site, _)| *site).collect();
        let clients = match clients {
            Some(groups) => located(&map, "--clients", groups)?,
            None => {
                let others = map
                    .sites()
                    .filter(|site| !map.is_transit(*site) && !roots.contains(site));
                let groups: Vec<_> = others.map(|site| (site, CLIENTS)).collect();
                if groups.is_empty() {
                    return Err("--clients: there is no other site; say where clients are".to_owned());
                }
                if groups.len() * CLIENTS > MANY {
                    return Err(format!(
                        "--clients: {} sites are many for one machine; say where clients are, as in --clients {}=4",
                        groups.len(),
                        groups.first().map_or("b1".into(), |(site, _)| map.name(*site)),
                    ));
                }
                groups
            }
        };
        let waiting: BTreeSet<SiteId> = clients
            .iter()
            .map(|(site, _)| *site)
            .filter(|site| !roots.contains(site))
            .collect();
        for site in &waiting {
            if max_flow(&map, Timestamp::now(), &roots, *site) == Rate::ZERO {
                return Err(format!(
                    "--sites: no link leads from the seeders to `{}`, or its rate is 0 now",
                    map.name(*site)
                ));
            }
        }
        let mut world = World {
            map,
            text,
            agents: Vec::new(),
            roots,
            waiting,
            ground,
        };
        let agents = seeds.iter().map(|group| (true, group));
        for (seeder, (site, count)) in agents.chain(clients.iter().map(|group| (false, group))) {
            world.settle(*site, *count, seeder, false)?;
        }
        Ok(world)
    }

    /// The network of a site in which its agents are.
    pub fn network(&self, site: SiteId) -> Option<Ipv4Net> {
        usable(&self.map, site, self.ground)
    }

    /// Where the tracker is in `--netns`: the site of the first seeder.
    pub fn tracker_site(&self) -> Option<SiteId> {
        self.agents.first().map(|place| place.site)
    }

    /// The tracker's address: outside of every site on the loopback, else in its site.
    pub fn tracker(&self) -> IpAddr {
        let ours = match self.ground {
            Ground::Loopback => None,
            Ground::Namespaces => self.tracker_site().and_then(|site| self.infrastructure(site, 0)),
        };
        IpAddr::V4(ours.unwrap_or(Ipv4Addr::LOCALHOST))
    }

    /// The addresses of a site that no agent has: of the tracker (0), of ends of probes (1 to 4).
    pub fn infrastructure(&self, site: SiteId, number: u32) -> Option<Ipv4Addr> {
        let net = self.network(site)?;
        u32::from(net.network())
            .checked_add(5 + number.min(4))
            .map(Ipv4Addr::from)
    }

    /// Clients that start later, at the event `add`; their positions in `agents`.
    ///
    /// # Errors
    /// There is no such site, or its network is full.
    pub fn settle_late(&mut self, site: &str, count: usize) -> Result<std::ops::Range<usize>, String> {
        let groups = Groups(vec![(site.to_owned(), count)]);
        let site = located(&self.map, "--event add", &groups)?;
        let first = self.agents.len();
        for (site, count) in site {
            self.settle(site, count, false, true)?;
            if !self.roots.contains(&site) {
                self.waiting.insert(site);
            }
        }
        Ok(first..self.agents.len())
    }

    /// Another map's text with this world's networks for the sites of the same names.
    ///
    /// # Errors
    /// It is no site map, or none that fits.
    pub fn rewritten(&self, name: &str, text: &str) -> Result<String, String> {
        SiteMap::parse(name, text).map_err(|mistakes| mistakes.to_string())?;
        let mut value: serde_json::Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let peopled = self
            .map
            .sites()
            .filter_map(|site| Some((site, self.network(site)?)));
        for (site, net) in peopled {
            let site = value
                .get_mut("sites")
                .and_then(|sites| sites.get_mut(&*self.map.name(site)));
            if let Some(site) = site.and_then(serde_json::Value::as_object_mut) {
                site.insert("networks".to_owned(), serde_json::json!([net.to_string()]));
            }
        }
        let text = serde_yaml::to_string(&value).map_err(|error| error.to_string())?;
        SiteMap::parse(name, &text).map_err(|mistakes| mistakes.to_string())?;
        Ok(text)
    }

    /// Adds agents to a site, after those that are there.
    fn settle(&mut self, site: SiteId, count: usize, seeder: bool, late: bool) -> Result<(), String> {
        let name = self.map.name(site).into_owned();
        let Some(net) = self.network(site) else {
            return Err(format!("--sites: `{name}` has no network on this machine"));
        };
        let taken = self.agents.iter().filter(|place| place.site == site).count();
        let before = |place: &&Place| place.site == site && place.seeder == seeder;
        let first = self.agents.iter().filter(before).count();
        for number in 0..count {
            let offset = u32::try_from(taken + number)
                .unwrap_or(u32::MAX)
                .saturating_add(FIRST);
            let addr = u32::from(net.network()).checked_add(offset).map(Ipv4Addr::from);
            let addr = addr.filter(|addr| net.contains(addr) && *addr != net.broadcast());
            let Some(addr) = addr.map(IpAddr::V4) else {
                return Err(format!(
                    "--sites: {net} of `{name}` is too small for {} agents",
                    taken + count
                ));
            };
            if self.map.locate(addr) != Some(site) {
                return Err(format!(
                    "--sites: {addr} of `{name}` is in a longer network of another site"
                ));
            }
            // where a site has both, its clients are told apart from its seeders
            let id = match (seeder, self.roots.contains(&site)) {
                (false, true) => format!("{name}-c{}", first + number),
                _ => format!("{name}-{}", first + number),
            };
            self.agents.push(Place {
                id,
                site,
                number: first + number,
                addr,
                seeder,
                late,
            });
        }
        Ok(())
    }

    /// The clients, as positions in `agents`.
    pub fn clients(&self) -> impl Iterator<Item = usize> {
        (0..self.agents.len()).filter(|i| !self.agents[*i].seeder)
    }

    /// Each site that clients are at, in the order asked for, and how many.
    pub fn client_sites(&self) -> Vec<(String, usize)> {
        let mut sites: Vec<(String, usize)> = Vec::new();
        for place in self.agents.iter().filter(|place| !place.seeder) {
            let name = self.map.name(place.site);
            match sites.iter_mut().find(|(other, _)| *other == name) {
                Some((_, count)) => *count += 1,
                None => sites.push((name.into_owned(), 1)),
            }
        }
        sites
    }

    /// The most that can reach a site from all seeders together, over any paths.
    pub fn best_rate(&self, site: SiteId, at: Timestamp) -> Rate {
        max_flow(&self.map, at, &self.roots, site)
    }

    /// The seconds that `size` bytes need to the worst-connected waiting site; `None` if no limited link is
    /// in the way of any.
    pub fn bound(&self, size: u64, at: Timestamp) -> Option<f64> {
        let rates = self
            .waiting
            .iter()
            .filter_map(|site| self.best_rate(*site, at).bytes_per_second());
        rates.min().map(|rate| size as f64 / rate.max(1) as f64)
    }

    /// The distribution forest that the design's rule 3 plans for these sites.
    pub fn planned(&self, at: Timestamp) -> Forest {
        let none = BTreeSet::new();
        forest(
            &self.map,
            at,
            &self.roots,
            &self.waiting,
            &Forest::new(),
            &none,
            &Load::default(),
        )
    }

    /// How many links the content crosses in the planned forest, all sites together.
    pub fn planned_crossings(&self, at: Timestamp) -> u64 {
        let planned = self.planned(at);
        let hops = planned
            .iter()
            .filter_map(|(site, parent)| self.map.path(parent.site, *site));
        hops.map(|route| route.hops.len() as u64).sum()
    }

    /// `hq → b1`: a link in one direction.
    pub fn hop_name(&self, hop: Hop) -> (String, String) {
        let (a, b) = self.map.ends(hop.link);
        let (from, to) = if hop.forward { (a, b) } else { (b, a) };
        (self.map.name(from).into_owned(), self.map.name(to).into_owned())
    }
}

fn example(map: &SiteMap) -> String {
    let site = map.sites().find(|site| !map.is_transit(*site));
    site.map_or("hq".to_owned(), |site| map.name(site).into_owned())
}

/// The site's first network that can be used here.
fn usable(map: &SiteMap, site: SiteId, ground: Ground) -> Option<Ipv4Net> {
    map.networks(site).into_iter().find_map(|net| match net {
        IpNet::V4(net) if ground.takes(net) => Some(net),
        _ => None,
    })
}

/// The same map with 127.N.0.0/16, or 10.N.0.0/16, in place of each site's networks.
fn moved(name: &str, text: &str, asked: &SiteMap, ground: Ground) -> Result<(SiteMap, String), String> {
    let wrong =
        |what: String| format!("--sites: cannot give the sites of {name} addresses of this machine: {what}");
    let mut value: serde_json::Value =
        serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let peopled: Vec<SiteId> = asked.sites().filter(|site| !asked.is_transit(*site)).collect();
    if peopled.len() > 254 {
        return Err(wrong(format!("{} sites are more than 254", peopled.len())));
    }
    for (number, site) in (1u8..).zip(peopled) {
        let pointer = value
            .get_mut("sites")
            .and_then(|sites| sites.get_mut(&*asked.name(site)));
        let Some(site) = pointer.and_then(serde_json::Value::as_object_mut) else {
            return Err(wrong(format!(
                "site `{}` is not written as a mapping",
                asked.name(site)
            )));
        };
        site.insert(
            "networks".to_owned(),
            serde_json::json!([format!("{}.{number}.0.0/16", ground.stand_in())]),
        );
    }
    let text = serde_yaml::to_string(&value).map_err(|error| wrong(error.to_string()))?;
    let map = SiteMap::parse(name, &text).map_err(|mistakes| wrong(mistakes.to_string()))?;
    Ok((map, text))
}

fn located(map: &SiteMap, option: &str, groups: &Groups) -> Result<Vec<(SiteId, usize)>, String> {
    let of = |(name, count): &(String, usize)| {
        let site = map.site_named(name).ok_or_else(|| {
            let sites: Vec<_> = map
                .sites()
                .filter(|s| !map.is_transit(*s))
                .map(|s| map.name(s))
                .collect();
            format!("{option}: no site `{name}`; there are {}", sites.join(", "))
        })?;
        if map.is_transit(site) {
            return Err(format!(
                "{option}: `{name}` is a transit site (no networks), nobody can be there"
            ));
        }
        Ok((site, *count))
    };
    groups.0.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> Groups {
        text.parse().unwrap()
    }

    fn world(text: &str, seeds: &str, clients: &str) -> Result<World, String> {
        World::new(
            "sites.yaml",
            text,
            Some(&groups(seeds)),
            Some(&groups(clients)),
            Ground::Loopback,
        )
    }

    const REAL: &str = "
version: 1
sites:
  hq: {networks: [10.1.0.0/16, '2001:db8:1::/48']}
  munich: {networks: [10.2.0.0/16]}
  backbone: {}
links:
  - {between: [hq, backbone], rate: 100 Mbit/s}
  - {between: [munich, backbone], rate: 10 Mbit/s}
";

    #[test]
    fn the_default_world_is_four_seeders_and_twice_four_clients_fifty_seconds_away() {
        let world = World::new("default", DEFAULT_MAP, None, None, Ground::Loopback).unwrap();
        assert_eq!(world.agents.len(), 12);
        assert_eq!(world.agents.iter().filter(|place| place.seeder).count(), 4);
        assert_eq!(world.client_sites().len(), 2);
        assert_eq!(world.bound(500_000_000, Timestamp::now()), Some(50.0));
        assert_eq!(world.planned_crossings(Timestamp::now()), 2);
        let hq0 = world.agents.iter().find(|place| place.id == "hq-0").unwrap();
        assert_eq!(hq0.addr.to_string(), "127.1.0.10");
    }

    #[test]
    fn the_maps_beside_it_are_right() {
        for text in [
            include_str!("../../maps/staged.yaml"),
            include_str!("../../maps/transit.yaml"),
        ] {
            let world = World::new("map", text, None, None, Ground::Loopback).unwrap();
            assert_eq!(world.bound(500_000_000, Timestamp::now()), Some(50.0));
            assert_eq!(world.text, text);
        }
    }

    #[test]
    fn a_map_of_the_real_world_moves_to_loopback_and_keeps_its_links() {
        let world = world(REAL, "hq=1", "munich=2").unwrap();
        assert!(world.agents.iter().all(|place| place.addr.is_loopback()));
        assert!(
            world
                .agents
                .iter()
                .all(|place| world.map.locate(place.addr) == Some(place.site))
        );
        assert_eq!(world.bound(12_500_000, Timestamp::now()), Some(10.0));
        assert_eq!(world.map.links().count(), 2);
    }

    #[test]
    fn what_cannot_be_laid_out_is_refused_with_the_option_that_is_wrong() {
        let tiny = "{version: 1, sites: {a: {networks: [127.9.0.0/28]}, b: {networks: [127.8.0.0/16]}}, \
                    links: [{between: [a, b], rate: 1 Mbit/s}]}";
        let nested = "{version: 1, sites: {a: {networks: [127.9.0.0/16]}, b: {networks: [127.9.0.0/24]}}, \
                      links: [{between: [a, b], rate: 1 Mbit/s}]}";
        for (text, seeds, clients, option, what) in [
            (DEFAULT_MAP, "hqq=1", "b1=1", "--seeds", "hq"),
            (DEFAULT_MAP, "hq=1", "b3=1", "--clients", "b1, b2"),
            (REAL, "hq=1", "backbone=1", "--clients", "transit"),
            ("sites: {", "hq=1", "b1=1", "--sites", "sites.yaml"),
            (tiny, "b=1", "a=9", "--sites", "too small"),
            (nested, "b=1", "a=1", "--sites", "longer network"),
        ] {
            let error = world(text, seeds, clients).unwrap_err();
            assert!(error.contains(option) && error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_site_with_seeders_may_have_clients_that_need_no_link() {
        let world = world(DEFAULT_MAP, "hq=1", "hq=2,b1=1").unwrap();
        let ids: Vec<_> = world.agents.iter().map(|place| place.id.as_str()).collect();
        assert_eq!(ids, ["hq-0", "hq-c0", "hq-c1", "b1-0"]);
        let addrs: BTreeSet<_> = world.agents.iter().map(|place| place.addr).collect();
        assert_eq!(addrs.len(), 4);
        assert_eq!(world.waiting.len(), 1);
    }
}
