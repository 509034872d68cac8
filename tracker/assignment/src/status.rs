//! What `/status` shows of a swarm.

use std::net::SocketAddr;

use narrows_topology::{Hop, Rate, SiteId};
use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::swarm::peer::Class;
use crate::swarm::site::{Flow, Gateway, Site};
use crate::{Context, Swarm, Time};

/// One content.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SwarmStatus {
    /// 40 hex digits.
    pub info_hash: String,
    /// Everybody.
    pub peers: u32,
    /// Peers with all of the content.
    pub seeders: u32,
    /// Peers that want some of it.
    pub leechers: u32,
    /// How often it was completed.
    pub downloaded: u32,
    /// Sites with peers, by name.
    pub sites: Vec<SiteStatus>,
}

/// One site in a swarm.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SiteStatus {
    /// Its name.
    pub site: String,
    /// Everybody in it.
    pub peers: u32,
    /// Peers with all of the content.
    pub seeders: u32,
    /// Peers that want some of it.
    pub leechers: u32,
    /// What the best-supplied peer has, 0.0 to 1.0; `None` while the size is unknown.
    pub progress: Option<f64>,
    /// The parent site's name.
    pub parent: Option<String>,
    /// The links from the parent, in the order in which bytes cross them.
    pub route: Vec<String>,
    /// Every site that its gateways fetch from now: the parent; several where the content comes in stripes, or where
    /// somebody starved.
    pub sources: Vec<SourceStatus>,
    /// Who fetches across the WAN.
    pub gateways: Vec<GatewayStatus>,
    /// The site's share of its route, bytes per second; `None`: no limit, or nothing to fetch.
    pub rate: Option<u64>,
    /// Bytes that its agents say they fetched across links.
    pub wan_bytes: u64,
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
    /// Whom it was told to fetch from.
    pub upstream: Vec<SocketAddr>,
}

impl Swarm {
    /// What `/status` shows.
    pub fn status(&self, cx: &Context<'_>, now: Time) -> SwarmStatus {
        let counts = self.counts();
        let mut sites: Vec<SiteStatus> = self
            .sites
            .iter()
            .map(|(id, site)| self.site_status(cx, id, site, now))
            .collect();
        sites.sort_by(|a, b| a.site.cmp(&b.site));
        SwarmStatus {
            info_hash: self.info_hash.to_string(),
            peers: counts.complete + counts.incomplete,
            seeders: counts.complete,
            leechers: counts.incomplete,
            downloaded: counts.downloaded,
            sites,
        }
    }

    fn site_status(&self, cx: &Context<'_>, id: SiteId, site: &Site, now: Time) -> SiteStatus {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let sated = site.peers.of(Class::Sated);
        let sated = sated.filter(|(_, peer)| Class::Sated.is_complete(peer.left));
        let seeders = site.peers.count(Class::Seeder) + sated.count();
        let best = site.peers.best().map(|(left, _)| left);
        let guests = site.peers.of(Class::Guest).map(|(_, peer)| peer.left);
        let progress = match (self.size(), best.into_iter().chain(guests).min()) {
            _ if seeders > 0 => Some(1.0),
            (Some(size), Some(left)) if size > 0 && left != u64::MAX => Some(1.0 - left as f64 / size as f64),
            _ => None,
        };
        let parent = self.forest.get(&id).map(|parent| parent.site);
        let route = parent.and_then(|parent| cx.map.path(parent, id));
        let names = |hops: &[Hop]| hops.iter().map(|hop| cx.map.link_name(hop.link)).collect();
        let used = site.flows.iter().filter(|flow| flow.users > 0);
        let shares: Vec<(&Flow, Rate)> = used
            .map(|flow| (flow, cx.ledger.share(cx.map, cx.wall, flow.id)))
            .collect();
        SiteStatus {
            site: cx.map.name(id).into_owned(),
            peers: number(site.peers.len()),
            seeders: number(seeders),
            leechers: number(site.peers.len() - seeders),
            progress: progress.map(|part| part.clamp(0.0, 1.0)),
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
                .map(|(at, gateway)| gateway_status(site, *at, gateway, now))
                .collect(),
            rate: shares
                .iter()
                .map(|(_, rate)| *rate)
                .reduce(Rate::saturating_add)
                .and_then(Rate::bytes_per_second),
            wan_bytes: site.wan,
        }
    }
}

fn gateway_status(site: &Site, at: Endpoint, gateway: &Gateway, now: Time) -> GatewayStatus {
    let agent = site.peers.find(at).and_then(|(_, peer)| peer.agent.as_ref());
    GatewayStatus {
        agent: agent.map(|agent| agent.name.to_string()),
        address: at.addr(),
        since_seconds: now.saturating_sub(gateway.since).as_secs(),
        upstream: gateway.upstreams.iter().map(|up| up.addr.addr()).collect(),
    }
}
