//! A rollout before it begins: who gets it from whom, what each link carries, when each site is complete.

mod advice;
mod others;
mod shares;
mod simulate;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

pub use self::advice::{Advice, Change, Needed};
pub use self::others::Other;
use crate::{Forest, Hop, LinkId, Load, Rate, SiteId, SiteMap, forest, stripes};

/// Wire bytes per byte of content: headers of Ethernet's payload (IP, TCP with timestamps) and of BitTorrent,
/// as measured.
pub const WIRE: f64 = 1.045;

/// Seconds until the first byte of content moves: announce, dial, handshake, first requests. In the lab 0.3
/// to 0.6 s.
const START: f64 = 0.5;

/// What a client can take inside its site, in bytes per second: 1 Gbit/s.
const LAN: f64 = 125e6;

/// What is to be distributed, from where, to whom, from when on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rollout {
    /// Bytes of content.
    pub size: u64,
    /// How many seeders each site has.
    pub seeds: BTreeMap<SiteId, u32>,
    /// How many clients of each site want it.
    pub clients: BTreeMap<SiteId, u32>,
    /// When it begins.
    pub at: Timestamp,
}

impl Rollout {
    /// The sites with seeders or clients.
    fn sites(&self) -> BTreeSet<SiteId> {
        self.seeds.keys().chain(self.clients.keys()).copied().collect()
    }
}

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// The content has no bytes.
    #[error("there is nothing to distribute: the size is 0")]
    Empty,
    /// No site has the content.
    #[error("nobody has the content: name a site with seeders")]
    NoSeeders,
    /// No site wants it.
    #[error("nobody wants the content: name a site with clients")]
    NoClients,
    /// A site was given no peers.
    #[error("{0} has 0 {1}: leave it out, or say how many there are")]
    NoPeers(String, &'static str),
    /// Peers were put where none can be.
    #[error("{0} is a transit site: it has no networks, so there can be no {1}")]
    Transit(String, &'static str),
    /// A site cannot be fed.
    #[error("{0} cannot be fed: no site with seeders may serve it ({1} only fetches, `sharing: false`)")]
    Unreachable(String, String),
}

/// What limits a site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// A hop that the content comes over.
    Link(Hop),
    /// Its own network; taken to be 1 Gbit/s.
    Lan,
}

/// What the plan says of a site.
#[derive(Clone, PartialEq, Debug)]
pub struct SitePlan {
    /// The site.
    pub site: SiteId,
    /// How many clients want the content.
    pub clients: u32,
    /// Whether it has seeders of its own, so that nothing comes over a link.
    pub supplied: bool,
    /// Seconds from the start until its last client is complete; `None`: never.
    pub seconds: Option<f64>,
    /// When that is.
    pub complete: Option<Timestamp>,
    /// What limited it for the longest time.
    pub limit: Limit,
}

impl SitePlan {
    /// Wire bytes per second on average, each client's alone in a site that does not share; zero if never
    /// complete.
    pub fn rate(&self, size: u64) -> Rate {
        let rate = self.seconds.map_or(0.0, |seconds| size as f64 * WIRE / seconds.max(1e-3));
        Rate::of_f64(rate)
    }
}

/// A rollout foretold.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// What was asked for.
    pub rollout: Rollout,
    /// Who gets it from whom: one forest, or several for an equal part of the pieces each.
    pub stripes: Vec<Forest>,
    /// The sites with clients, by name.
    pub sites: Vec<SitePlan>,
    /// Wire bytes over each hop that carries any.
    pub hops: BTreeMap<Hop, f64>,
    /// Wire bytes that come into sites: one copy per site that waits, in a site that does not share one per
    /// client.
    pub wan: f64,
    /// Seconds until every client is complete; `None`: never.
    pub seconds: Option<f64>,
    /// The same with plain BitTorrent, whose peers know nothing of sites.
    pub torrent: Other,
    /// The same with a download by each client from the nearest seeders.
    pub unicast: Other,
}

impl Plan {
    /// The bytes of a hop as copies of the content.
    pub fn copies(&self, hop: Hop) -> f64 {
        self.hops.get(&hop).copied().unwrap_or(0.0) / (self.rollout.size as f64 * WIRE)
    }

    /// When every client is complete.
    pub fn complete(&self) -> Option<Timestamp> {
        after(self.rollout.at, self.seconds?)
    }

    /// The plan of a site.
    pub fn site(&self, site: SiteId) -> Option<&SitePlan> {
        self.sites.iter().find(|plan| plan.site == site)
    }
}

