//! The compiled map.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::dscp;
use crate::networks::{Networks, around};
use crate::paths::{HopIndex, Neighbours, Tree, Weight, hop};
use crate::schedule::Rule;
use crate::{Hop, LinkId, LoadError, Mistakes, Rate, Route, SiteId};

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
    /// The cheapest paths from each site, computed when first asked for: a tracker asks for few sources.
    trees: Vec<OnceLock<Tree>>,
}

/// `defaults:` of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Defaults {
    pub(crate) max_seeders: u32,
    pub(crate) gateways: u32,
    /// `None`: packets are not marked.
    pub(crate) dscp: Option<u8>,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            max_seeders: 2,
            gateways: 1,
            dscp: dscp::DEFAULT,
        }
    }
}

/// A site of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) sharing: bool,
    pub(crate) gateways: Option<u32>,
}

/// A link of the file; its ends are positions in the list of sites.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) between: (u32, u32),
    pub(crate) rate: Rate,
    pub(crate) max_seeders: Option<u32>,
    pub(crate) cost: Option<u64>,
    /// If given: a code point, or that packets are not marked.
    pub(crate) dscp: Option<Option<u8>>,
    pub(crate) schedule: Vec<Rule>,
}

/// `unknown: {attach: …}`; the hub is a position in the list of sites.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attach {
    pub(crate) hub: u32,
    pub(crate) rate: Rate,
    pub(crate) max_seeders: Option<u32>,
    pub(crate) cost: Option<u64>,
}

/// What a file says, checked: every index is in range, names and networks are unique.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) sites: Vec<Site>,
    pub(crate) links: Vec<Link>,
    pub(crate) attach: Option<Attach>,
    pub(crate) timezone: TimeZone,
    pub(crate) defaults: Defaults,
}

/// The default cost of a link: 1 Gbit/s over its rate, in whole numbers and at least 1, as OSPF has it.
fn default_cost(rate: Rate) -> u64 {
    match rate.bytes_per_second() {
        Some(bytes) => (125_000_000 / bytes.max(1)).max(1),
        None => 1,
    }
}

/// A number of a link's own, of its ends' names in either order, spread over 32 bits: FNV-1a, then the
/// finalizer of SplitMix64 (Steele, Lea, Flood 2014). Without the latter, names that differ in their last
/// letter give numbers whose differences are all but equal, and sums of two of them that are.
fn tie(mut names: [&str; 2]) -> u32 {
    names.sort_unstable();
    let bytes = names[0].bytes().chain([0]).chain(names[1].bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash >> 32) as u32
}

