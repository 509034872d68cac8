//! The compiled map.

mod compile;
mod edited;
mod links;
mod spread;

pub use spread::Spread;

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use jiff::tz::TimeZone;

use crate::file::{self, Attach, Defaults, Link, Site};
use crate::networks::{Networks, around};
use crate::paths::{HopIndex, Neighbours, Paths, Spur, Tree, Weight, hop};
use crate::{Hop, LinkId, LoadError, Mistakes, Route, SiteId};

/// A compiled, immutable site map. Lookups take `&self`; share it as `Arc<SiteMap>`.
#[derive(Debug)]
pub struct SiteMap {
    sites: Vec<Site>,
    links: Vec<Link>,
    networks: Networks,
    attach: Option<Attach>,
    timezone: TimeZone,
    defaults: Defaults,
    neighbours: Neighbours,
    weights: Vec<Weight>,
    /// The cheapest paths from each site, computed when first asked for; none from sites on a [`Spur`].
    trees: Vec<OnceLock<Tree>>,
}

impl SiteMap {
    /// Parses and checks the text of a site map. `file_name` is for the messages only.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn parse(file_name: &str, text: &str) -> Result<SiteMap, Mistakes> {
        file::parse(file_name, text).map(SiteMap::compile)
    }

    /// Reads, parses and checks a site map.
    ///
    /// # Errors
    /// The system's reason why it cannot be read, or all mistakes of the file at once.
    pub fn load(path: &Path) -> Result<SiteMap, LoadError> {
        file::load(path).map(SiteMap::compile)
    }

    /// The site of an address: that of the longest prefix; else, as `unknown` says, a pseudo-site or `None`
    /// (denied). An IPv4-mapped IPv6 address is the IPv4 address.
    pub fn locate(&self, addr: IpAddr) -> Option<SiteId> {
        self.network_of(addr).map(|(_, site)| site)
    }

    /// As [`SiteMap::locate`], with the network that decided.
    pub fn network_of(&self, addr: IpAddr) -> Option<(IpNet, SiteId)> {
        if let Some((net, site)) = self.networks.longest(addr) {
            return Some((net, SiteId::Named(site)));
        }
        self.attach.as_ref()?;
        around(addr).map(|net| (net, SiteId::Attached(net)))
    }

    /// Every network of the file that holds the address, longest prefix first.
    pub fn networks_of(&self, addr: IpAddr) -> impl Iterator<Item = (IpNet, SiteId)> {
        self.networks.all(addr).map(|(net, site)| (net, SiteId::Named(site)))
    }

    /// The networks of a site; none of a transit site.
    pub fn networks(&self, site: SiteId) -> Vec<IpNet> {
        match site {
            SiteId::Named(_) => self.site(site).map_or(Vec::new(), |site| site.networks.clone()),
            SiteId::Attached(net) => vec![net],
        }
    }

    /// The name in the file; of a pseudo-site, its network.
    pub fn name(&self, site: SiteId) -> Cow<'_, str> {
        match (self.site(site), site) {
            (Some(site), _) => Cow::Borrowed(&site.name),
            (None, SiteId::Attached(net)) => Cow::Owned(net.to_string()),
            (None, SiteId::Named(_)) => Cow::Borrowed("(no such site)"),
        }
    }

    /// The site of this name; a network's text names its pseudo-site, if unknown networks are attached.
    pub fn site_named(&self, name: &str) -> Option<SiteId> {
        if let Ok(i) = self.sites.binary_search_by(|site| site.name.as_str().cmp(name)) {
            return u32::try_from(i).ok().map(SiteId::Named);
        }
        let net: IpNet = name.parse().ok()?;
        (self.attach.is_some() && around(net.addr()) == Some(net)).then_some(SiteId::Attached(net))
    }

    /// The site that was probably meant by a name that is no site's.
    pub fn site_meant(&self, written: &str) -> Option<SiteId> {
        let near = narrows_config::nearest(written, self.sites.iter().map(|site| site.name.as_str()))?;
        self.site_named(near)
    }

    /// The sites of the file, by name.
    pub fn sites(&self) -> impl ExactSizeIterator<Item = SiteId> + Clone {
        (0..u32::try_from(self.sites.len()).unwrap_or(u32::MAX)).map(SiteId::Named)
    }

    /// The links of the file, in its order.
    pub fn links(&self) -> impl ExactSizeIterator<Item = LinkId> + Clone {
        (0..u32::try_from(self.links.len()).unwrap_or(u32::MAX)).map(LinkId::Named)
    }

    /// Whether there may be several paths between two sites. (Every map is connected.)
    pub fn is_meshed(&self) -> bool {
        self.links.len() >= self.sites.len()
    }

    /// Whether the site has no networks, so that no peer is there.
    pub fn is_transit(&self, site: SiteId) -> bool {
        self.site(site).is_some_and(|site| site.networks.is_empty())
    }

    /// Whether peers of the site may serve others; `false` for `sharing: false`.
    pub fn sharing(&self, site: SiteId) -> bool {
        self.site(site).is_none_or(|site| site.sharing)
    }

    /// How many gateways the site has per swarm, at least 1.
    pub fn gateways(&self, site: SiteId) -> u32 {
        self.site(site).and_then(|site| site.gateways).unwrap_or(self.defaults.gateways)
    }

    /// Where the pseudo-sites of unknown networks hang; `None` if unknown addresses are denied.
    pub fn attach_hub(&self) -> Option<SiteId> {
        self.attach.as_ref().map(|attach| SiteId::Named(attach.hub))
    }

    /// The timezone of the schedules.
    pub fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    /// The cheapest path, as routers forward: among equal costs the one of fewer hops, then one that
    /// depends on the names alone. The way back is the way there. `None` if there is no path; empty from a
    /// site to itself.
    pub fn path(&self, from: SiteId, to: SiteId) -> Option<Route> {
        if from == to {
            return self.hub(from).map(|_| Route::default());
        }
        let (first, last) = (self.hub(from)?, self.hub(to)?);
        let paths = self.paths(first)?;
        paths.distance(last)?;
        let mut middle: Vec<Hop> = paths.back_from(last).map(hop).collect();
        middle.reverse();
        let mut cost = middle.iter().fold(0u64, |sum, hop| sum.saturating_add(self.cost(hop.link)));
        let (mut out, mut back) = (None, None);
        if let SiteId::Attached(net) = from {
            out = Some(Hop {
                link: LinkId::Attached(net),
                forward: false,
            });
            cost = cost.saturating_add(self.attach_cost());
        }
        if let SiteId::Attached(net) = to {
            back = Some(Hop {
                link: LinkId::Attached(net),
                forward: true,
            });
            cost = cost.saturating_add(self.attach_cost());
        }
        let hops: Arc<[Hop]> = out.into_iter().chain(middle).chain(back).collect();
        Some(Route { hops, cost })
    }

    /// The sites that peers may be handed from: with networks (or attached), known to this map, sharing.
    pub(crate) fn may_serve(&self, site: SiteId) -> bool {
        self.hub(site).is_some() && !self.is_transit(site) && self.sharing(site)
    }

    /// The named site itself, or the hub of a pseudo-site; `None` if this map does not know the site.
    pub(crate) fn hub(&self, site: SiteId) -> Option<u32> {
        match site {
            SiteId::Named(i) => ((i as usize) < self.sites.len()).then_some(i),
            SiteId::Attached(_) => self.attach.as_ref().map(|attach| attach.hub),
        }
    }

    /// The named sites beside a named site, and the hop to there.
    pub(crate) fn neighbours(&self, site: u32) -> &[(u32, HopIndex)] {
        self.neighbours.get(site as usize).map_or(&[], Vec::as_slice)
    }

    /// The cheapest paths from a named site.
    pub(crate) fn paths(&self, source: u32) -> Option<Paths<'_>> {
        let (source, spur) = self.stem(source);
        let slot = self.trees.get(source as usize)?;
        let tree = slot.get_or_init(|| {
            if self.is_meshed() {
                Tree::new(&self.neighbours, &self.weights, source)
            } else {
                Tree::of_tree(&self.neighbours, source)
            }
        });
        Some(Paths::new(tree, spur))
    }

    /// The site whose tree has the paths from another, and how it hangs there: itself, but for a site with one
    /// neighbour.
    fn stem(&self, site: u32) -> (u32, Option<Spur>) {
        match *self.neighbours(site) {
            [(next, hop)] if self.neighbours(next).len() > 1 => (next, Some(Spur { site, hop })),
            _ => (site, None),
        }
    }

    fn site(&self, site: SiteId) -> Option<&Site> {
        match site {
            SiteId::Named(i) => self.sites.get(i as usize),
            SiteId::Attached(_) => None,
        }
    }
}
