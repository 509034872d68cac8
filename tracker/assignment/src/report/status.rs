//! What `/status` shows of a swarm.

use std::net::SocketAddr;

use narrows_topology::{Hop, Rate, SiteId};
use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::hash::AgentKey;
use crate::state::peer::{Class, NonSharing};
use crate::state::site::{Flow, Gateway, Site, Supply};
use crate::{Context, Swarm, Time};

/// One content.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SwarmStatus {
    /// 40 hex digits.
    pub info_hash: String,
    /// All of them.
    pub peers: u32,
    /// Peers with all of the content.
    pub seeders: u32,
    /// Peers that want some of it.
    pub leechers: u32,
    /// How often it was completed.
    pub downloaded: u32,
    /// Sites with peers, by name.
    pub sites: Vec<SiteStatus>,
    /// Ids that several machines use; at most 20 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubles: Vec<DoubleStatus>,
    /// Addresses and ports that several machines announce from (NAT); at most 20 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedStatus>,
}

/// An address and port of several machines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SharedStatus {
    /// As the tracker sees it.
    pub address: SocketAddr,
    /// How many announce from it.
    pub peers: u32,
}

/// An id that several machines use: cloned images, or equal host names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DoubleStatus {
    /// The id.
    pub agent: String,
    /// Where they announce from; at most 20.
    pub addresses: Vec<SocketAddr>,
}

/// The most ids that several machines use, and the most machines of one, that are named.
const MAX_DOUBLES: usize = 20;

/// One site in a swarm.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SiteStatus {
    /// Its name.
    pub site: String,
    /// All of its peers.
    pub peers: u32,
    /// Peers with all of the content.
    pub seeders: u32,
    /// Peers that want some of it.
    pub leechers: u32,
    /// What the best-supplied peer has, 0.0 to 1.0; `None` while the size is unknown.
    pub progress: Option<f64>,
    /// What those of its peers have on average that wanted the content when they came, 0.0 to 1.0; of all, if
    /// none did; `None` while the size is unknown.
    pub progress_mean: Option<f64>,
    /// How many of its peers wanted the content when they came: those that the rollout is for.
    pub wanted: u32,
    /// How many of these have all of it.
    pub wanted_complete: u32,
    /// Whether it waits for the content: a peer wants it, and none there could give all of it to others.
    pub waiting: bool,
    /// Whether each peer there fetches for itself.
    pub each_alone: bool,
    /// Peers that want something and get nothing: no peer of a site that waits has any to fetch from, or
    /// they said that they are stalled and no step of the ladder has helped yet. None of a site whose way
    /// is paused or braked, which is meant to get nothing.
    pub starving: u32,
    /// The least time until the site can have everything, by the present rates of the links between it and
    /// where its content comes from, in seconds; infinite (JSON: null) while one of them is paused or braked;
    /// `None`: it does not wait, or it is not known from where or how much.
    pub bound_seconds: Option<f64>,
    /// The parent site's name.
    pub parent: Option<String>,
    /// The links from the parent, in the order in which bytes cross them.
    pub route: Vec<String>,
    /// Every site that its gateways fetch from now: the parent; several where the content comes in stripes,
    /// or where a peer starved.
    pub sources: Vec<SourceStatus>,
    /// Who fetches across the WAN.
    pub gateways: Vec<GatewayStatus>,
    /// The site's share of its route, bytes per second; `None`: no limit, or nothing to fetch.
    pub rate: Option<u64>,
    /// Bytes that its agents say they fetched across links.
    pub wan_bytes: u64,
    /// Bytes that its present agents had before they fetched any, of an older version or put there: these
    /// need cross no link. Of agents that had everything, none.
    pub reused_bytes: u64,
    /// Bytes that its best-supplied peer lacked before the first of these came: not all that was lacking
    /// where several had different parts, which no agent says. `None` while the size is unknown or no agent
    /// said.
    pub lacked: Option<u64>,
}

impl SiteStatus {
    /// Whether it waits, and its way is paused or braked.
    pub fn is_paused(&self) -> bool {
        is_paused(self.bound_seconds)
    }
}

fn is_paused(bound_seconds: Option<f64>) -> bool {
    bound_seconds.is_some_and(f64::is_infinite)
}

/// Where a site's gateways fetch from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SourceStatus {
    /// The site's name.
    pub site: String,
    /// The links from there, in the order in which bytes cross them.
    pub route: Vec<String>,
    /// The share of this way, bytes per second; `None`: no limit; 0: paused by a schedule or a brake.
    pub rate: Option<u64>,
}