/// Plans a rollout.
///
/// The tree is what the tracker would make of it with nothing else on the links: [`stripes`] where they gain,
/// else [`forest`]. Along it a fluid model runs from event to event: flows share the links max-min fairly at
/// the rates that stand at each moment, no site gets what its parent does not have, and each parent passes on
/// whole pieces, so that every stage is a piece behind the one before (notes/assignment.md, 2.3). When a path
/// is paused by a schedule, those behind it look for other parents, as they do under the tracker. Rates are
/// those of the wire: every byte of content costs [`WIRE`] bytes. In a site that does not share, every client
/// fetches alone.
///
/// # Errors
/// No bytes, seeders or clients; peers at a transit site; a site that no other may serve.
pub fn plan(map: &SiteMap, rollout: &Rollout) -> Result<Plan, PlanError> {
    check(map, rollout)?;
    let roots: BTreeSet<SiteId> = rollout.seeds.keys().copied().collect();
    let waiting: BTreeSet<SiteId> =
        rollout.clients.keys().filter(|site| !roots.contains(site)).copied().collect();
    let (none, idle) = (BTreeSet::new(), Load::default());
    let stripes = stripes(map, rollout.at, &roots, &waiting, &none, &idle).unwrap_or_else(|| {
        vec![forest(
            map,
            rollout.at,
            &roots,
            &waiting,
            &Forest::new(),
            &none,
            &idle,
        )]
    });
    if let Some(site) = waiting.iter().find(|site| stripes.iter().any(|stripe| !stripe.contains_key(site))) {
        let seeds: Vec<_> = roots.iter().map(|site| map.name(*site).into_owned()).collect();
        return Err(PlanError::Unreachable(
            map.name(*site).into_owned(),
            seeds.join(", "),
        ));
    }
    let outcome = simulate::simulate(map, rollout, &stripes);
    let sites: Vec<SitePlan> = rollout
        .clients
        .iter()
        .map(|(site, clients)| {
            let supplied = roots.contains(site);
            let local = (
                Some(START + rollout.size as f64 * WIRE / LAN + spread(rollout.size, *clients)),
                Limit::Lan,
            );
            let (seconds, limit) = outcome.sites.get(site).copied().filter(|_| !supplied).unwrap_or(local);
            SitePlan {
                site: *site,
                clients: *clients,
                supplied,
                seconds,
                complete: seconds.and_then(|seconds| after(rollout.at, seconds)),
                limit,
            }
        })
        .collect();
    let seconds =
        sites.iter().map(|site| site.seconds).try_fold(0.0f64, |most, seconds| Some(most.max(seconds?)));
    let into = |site: &SiteId| {
        if map.sharing(*site) {
            1
        } else {
            rollout.clients.get(site).copied().unwrap_or(0)
        }
    };
    let copies: u32 = waiting.iter().map(into).sum();
    let wan = f64::from(copies) * rollout.size as f64 * WIRE;
    Ok(Plan {
        wan,
        torrent: others::torrent(map, rollout),
        unicast: others::unicast(map, rollout),
        rollout: rollout.clone(),
        stripes,
        sites,
        hops: outcome.hops,
        seconds,
    })
}

fn check(map: &SiteMap, rollout: &Rollout) -> Result<(), PlanError> {
    if rollout.size == 0 {
        return Err(PlanError::Empty);
    }
    for (peers, what, none) in [
        (&rollout.seeds, "seeders", PlanError::NoSeeders),
        (&rollout.clients, "clients", PlanError::NoClients),
    ] {
        for (site, count) in peers {
            let name = || map.name(*site).into_owned();
            if map.is_transit(*site) {
                return Err(PlanError::Transit(name(), what));
            }
            if *count == 0 {
                return Err(PlanError::NoPeers(name(), what));
            }
        }
        if peers.is_empty() {
            return Err(none);
        }
    }
    Ok(())
}

/// Seconds from the last piece's arrival at a site until its last client has it: copies double at each step.
fn spread(size: u64, clients: u32) -> f64 {
    let steps = f64::from(clients.max(1)).log2().ceil();
    steps * piece_length(size) as f64 * WIRE / LAN
}

/// As `narrows-agent create` chooses it: the power of two nearest to a 1500th of the content, 256 KiB to 4
/// MiB.
fn piece_length(size: u64) -> u64 {
    let wanted = (size as f64 / 1500.0).max(1.0).log2().round().clamp(18.0, 22.0);
    (1u64 << wanted as u32).min(size)
}

/// So many seconds later.
fn after(at: Timestamp, seconds: f64) -> Option<Timestamp> {
    at.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

/// A link by the hop over it.
fn link_of(limit: Limit) -> Option<LinkId> {
    match limit {
        Limit::Link(hop) => Some(hop.link),
        Limit::Lan => None,
    }
}