impl SiteMap {
    /// Parses and checks the text of a site map. `file_name` is for the messages only.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn parse(file_name: &str, text: &str) -> Result<SiteMap, Mistakes> {
        crate::file::parse(file_name, text).map(SiteMap::compile)
    }

    /// Reads, parses and checks a site map.
    ///
    /// # Errors
    /// The system's reason why it cannot be read, or all mistakes of the file at once.
    pub fn load(path: &Path) -> Result<SiteMap, LoadError> {
        crate::file::load(path).map(SiteMap::compile)
    }

    /// Puts the sites in the order of their names and builds the tables.
    pub(crate) fn compile(plan: Plan) -> SiteMap {
        let Plan {
            mut sites,
            mut links,
            mut attach,
            timezone,
            defaults,
        } = plan;
        let mut by_name: Vec<u32> = (0u32..).take(sites.len()).collect();
        by_name.sort_by(|a, b| sites[*a as usize].name.cmp(&sites[*b as usize].name));
        let mut position = vec![0u32; sites.len()];
        for (new, old) in (0u32..).zip(&by_name) {
            position[*old as usize] = new;
        }
        sites.sort_by(|a, b| a.name.cmp(&b.name));
        for link in &mut links {
            link.between = (
                position[link.between.0 as usize],
                position[link.between.1 as usize],
            );
        }
        if let Some(attach) = &mut attach {
            attach.hub = position[attach.hub as usize];
        }
        let mut neighbours: Neighbours = vec![Vec::new(); sites.len()];
        for (i, link) in (0u32..).zip(&links) {
            let (a, b) = link.between;
            neighbours[a as usize].push((b, 2 * i + 1));
            neighbours[b as usize].push((a, 2 * i));
        }
        let weight = |link: &Link| Weight {
            cost: link.cost.unwrap_or(default_cost(link.rate)),
            tie: tie([
                &sites[link.between.0 as usize].name,
                &sites[link.between.1 as usize].name,
            ]),
        };
        let networks = Networks::new(
            (0u32..).zip(&sites).flat_map(|(i, site)| site.networks.iter().map(move |net| (*net, i))),
        );
        SiteMap {
            networks,
            weights: links.iter().map(weight).collect(),
            trees: sites.iter().map(|_| OnceLock::new()).collect(),
            neighbours,
            sites,
            links,
            attach,
            timezone,
            defaults,
        }
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
    pub fn sites(&self) -> impl Iterator<Item = SiteId> {
        (0u32..).take(self.sites.len()).map(SiteId::Named)
    }

    /// The links of the file, in its order.
    pub fn links(&self) -> impl Iterator<Item = LinkId> {
        (0u32..).take(self.links.len()).map(LinkId::Named)
    }

    /// Whether the site has no networks, so that nobody is there.
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

    /// How many seeders a gateway may be told of behind this route: the least along it, at least 1.
    pub fn max_seeders(&self, route: &Route) -> u32 {
        let of = |hop: &Hop| match hop.link {
            LinkId::Named(i) => self.links.get(i as usize).and_then(|link| link.max_seeders),
            LinkId::Attached(_) => self.attach.as_ref().and_then(|attach| attach.max_seeders),
        };
        let least = route.hops.iter().map(|hop| of(hop).unwrap_or(self.defaults.max_seeders)).min();
        least.unwrap_or(self.defaults.max_seeders)
    }

    /// `defaults.max_seeders`.
    pub fn max_seeders_default(&self) -> u32 {
        self.defaults.max_seeders
    }

    /// The DSCP (0 to 63) with which packets that go along this route are marked; `None`: they are not.
    ///
    /// Of several links the lowest priority, so that no link sees its other traffic wait for ours: LE, then
    /// CS1, then unmarked, then the rest in the order of their classes. Unlimited links have a say too. A
    /// route without hops (inside a site) is not marked.
    pub fn dscp(&self, route: &Route) -> Option<u8> {
        dscp::lowest(route.hops.iter().map(|hop| self.link_dscp(hop.link)))
    }

    /// The `dscp` of a link, its own or by default; `None`: `none`.
    pub fn link_dscp(&self, link: LinkId) -> Option<u8> {
        let own = match link {
            LinkId::Named(i) => self.links.get(i as usize).and_then(|link| link.dscp),
            LinkId::Attached(_) => None,
        };
        own.unwrap_or(self.defaults.dscp)
    }

    /// `defaults.dscp`; `None`: `none`.
    pub fn dscp_default(&self) -> Option<u8> {
        self.defaults.dscp
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
        let tree = self.tree(first)?;
        tree.distance(last)?;
        let mut middle: Vec<Hop> = tree.back_from(last).map(hop).collect();
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

    /// The present rate of a hop, each way the same: that of the first line of the schedule that matches at
    /// this time in the map's timezone, else the link's own.
    pub fn rate(&self, hop: Hop, at: Timestamp) -> Rate {
        match hop.link {
            LinkId::Attached(_) => self.attach.as_ref().map_or(Rate::ZERO, |attach| attach.rate),
            LinkId::Named(i) => {
                let Some(link) = self.links.get(i as usize) else {
                    return Rate::ZERO;
                };
                if link.schedule.is_empty() {
                    return link.rate;
                }
                let local = self.timezone.to_datetime(at);
                let rule =
                    link.schedule.iter().find(|rule| rule.matches(local.date().weekday(), local.time()));
                rule.map_or(link.rate, |rule| rule.rate)
            }
        }
    }

    /// The rate of a link outside its schedule.
    pub fn base_rate(&self, link: LinkId) -> Rate {
        match link {
            LinkId::Named(i) => self.links.get(i as usize).map_or(Rate::ZERO, |link| link.rate),
            LinkId::Attached(_) => self.attach.as_ref().map_or(Rate::ZERO, |attach| attach.rate),
        }
    }

    /// The cost of a link, as given or by default.
    pub fn cost(&self, link: LinkId) -> u64 {
        match link {
            LinkId::Named(i) => self.weights.get(i as usize).map_or(u64::MAX, |weight| weight.cost),
            LinkId::Attached(_) => self.attach_cost(),
        }
    }

    /// The first time after `at` at which the rate of a link may change by its schedule; `None` if none has
    /// one.
    /// (At a change of the clocks to or from summer time rates may change too.)
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let rules = || self.links.iter().flat_map(|link| &link.schedule);
        rules().next()?;
        // days change at midnight
        let mut minutes: Vec<u16> =
            rules().flat_map(|rule| [rule.from % 1440, rule.until % 1440]).chain([0]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        let today = self.timezone.to_datetime(at).date();
        let days = (0..3).filter_map(|day| today.checked_add(jiff::Span::new().days(day)).ok());
        let moments = days.flat_map(|day| {
            let moment = |minute: &u16| {
                let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                self.timezone.to_timestamp(day.at(hour, minute, 0, 0)).ok()
            };
            minutes.iter().filter_map(moment).collect::<Vec<_>>()
        });
        let clocks = self.timezone.following(at).next().map(|change| change.timestamp());
        moments.chain(clocks).filter(|moment| *moment > at).min()
    }

    /// The same map with a link of another rate, as if its `rate` were edited: its schedule stands as it is,
    /// and its cost changes with it if it has none of its own.
    pub fn with_rate(&self, link: LinkId, rate: Rate) -> SiteMap {
        self.edited(|plan| match link {
            LinkId::Named(i) => {
                if let Some(link) = plan.links.get_mut(i as usize) {
                    link.rate = rate;
                }
            }
            LinkId::Attached(_) => {
                if let Some(attach) = &mut plan.attach {
                    attach.rate = rate;
                }
            }
        })
    }

    /// The same map with a link that has its `rate` at all hours but those in which it is paused: a pause is
    /// somebody's word.
    pub fn without_schedule(&self, link: LinkId) -> SiteMap {
        self.edited(|plan| {
            if let LinkId::Named(i) = link
                && let Some(link) = plan.links.get_mut(i as usize)
            {
                link.schedule.retain(|rule| rule.rate == Rate::ZERO);
            }
        })
    }

    /// Whether a link has another rate at some hours, without being paused.
    pub fn has_schedule(&self, link: LinkId) -> bool {
        let link = match link {
            LinkId::Named(i) => self.links.get(i as usize),
            LinkId::Attached(_) => None,
        };
        link.is_some_and(|link| link.schedule.iter().any(|rule| rule.rate != Rate::ZERO))
    }

    fn edited(&self, edit: impl FnOnce(&mut Plan)) -> SiteMap {
        let mut plan = Plan {
            sites: self.sites.clone(),
            links: self.links.clone(),
            attach: self.attach.clone(),
            timezone: self.timezone.clone(),
            defaults: self.defaults,
        };
        edit(&mut plan);
        SiteMap::compile(plan)
    }

    /// Both ends' names in the order of `between`: `hq-munich`.
    pub fn link_name(&self, link: LinkId) -> String {
        let (a, b) = self.ends(link);
        format!("{}-{}", self.name(a), self.name(b))
    }

    /// The ends in the order of `between`; of a pseudo-site's link, the hub first.
    pub fn ends(&self, link: LinkId) -> (SiteId, SiteId) {
        match link {
            LinkId::Named(i) => {
                let none = (u32::MAX, u32::MAX);
                let (a, b) = self.links.get(i as usize).map_or(none, |link| link.between);
                (SiteId::Named(a), SiteId::Named(b))
            }
            LinkId::Attached(net) => {
                let hub = self.attach.as_ref().map_or(u32::MAX, |attach| attach.hub);
                (SiteId::Named(hub), SiteId::Attached(net))
            }
        }
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
    pub(crate) fn tree(&self, source: u32) -> Option<&Tree> {
        let slot = self.trees.get(source as usize)?;
        Some(slot.get_or_init(|| Tree::new(&self.neighbours, &self.weights, source)))
    }

    fn attach_cost(&self) -> u64 {
        self.attach.as_ref().map_or(u64::MAX, |attach| {
            attach.cost.unwrap_or(default_cost(attach.rate))
        })
    }

    fn site(&self, site: SiteId) -> Option<&Site> {
        match site {
            SiteId::Named(i) => self.sites.get(i as usize),
            SiteId::Attached(_) => None,
        }
    }
}