/// One gateway.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GatewayStatus {
    /// The agent's id; `None` for a stock client.
    pub agent: Option<String>,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// For how long it has held the lease.
    pub since_seconds: u64,
    /// The peers that it fetches from.
    pub upstream: Vec<SocketAddr>,
}

impl Swarm {
    /// What `/status` shows.
    pub fn status(&self, cx: &Context<'_>, now: Time) -> SwarmStatus {
        self.status_with(cx, now, true)
    }

    /// The same for sums, in half the time: without the ways ([`SiteStatus::route`], [`SiteStatus::sources`],
    /// [`SiteStatus::rate`]), and without who the gateways are and what they fetch from.
    pub fn status_in_short(&self, cx: &Context<'_>, now: Time) -> SwarmStatus {
        self.status_with(cx, now, false)
    }

    fn status_with(&self, cx: &Context<'_>, now: Time, ways: bool) -> SwarmStatus {
        let counts = self.counts();
        let mut sites: Vec<SiteStatus> =
            self.sites.iter().map(|(id, site)| self.site_status(cx, (id, site), now, ways)).collect();
        sites.sort_by(|a, b| a.site.cmp(&b.site));
        SwarmStatus {
            info_hash: self.info_hash.to_string(),
            peers: counts.complete + counts.incomplete,
            seeders: counts.complete,
            leechers: counts.incomplete,
            downloaded: counts.downloaded,
            sites,
            doubles: self.agents.doubles().take(MAX_DOUBLES).map(|id| self.double(id)).collect(),
            shared: self.shared(),
        }
    }

    /// Agents that want their metrics to be read: their site, their id with what their machine calls itself
    /// (`key`; 0: nothing), and where.
    pub fn metrics_addresses(&self) -> impl Iterator<Item = (SiteId, (&str, u32), SocketAddr)> {
        self.sites.iter().flat_map(|(id, site)| {
            site.peers.iter().filter_map(move |(_, at, peer)| {
                let agent = peer.agent.as_ref()?;
                let address = SocketAddr::new(at.ip(), agent.metrics?.get());
                Some((id, (&*agent.name, peer.key), address))
            })
        })
    }

    fn shared(&self) -> Vec<SharedStatus> {
        let shared = self.sites.iter().flat_map(|(_, site)| site.peers.shared());
        let named = shared.map(|(address, peers)| SharedStatus { address, peers });
        let mut named: Vec<SharedStatus> = named.collect();
        named.sort_unstable_by_key(|shared| (std::cmp::Reverse(shared.peers), shared.address));
        named.truncate(MAX_DOUBLES);
        named
    }

    fn double(&self, id: AgentKey) -> DoubleStatus {
        let mut addresses: Vec<SocketAddr> = self.agents.all(id).map(|place| place.at.addr()).collect();
        addresses.sort_unstable();
        addresses.truncate(MAX_DOUBLES);
        let first = self.agents.all(id).next();
        let name = first.and_then(|place| {
            let (_, peer) = self.sites.get(&place.site)?.peers.find(place.at)?;
            Some(peer.agent.as_ref()?.name.to_string())
        });
        DoubleStatus {
            agent: name.unwrap_or_default(),
            addresses,
        }
    }

    fn progress_mean(&self, site: &Site) -> Option<f64> {
        let size = self.size().filter(|size| *size > 0)? as f64;
        let tally = site.peers.tally();
        let peers = match tally.wanted {
            0 => site.peers.len() as f64,
            wanted => f64::from(wanted),
        };
        let lacking = tally.lacking as f64 + f64::from(tally.silent) * size;
        (peers > 0.0).then(|| (1.0 - lacking / (size * peers)).clamp(0.0, 1.0))
    }

    /// In what time a site that lacks `left` can have everything at best: see [`SiteStatus::bound_seconds`].
    fn bound(&self, cx: &Context<'_>, id: SiteId, site: &Site, left: u64) -> Option<f64> {
        if site.supply != Supply::Waiting || left == u64::MAX {
            return None;
        }
        let brakes = cx.ledger.brakes();
        let (mut source, mut braked) = (id, false);
        // a forest has no cycles
        while let Some(parent) = self.forest.get(&source) {
            let route = cx.map.path(parent.site, source)?;
            braked |= brakes.stop(cx.map, &self.info_hash, (parent.site, source), &route);
            source = parent.site;
        }
        let route = cx.map.path(source, id).filter(|_| source != id)?;
        let rates = route.hops.iter().map(|hop| cx.links().rate(*hop));
        let rate = rates.min().unwrap_or(Rate::UNLIMITED);
        Some(match rate.bytes_per_second() {
            _ if braked => f64::INFINITY,
            None => 0.0,
            Some(0) => f64::INFINITY,
            Some(rate) => left as f64 / rate as f64,
        })
    }

