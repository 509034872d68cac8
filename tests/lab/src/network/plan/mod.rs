//! Who has which address and which routes: a site map as routers, bridges and hosts. Pure.
//!
//! Every site has a router. At a site with networks the router has a bridge, the site's LAN, to which its
//! hosts are joined. Every link of the map is a pair of interfaces, one at each of two routers. A router
//! sends what is for a site to the next one on the site map's cheapest path.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use narrows_topology::{Hop, LinkId, SiteId};

use crate::deployment::Deployment;

/// The links between routers: 100.64.0.0/10 (RFC 6598), which no site can have here.
const LINKS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);

/// The network by which the lab asks its hosts; nothing else uses it, and no link counts it.
const MANAGEMENT: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 0);

/// The most hosts, with the tracker: each has an interface on one bridge, which takes 1,023.
pub const MAX_HOSTS: usize = 1000;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetPlan {
    /// One per site, in the map's order.
    pub routers: Vec<Router>,
    /// One per link of the map, in its order.
    pub links: Vec<Wire>,
    /// The tracker first, then the agents in the world's order, then the ends of probes.
    pub hosts: Vec<HostPlan>,
}

/// A site's router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// Its site.
    pub site: SiteId,
    /// The name of its namespace: `r0`.
    pub netns: String,
    /// Its address on the site's LAN; `None` for a transit site.
    pub lan: Option<Ipv4Net>,
    /// Where to send what is for another site's network.
    pub routes: Vec<Forward>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// For these addresses.
    pub to: Ipv4Net,
    /// To this router next.
    pub via: Ipv4Addr,
    /// Across this link.
    pub hop: Hop,
}

/// A link: two interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Of the map.
    pub link: LinkId,
    /// Its ends in the map's order; what leaves the first travels forward.
    pub ends: [End; 2],
}

/// An end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// At this router, by its position.
    pub router: usize,
    /// The interface's name: `l0a`, `l0b`.
    pub device: String,
    /// Its address.
    pub addr: Ipv4Addr,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// The name of its namespace, `h0`, and of its port on the site's bridge.
    pub netns: String,
    /// At this router.
    pub router: usize,
    /// Its address, with the site's network.
    pub addr: Ipv4Net,
    /// Its router's.
    pub gateway: Ipv4Addr,
    /// Networks inside its own that are other sites': reached by the router too.
    pub foreign: Vec<Ipv4Net>,
    /// Its address for the lab's questions.
    pub management: Ipv4Addr,
}

impl NetPlan {
    /// Of a world, with further hosts at these sites (ends of probes).
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn new(deployment: &Deployment, probes: &[SiteId]) -> Result<NetPlan, String> {
        let map = &deployment.map;
        let sites: Vec<SiteId> = map.sites().collect();
        let position = |site: SiteId| sites.iter().position(|other| *other == site);
        let mut links = Vec::new();
        for (number, link) in (0u32..).zip(map.links()) {
            let (a, b) = map.ends(link);
            let end = |side: u32, site| {
                Some(End {
                    router: position(site)?,
                    device: format!("l{number}{}", if side == 0 { 'a' } else { 'b' }),
                    addr: Ipv4Addr::from(u32::from(LINKS) + 2 * number + side),
                })
            };
            // a link whose end is no site is not in a map that parsed
            if let (Some(first), Some(second)) = (end(0, a), end(1, b)) {
                links.push(Wire {
                    link,
                    ends: [first, second],
                });
            }
        }
        let routers = sites
            .iter()
            .enumerate()
            .map(|(number, site)| Router {
                site: *site,
                netns: format!("r{number}"),
                lan: deployment.network(*site).and_then(router_address),
                routes: forwards(deployment, &sites, *site, &links),
            })
            .collect();
        let mut plan = NetPlan {
            routers,
            links,
            hosts: Vec::new(),
        };
        let tracker = deployment.tracker_site().zip(match deployment.tracker() {
            std::net::IpAddr::V4(addr) => Some(addr),
            std::net::IpAddr::V6(_) => None,
        });
        let agents = deployment.agents.iter().map(|place| match place.addr {
            std::net::IpAddr::V4(addr) => Some((place.site, addr)),
            std::net::IpAddr::V6(_) => None,
        });
        let probes = (1u32..)
            .zip(probes)
            .map(|(number, site)| Some((*site, deployment.infrastructure(*site, number)?)));
        for host in std::iter::once(tracker).chain(agents).chain(probes) {
            let (site, addr) = host.ok_or("a host has no IPv4 address")?;
            plan.join(deployment, site, addr)?;
        }
        if plan.hosts.len() > MAX_HOSTS {
            return Err(format!("{} hosts are more than {MAX_HOSTS}", plan.hosts.len()));
        }
        Ok(plan)
    }

