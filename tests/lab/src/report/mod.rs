//! What it cost: the end of a run as JSON, and in [`words`].

pub mod plot;
pub mod screen;
pub mod table;
pub mod verify;
pub mod view;
mod words;

use serde::Serialize;

use crate::budget::Budget;
use crate::events::claims::Gateways;
use crate::events::judge::Cost;
use crate::network::probe::Found;
use crate::programs::process::Usage;
use crate::report::verify::Verdict;
use crate::report::view::View;
use crate::values::round;
pub use words::lines;

/// What the table does not show.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts {
    /// The content's pieces.
    pub pieces: u32,
    /// What the tracker used.
    pub tracker: Usage,
    /// Bytes that agents say they sent across links.
    pub wan_sent: u64,
    /// Bytes that agents say they fetched in vain.
    pub wasted: u64,
    /// Bytes fetched across links before the tracker said across which.
    pub unattributed: u64,
}

/// `--json`; the names are documented in tests/README.md and stay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Bytes of the content.
    pub size: u64,
    /// Its pieces.
    pub pieces: u32,
    /// Sites that had to fetch across links.
    pub sites: Vec<Site>,
    /// Links, each direction that something crossed.
    pub links: Vec<Link>,
    /// Seeders and clients.
    pub agents: Vec<Agent>,
    /// When the last client was complete; null if one is not.
    pub seconds: Option<f64>,
    /// The size over the best path's rate; null if no link limits it.
    pub bound_seconds: Option<f64>,
    /// The former over the latter.
    pub time_over_bound: Option<f64>,
    /// The size over the maximum flow from all seeders' sites, over all paths at once: less than the bound on
    /// meshed maps.
    pub max_flow_seconds: Option<f64>,
    /// The most bytes that one site fetched across links, over the size.
    pub copies_per_site_max: f64,
    /// Fewest possible bytes on links over bytes on links; null if there were none.
    pub efficiency: Option<f64>,
    /// With `--netns`: the worst link's bytes of frames over its fewest.
    pub wire_over_minimum_max: Option<f64>,
    /// The same of all links and directions together.
    pub wire_over_minimum: Option<f64>,
    /// Bytes that agents fetched across links, by their own count.
    pub wan_fetched: u64,
    /// Bytes that agents sent across links, by their own count.
    pub wan_sent: u64,
    /// Bytes fetched across links of which the tracker never said across which; in no link's sum.
    pub unattributed: u64,
    /// Bytes that agents fetched and threw away.
    pub wasted: u64,
    /// The tracker's processor time in seconds.
    pub tracker_cpu_seconds: f64,
    /// The tracker's peak resident memory in bytes.
    pub tracker_rss_peak: u64,
    /// What happened when.
    pub events: Vec<Event>,
    /// With `--netns`: what each event and kill cost.
    pub costs: Vec<Cost>,
    /// TCP streams beside the rollout.
    pub probes: Vec<Found>,
    /// Each content's time.
    pub contents: Vec<Content>,
    /// How many gateways each site had at the same time.
    pub gateways: Vec<Gateways>,
    /// With `--netns`: how the load of each link related to its rate.
    pub budgets: Vec<Budget>,
    /// The kernel's way to share a link among TCP connections, which every host has.
    pub congestion_control: Option<String>,
    /// With `--chaos`: what should not be, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<String>>,
    /// Every client is complete and identical; with `--chaos`, nothing was found either.
    pub ok: bool,
}

/// A site that had to fetch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// Its name.
    pub site: String,
    /// Bytes its agents fetched across links.
    pub bytes_wan: u64,
    /// The same over the size.
    pub copies: f64,
    /// When all its clients were complete.
    pub seconds: Option<f64>,
    /// The size over the rate of the best path to it.
    pub bound_seconds: Option<f64>,
}

/// A link in one direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// Both ends as in the map.
    pub link: String,
    /// Where bytes come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// How many.
    pub bytes: u64,
    /// The same over the size.
    pub copies: f64,
    /// Sites that fetched across it.
    pub demanding_sites: usize,
    /// Copies over those.
    pub copies_per_demand: f64,
    /// With `--netns`: bytes of frames that the kernel counted, all headers included.
    pub wire_bytes: Option<u64>,
    /// The same over the size.
    pub wire_copies: Option<f64>,
    /// Bytes per second of frames in the busiest five seconds.
    pub wire_peak: Option<u64>,
    /// How many copies have to cross, by the plan.
    pub planned_copies: Option<f64>,
    /// Bytes of frames over the fewest: planned copies with 4.5 % of headers.
    pub wire_over_minimum: Option<f64>,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agent {
    /// `b1-0`
    pub id: String,
    /// Its site.
    pub site: String,
    /// Whether it had the content from the beginning.
    pub seeder: bool,
    /// Whether it says that it has everything.
    pub complete: bool,
    /// Whether every file is as it was sent; seeders are compared too.
    pub identical: bool,
    /// The first difference, if there is one.
    pub difference: Option<String>,
    /// When it was complete.
    pub seconds: Option<f64>,
    /// How often it was killed.
    pub kills: u32,
    /// Taken away by an event for good: neither waited for nor judged.
    pub gone: bool,
    /// Bytes fetched from its own site.
    pub bytes_lan: u64,
    /// Bytes fetched across links.
    pub bytes_wan: u64,
    /// Processor time in seconds, of all its lives.
    pub cpu_seconds: f64,
    /// Peak resident memory in bytes.
    pub rss_peak: u64,
}

