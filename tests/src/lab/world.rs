//! Sites and agents on 127.x: a site map of which every address is one of this machine's own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use narrows_topology::{Forest, Hop, Load, Rate, SiteId, SiteMap, forest, max_flow};

use super::args::Groups;

/// The map that is used when none is given.
pub const DEFAULT_MAP: &str = include_str!("../../maps/default.yaml");

const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// The tracker's own address, outside of every site.
pub const TRACKER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

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
    ) -> Result<World, String> {
        let asked = SiteMap::parse(name, text).map_err(|mistakes| format!("--sites: {mistakes}"))?;
        let ours = asked
            .sites()
            .all(|site| asked.is_transit(site) || loopback(&asked, site).is_some());
        let (map, text) = match ours {
            true => (asked, text.to_owned()),
            false => on_loopback(name, text, &asked)?,
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
        let agents = places(&map, &seeds, &clients)?;
        Ok(World {
            map,
            text,
            agents,
            roots,
            waiting,
        })
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

/// The site's first network on this machine.
fn loopback(map: &SiteMap, site: SiteId) -> Option<Ipv4Net> {
    map.networks(site).into_iter().find_map(|net| match net {
        IpNet::V4(net) if LOOPBACK.contains(&net) => Some(net),
        _ => None,
    })
}

/// The same map with 127.N.0.0/16 in place of each site's networks.
fn on_loopback(name: &str, text: &str, asked: &SiteMap) -> Result<(SiteMap, String), String> {
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
            serde_json::json!([format!("127.{number}.0.0/16")]),
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

fn places(
    map: &SiteMap,
    seeds: &[(SiteId, usize)],
    clients: &[(SiteId, usize)],
) -> Result<Vec<Place>, String> {
    let mut agents: Vec<Place> = Vec::new();
    let groups = seeds
        .iter()
        .map(|group| (true, group))
        .chain(clients.iter().map(|group| (false, group)));
    for (seeder, (site, count)) in groups {
        let name = map.name(*site);
        let Some(net) = loopback(map, *site) else {
            return Err(format!("--sites: `{name}` has no network on this machine"));
        };
        let taken = agents.iter().filter(|place| place.site == *site).count();
        for number in 0..*count {
            // 10 and up, so that a network's first addresses stay free for people
            let offset = u32::try_from(10 + taken + number).unwrap_or(u32::MAX);
            let addr = u32::from(net.network()).checked_add(offset).map(Ipv4Addr::from);
            let addr = addr.filter(|addr| net.contains(addr) && *addr != net.broadcast());
            let Some(addr) = addr.map(IpAddr::V4) else {
                return Err(format!(
                    "--sites: {net} of `{name}` is too small for {} agents",
                    taken + count
                ));
            };
            if map.locate(addr) != Some(*site) {
                return Err(format!(
                    "--sites: {addr} of `{name}` is in a longer network of another site"
                ));
            }
            // where a site has both, its clients are told apart from its seeders
            let id = match (seeder, seeds.iter().any(|(s, _)| s == site)) {
                (false, true) => format!("{name}-c{number}"),
                _ => format!("{name}-{number}"),
            };
            agents.push(Place {
                id,
                site: *site,
                number,
                addr,
                seeder,
            });
        }
    }
    Ok(agents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> Groups {
        text.parse().unwrap()
    }

    fn world(text: &str, seeds: &str, clients: &str) -> Result<World, String> {
        World::new("sites.yaml", text, Some(&groups(seeds)), Some(&groups(clients)))
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
        let world = World::new("default", DEFAULT_MAP, None, None).unwrap();
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
            let world = World::new("map", text, None, None).unwrap();
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