    /// One more host, after all others, at this address of a site.
    ///
    /// # Errors
    /// The site has no network that can be used here.
    pub fn join(&mut self, deployment: &Deployment, site: SiteId, addr: Ipv4Addr) -> Result<(), String> {
        let name = deployment.map.name(site);
        let router = self.routers.iter().position(|router| router.site == site);
        let (Some(router), Some(net)) = (router, deployment.network(site)) else {
            return Err(format!("`{name}` has no network that can be used here"));
        };
        let lan = self.routers.get(router).and_then(|router| router.lan);
        let lan = lan.ok_or_else(|| format!("{net} of `{name}` is too small"))?;
        let others = deployment.map.sites().filter(|other| *other != site);
        let foreign = others
            .filter_map(|other| deployment.network(other))
            .filter(|other| net.contains(other) && *other != net)
            .collect();
        let number = self.hosts.len();
        // the lab is 169.254.0.1
        let management = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(2);
        self.hosts.push(HostPlan {
            netns: format!("h{number}"),
            router,
            addr: Ipv4Net::new(addr, net.prefix_len()).map_err(|error| error.to_string())?,
            gateway: lan.addr(),
            foreign,
            management: Ipv4Addr::from(u32::from(MANAGEMENT).saturating_add(management)),
        });
        Ok(())
    }

    /// The hosts of a router's site, by the router's position.
    pub fn hosts_at(&self, router: usize) -> impl Iterator<Item = &HostPlan> {
        self.hosts.iter().filter(move |host| host.router == router)
    }

    /// The lab's own address on the management network.
    pub fn lab() -> Ipv4Addr {
        Ipv4Addr::from(u32::from(MANAGEMENT) + 1)
    }

    /// Every link in both directions: the map's first end to its second, then the way back.
    pub fn hops(&self) -> impl Iterator<Item = Hop> {
        self.links.iter().flat_map(|wire| {
            [true, false].map(|forward| Hop {
                link: wire.link,
                forward,
            })
        })
    }

    /// The end from which bytes leave in this direction.
    pub fn sender(&self, hop: Hop) -> Option<&End> {
        let wire = self.links.iter().find(|wire| wire.link == hop.link)?;
        wire.ends.get(usize::from(!hop.forward))
    }
}

/// The first address of a network.
fn router_address(net: Ipv4Net) -> Option<Ipv4Net> {
    let addr = u32::from(net.network()).checked_add(1)?;
    Ipv4Net::new(addr.into(), net.prefix_len()).ok()
}

fn forwards(deployment: &Deployment, sites: &[SiteId], from: SiteId, links: &[Wire]) -> Vec<Forward> {
    let others = sites.iter().filter(|to| **to != from);
    let one = |to: &SiteId| {
        let hop = *deployment.map.path(from, *to)?.hops.first()?;
        let wire = links.iter().find(|wire| wire.link == hop.link)?;
        Some(Forward {
            to: deployment.network(*to)?,
            via: wire.ends.get(usize::from(hop.forward))?.addr,
            hop,
        })
    };
    others.filter_map(one).collect()
}

#[cfg(test)]
mod tests;