impl Agent {
    /// Whether all is well with it.
    pub fn ok(&self) -> bool {
        self.complete && self.identical
    }
}

/// A content of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    /// Its name.
    pub name: String,
    /// When clients were told of it, in seconds since their start.
    pub begun: f64,
    /// When the last client had it; null if one has not.
    pub seconds: Option<f64>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Seconds since the clients were started.
    pub at: f64,
    /// In words.
    pub what: String,
}

impl Report {
    /// Of the last moment of a run and what was found at each agent, in the same order.
    pub fn new(view: &View, verdicts: &[Verdict], facts: Facts) -> Report {
        let agents: Vec<Agent> = view
            .agents
            .iter()
            .enumerate()
            .map(|(i, row)| {
                let verdict = verdicts.get(i).unwrap_or(&Verdict::Incomplete);
                Agent {
                    id: row.id.clone(),
                    site: row.site.clone(),
                    seeder: row.seeder,
                    complete: row.seconds.is_some(),
                    identical: *verdict == Verdict::Identical,
                    difference: match verdict {
                        Verdict::Different(what) => Some(what.clone()),
                        Verdict::Identical | Verdict::Incomplete => None,
                    },
                    seconds: row.seconds.map(round),
                    kills: row.kills,
                    gone: row.gone,
                    bytes_lan: row.bytes_lan,
                    bytes_wan: row.bytes_wan,
                    cpu_seconds: round(row.usage.cpu_seconds),
                    rss_peak: row.usage.rss_peak,
                }
            })
            .collect();
        let link = |row: &crate::report::view::LinkRow| Link {
            link: row.link.clone(),
            from: row.from.clone(),
            to: row.to.clone(),
            bytes: row.bytes,
            copies: round(view.copies(row.bytes)),
            demanding_sites: row.demanding,
            copies_per_demand: round(view.copies_per_demand(row)),
            wire_bytes: row.wire.map(|wire| wire.bytes),
            wire_copies: row.wire.map(|wire| round(view.copies(wire.bytes))),
            wire_peak: row.wire.map(|wire| wire.peak),
            planned_copies: row.wire.map(|wire| round(wire.planned)),
            wire_over_minimum: row.wire.and_then(|wire| view.wire_ratio(wire)).map(round),
        };
        let site = |row: &crate::report::view::SiteRow| Site {
            site: row.site.clone(),
            bytes_wan: row.bytes_wan,
            copies: round(view.copies(row.bytes_wan)),
            seconds: row.seconds.map(round),
            bound_seconds: row.bound.map(round),
        };
        let seconds = view.seconds();
        Report {
            size: view.size.0,
            pieces: facts.pieces,
            sites: view.sites.iter().map(site).collect(),
            links: view.links.iter().map(link).collect(),
            seconds: seconds.map(round),
            bound_seconds: view.bound.map(round),
            time_over_bound: seconds.zip(view.bound).map(|(seconds, bound)| round(seconds / bound)),
            max_flow_seconds: view.max_flow.map(round),
            copies_per_site_max: round(view.copies_per_site_max()),
            efficiency: view.efficiency().map(round),
            wire_over_minimum_max: view.wire_ratio_max().map(round),
            wire_over_minimum: view.wire_ratio_all().map(round),
            wan_fetched: view.agents.iter().map(|agent| agent.bytes_wan).sum(),
            wan_sent: facts.wan_sent,
            unattributed: facts.unattributed,
            wasted: facts.wasted,
            tracker_cpu_seconds: round(facts.tracker.cpu_seconds),
            tracker_rss_peak: facts.tracker.rss_peak,
            events: view
                .events
                .iter()
                .map(|(at, what)| Event {
                    at: round(*at),
                    what: what.clone(),
                })
                .collect(),
            ok: agents.iter().all(|agent| agent.gone || agent.ok()),
            costs: Vec::new(),
            probes: Vec::new(),
            contents: Vec::new(),
            gateways: Vec::new(),
            budgets: Vec::new(),
            congestion_control: None,
            findings: None,
            agents,
        }
    }
}

#[cfg(test)]
mod tests;
