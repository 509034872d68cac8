//! `GET /rollout?content=NAME`: one content by site. And the same of all contents in short, for the events.

use narrows_assignment::{Brakes, DoubleStatus, SharedStatus, SiteStatus, SwarmStatus};
use narrows_protocol::InfoHash;
use serde::Serialize;

use crate::metrics::described::Described;
use crate::metrics::gauges::sums::{Rollout, SiteSum};
use crate::net::query::form;
use crate::net::reply::Refusal;
use crate::state::tracker::Tracker;

/// A content in short.
#[derive(Serialize)]
pub(super) struct Short {
    name: String,
    size: Option<u64>,
    peers: u32,
    complete: u32,
    /// Peers that wanted it when they came, and how many of these have it: those the rollout is for.
    wanted: u32,
    wanted_complete: u32,
    /// What these have on average, from 0 to 1.
    progress: Option<f64>,
    sites: usize,
    waiting_sites: u32,
    starving: u32,
    efficiency: Option<f64>,
    /// Ids that several machines use, with their addresses.
    doubles: Vec<DoubleStatus>,
    /// Addresses and ports of several machines.
    shared: Vec<SharedStatus>,
    /// Whether a brake on it, or on everything, keeps it off all links.
    braked: bool,
    /// Waiting sites whose path is paused or braked.
    paused_sites: usize,
    /// The least time until the other waiting sites can have it, in seconds.
    bound_seconds: f64,
}

impl Short {
    pub(super) fn of(content: &Described, brakes: &Brakes) -> Short {
        let mut sum = Rollout::default();
        sum.add(content);
        let SwarmStatus {
            peers,
            seeders,
            sites,
            ..
        } = &content.status;
        let mut everywhere = SiteSum::default();
        for site in sites {
            everywhere.add(site, content.size);
        }
        let bounds = sites.iter().filter_map(|site| site.bound_seconds);
        Short {
            name: content.name.clone(),
            size: content.size,
            peers: *peers,
            complete: *seeders,
            wanted: sites.iter().map(|site| site.wanted).sum(),
            wanted_complete: sites.iter().map(|site| site.wanted_complete).sum(),
            progress: everywhere.progress(),
            sites: sites.len(),
            waiting_sites: sites.iter().map(|site| u32::from(site.waiting)).sum(),
            starving: sites.iter().map(|site| site.starving).sum(),
            efficiency: sum.efficiency(),
            doubles: content.status.doubles.clone(),
            shared: content.status.shared.clone(),
            braked: content.label.info_hash.parse().is_ok_and(|hash: InfoHash| brakes.stops_content(&hash)),
            paused_sites: sites.iter().filter(|site| site.is_paused()).count(),
            bound_seconds: bounds.filter(|bound| bound.is_finite()).fold(0.0, f64::max),
        }
    }
}

/// A content by site.
#[derive(Serialize)]
pub(crate) struct InFull {
    name: String,
    sites: Vec<AtSite>,
}

#[derive(Serialize)]
struct AtSite {
    site: String,
    peers: u32,
    complete: u32,
    wanted: u32,
    wanted_complete: u32,
    progress: Option<f64>,
    waiting: bool,
    /// Whether its path is paused or braked.
    paused: bool,
    starving: u32,
    gateways: usize,
    /// The sites that it fetches from, with the links in the order in which bytes cross them.
    sources: Vec<Source>,
    /// Its share of the links, bytes per second; null: no limit, or nothing to fetch.
    rate: Option<u64>,
}

#[derive(Serialize)]
struct Source {
    site: String,
    route: Vec<String>,
}

/// # Errors
/// If the query is wrong, or there is no such content.
pub(crate) fn rollout(tracker: &Tracker, query: &str) -> Result<InFull, Refusal> {
    let wanted = form(query)?.into_iter().find(|(key, _)| key == "content");
    let (_, wanted) = wanted
        .ok_or_else(|| Refusal::bad_request("name a content: /rollout?content=NAME; /status lists them"))?;
    let named = tracker.contents_named().find(|(name, _)| *name == wanted);
    let found = named.and_then(|(_, hash)| tracker.store.status(hash));
    let status = found.ok_or_else(|| {
        let sentence = "that a peer has or wants; /status lists them";
        Refusal::not_found(format!("there is no content `{wanted}` {sentence}"))
    })?;
    Ok(InFull {
        name: wanted,
        sites: status.sites.into_iter().map(at_site).collect(),
    })
}

fn at_site(site: SiteStatus) -> AtSite {
    let paused = site.is_paused();
    let sources = site.sources.into_iter().map(|source| Source {
        site: source.site,
        route: source.route,
    });
    AtSite {
        site: site.site,
        peers: site.peers,
        complete: site.seeders,
        wanted: site.wanted,
        wanted_complete: site.wanted_complete,
        progress: site.progress_mean,
        waiting: site.waiting,
        paused,
        starving: site.starving,
        gateways: site.gateways.len(),
        sources: sources.collect(),
        rate: site.rate,
    }
}
