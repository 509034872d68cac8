//! Sites and agents: a site map of which every address can be used here, and the agents at each.
//!
//! [`addressing`] says which addresses can be used, [`routes`] how the content gets from site to site at best
//! and as planned.

mod addressing;
mod routes;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use narrows_topology::{Hop, Rate, SiteId, SiteMap, max_flow};

use crate::values::Groups;
pub use addressing::AddressSpace;
use addressing::{moved, usable};
pub use routes::{PlannedRoute, copies};

/// The map that is used when none is given.
pub const DEFAULT_MAP: &str = include_str!("../../../maps/default.yaml");

/// The first agent's place in its site's network; those before it are for the router, the tracker and probes.
const FIRST: u32 = 10;

/// How many clients a site gets when none are asked for.
const CLIENTS: usize = 4;

/// More agents than this are only started when they are asked for by number.
const MAX_CLIENTS_BY_DEFAULT: usize = 32;

/// A site map and the agents at its sites.
#[derive(Debug)]
pub struct Deployment {
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
    pub address_space: AddressSpace,
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

impl Deployment {
    /// Lays seeders and clients out over a site map's text. `name` is the file's name for messages.
    ///
    /// # Errors
    /// A message that names the option that is wrong.
    pub fn new(
        name: &str,
        text: &str,
        seeds: Option<&Groups>,
        clients: Option<&Groups>,
        address_space: AddressSpace,
    ) -> Result<Deployment, String> {
        let asked = SiteMap::parse(name, text).map_err(|mistakes| format!("--sites: {mistakes}"))?;
        let ours =
            asked.sites().all(|site| asked.is_transit(site) || usable(&asked, site, address_space).is_some());
        let (map, text) = match ours {
            true => (asked, text.to_owned()),
            false => moved(name, text, &asked, address_space)?,
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
                let others = map.sites().filter(|site| !map.is_transit(*site) && !roots.contains(site));
                let groups: Vec<_> = others.map(|site| (site, CLIENTS)).collect();
                if groups.is_empty() {
                    return Err("--clients: there is no other site; say where clients are".to_owned());
                }
                if groups.len() * CLIENTS > MAX_CLIENTS_BY_DEFAULT {
                    return Err(format!(
                        "--clients: {} sites are many for one machine; say where clients are, as in --clients {}=4",
                        groups.len(),
                        groups.first().map_or("b1".into(), |(site, _)| map.name(*site)),
                    ));
                }
                groups
            }
        };
        let waiting: BTreeSet<SiteId> =
            clients.iter().map(|(site, _)| *site).filter(|site| !roots.contains(site)).collect();
        for site in &waiting {
            if max_flow(&map, Timestamp::now(), &roots, *site) == Rate::ZERO {
                return Err(format!(
                    "--sites: no link leads from the seeders to `{}`, or its rate is 0 now",
                    map.name(*site)
                ));
            }
        }
        let mut deployment = Deployment {
            map,
            text,
            agents: Vec::new(),
            roots,
            waiting,
            address_space,
        };
        let agents = seeds.iter().map(|group| (true, group));
        for (seeder, (site, count)) in agents.chain(clients.iter().map(|group| (false, group))) {
            deployment.settle(*site, *count, seeder, false)?;
        }
        Ok(deployment)
    }

    /// The network of a site in which its agents are.
    pub fn network(&self, site: SiteId) -> Option<Ipv4Net> {
        usable(&self.map, site, self.address_space)
    }

    /// Where the tracker is in `--netns`: the site of the first seeder.
    pub fn tracker_site(&self) -> Option<SiteId> {
        self.agents.first().map(|place| place.site)
    }

    /// The tracker's address: outside of every site on the loopback, else in its site.
    pub fn tracker(&self) -> IpAddr {
        let ours = match self.address_space {
            AddressSpace::Loopback => None,
            AddressSpace::Namespaces => self.tracker_site().and_then(|site| self.infrastructure(site, 0)),
        };
        IpAddr::V4(ours.unwrap_or(Ipv4Addr::LOCALHOST))
    }

    /// The addresses of a site that no agent has: of the tracker (0), of ends of probes (1 to 4).
    pub fn infrastructure(&self, site: SiteId, number: u32) -> Option<Ipv4Addr> {
        let net = self.network(site)?;
        u32::from(net.network()).checked_add(5 + number.min(4)).map(Ipv4Addr::from)
    }

    /// The addresses of machines that are no agents, from the end of a site's network.
    pub fn outsider(&self, site: SiteId, number: u32) -> Option<Ipv4Addr> {
        let net = self.network(site)?;
        let last = u32::from(net.broadcast()).checked_sub(number.checked_add(2)?)?;
        Some(Ipv4Addr::from(last)).filter(|addr| net.contains(addr))
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
            let offset = u32::try_from(taken + number).unwrap_or(u32::MAX).saturating_add(FIRST);
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

    /// `hq → b1`: a link in one direction.
    pub fn hop_name(&self, hop: Hop) -> (String, String) {
        let (a, b) = self.map.ends(hop.link);
        let (from, to) = if hop.forward { (a, b) } else { (b, a) };
        (self.map.name(from).into_owned(), self.map.name(to).into_owned())
    }

    /// Another map's text with this deployment's networks for the sites of the same names.
    ///
    /// # Errors
    /// It is no site map, or none that fits.
    pub fn rewritten(&self, name: &str, text: &str) -> Result<String, String> {
        SiteMap::parse(name, text).map_err(|mistakes| mistakes.to_string())?;
        let mut value: serde_json::Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let peopled = self.map.sites().filter_map(|site| Some((site, self.network(site)?)));
        for (site, net) in peopled {
            let site = value.get_mut("sites").and_then(|sites| sites.get_mut(&*self.map.name(site)));
            if let Some(site) = site.and_then(serde_json::Value::as_object_mut) {
                site.insert("networks".to_owned(), serde_json::json!([net.to_string()]));
            }
        }
        let text = serde_yaml::to_string(&value).map_err(|error| error.to_string())?;
        SiteMap::parse(name, &text).map_err(|mistakes| mistakes.to_string())?;
        Ok(text)
    }
}

fn example(map: &SiteMap) -> String {
    let site = map.sites().find(|site| !map.is_transit(*site));
    site.map_or("hq".to_owned(), |site| map.name(site).into_owned())
}

fn located(map: &SiteMap, option: &str, groups: &Groups) -> Result<Vec<(SiteId, usize)>, String> {
    let of = |(name, count): &(String, usize)| {
        let site = map.site_named(name).ok_or_else(|| {
            let sites: Vec<_> = map.sites().filter(|s| !map.is_transit(*s)).map(|s| map.name(s)).collect();
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
mod tests;