    fn site_status(
        &self,
        cx: &Context<'_>,
        (id, site): (SiteId, &Site),
        now: Time,
        ways: bool,
    ) -> SiteStatus {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let complete = Class::NonSharing(NonSharing::Complete);
        let alone = site.peers.of(complete).filter(|(_, peer)| complete.is_complete(peer.left));
        let seeders = site.peers.count(Class::Seeder) + alone.count();
        let wanted = site.peers.tally().wanted;
        let incomplete = number(site.peers.len() - seeders);
        let best = site.peers.best().map(|(left, _)| left);
        let non_sharing = site.peers.of(Class::NonSharing(NonSharing::Leecher)).map(|(_, peer)| peer.left);
        let least = best.into_iter().chain(non_sharing).min();
        let progress = match (self.size(), least) {
            _ if seeders > 0 => Some(1.0),
            (Some(size), Some(left)) if size > 0 && left != u64::MAX => Some(1.0 - left as f64 / size as f64),
            _ => None,
        };
        let parent = self.forest.get(&id).map(|parent| parent.site);
        let route = parent.filter(|_| ways).and_then(|parent| cx.map.path(parent, id));
        let bound_seconds = least.and_then(|left| self.bound(cx, id, site, left));
        let names = |hops: &[Hop]| hops.iter().map(|hop| cx.map.link_name(hop.link)).collect();
        let used = site.flows.iter().filter(|flow| ways && flow.users > 0);
        let shares: Vec<(&Flow, Rate)> =
            used.map(|flow| (flow, cx.ledger.share(&cx.links(), flow.id))).collect();
        SiteStatus {
            site: cx.map.name(id).into_owned(),
            peers: number(site.peers.len()),
            seeders: number(seeders),
            leechers: number(site.peers.len() - seeders),
            progress: progress.map(|part| part.clamp(0.0, 1.0)),
            progress_mean: self.progress_mean(site),
            wanted,
            wanted_complete: wanted.saturating_sub(incomplete),
            waiting: site.supply == Supply::Waiting,
            each_alone: site.is_each_alone(),
            starving: if is_paused(bound_seconds) {
                0
            } else {
                starving(site)
            },
            bound_seconds,
            parent: parent.map(|parent| cx.map.name(parent).into_owned()),
            route: route.map_or_else(Vec::new, |route| names(&route.hops)),
            sources: shares
                .iter()
                .map(|(flow, rate)| SourceStatus {
                    site: cx.map.name(flow.source).into_owned(),
                    route: names(&flow.route.hops),
                    rate: rate.bytes_per_second(),
                })
                .collect(),
            gateways: site
                .gateways
                .iter()
                .map(|(at, gateway)| gateway_status(site, *at, gateway, now, ways))
                .collect(),
            rate: shares
                .iter()
                .map(|(_, rate)| *rate)
                .reduce(Rate::saturating_add)
                .and_then(Rate::bytes_per_second),
            wan_bytes: site.wan,
            reused_bytes: u64::try_from(site.peers.tally().reused).unwrap_or(u64::MAX),
            lacked: self.size().filter(|_| site.lacked != u64::MAX).map(|size| site.lacked.min(size)),
        }
    }
}

fn starving(site: &Site) -> u32 {
    if site.supply == Supply::Waiting && !site.is_fed() {
        site.wanting()
    } else {
        site.peers.tally().starving
    }
}

fn gateway_status(site: &Site, at: Endpoint, gateway: &Gateway, now: Time, ways: bool) -> GatewayStatus {
    let found = ways.then(|| site.peers.find(at)).flatten();
    let agent = found.and_then(|(_, peer)| peer.agent.as_ref());
    GatewayStatus {
        agent: agent.map(|agent| agent.name.to_string()),
        address: at.addr(),
        since_seconds: now.saturating_sub(gateway.since).as_secs(),
        upstream: gateway.upstreams.iter().filter(|_| ways).map(|up| up.addr.addr()).collect(),
    }
}
