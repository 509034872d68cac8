//! What there is to show of a rollout, as plain data: the table and the report are made of it.

use crate::programs::process::Usage;
use crate::timeline::HEADERS;
use crate::values::Size;

/// A moment of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The content's bytes.
    pub size: Size,
    /// Seconds since the clients were started.
    pub elapsed: f64,
    /// The size over the best path's rate, in seconds; `None` if no link limits it.
    pub bound: Option<f64>,
    /// The same over all paths at once.
    pub max_flow: Option<f64>,
    /// In the order of their sites.
    pub agents: Vec<AgentRow>,
    /// Every link and direction that something crossed or is planned to cross.
    pub links: Vec<LinkRow>,
    /// Sites that have to fetch across links, with the bytes that they did.
    pub sites: Vec<SiteRow>,
    /// What crosses links if every site that has to fetches each byte once.
    pub ideal_wan: u64,
    /// What happened, newest last, with the second.
    pub events: Vec<(f64, String)>,
}

/// An agent now.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRow {
    /// `b1-0`
    pub id: String,
    /// The site's name.
    pub site: String,
    /// Whether it had the content from the beginning.
    pub seeder: bool,
    /// `starting`, `killed`, or what it says: `checking`, `fetching`, `seeding`, `paused`, `error`.
    pub state: String,
    /// 0 to 1.
    pub progress: f64,
    /// Whether it is its site's gateway.
    pub gateway: bool,
    /// Bytes per second, in and out.
    pub rates: (u64, u64),
    /// Bytes fetched from the own site.
    pub bytes_lan: u64,
    /// Bytes fetched across links.
    pub bytes_wan: u64,
    /// How often it was killed.
    pub kills: u32,
    /// Taken away by an event and not coming back: it is not waited for.
    pub gone: bool,
    /// When it was complete, in seconds since the clients were started.
    pub seconds: Option<f64>,
    /// What its processes have used; zero until they are asked at the end.
    pub usage: Usage,
}

/// A link in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkRow {
    /// As in the map: `hq-b1`.
    pub link: String,
    /// Where the bytes come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// Bytes per second now.
    pub rate: u64,
    /// What it carries, in words: `80 Mbit/s`.
    pub limit: String,
    /// Bytes that crossed.
    pub bytes: u64,
    /// Sites that fetched across it.
    pub demanding: usize,
    /// What the kernel counted, with `--netns`.
    pub wire: Option<Wire>,
}

/// Frames on a link in one direction, with all their headers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wire {
    /// Since the clients' start.
    pub bytes: u64,
    /// Bytes per second now.
    pub rate: u64,
    /// Bytes per second in the busiest five seconds.
    pub peak: u64,
    /// Copies that have to cross, at least: as often as the tracker's plan has the content cross this link;
    /// of a plan with stripes, their part of it.
    pub planned: f64,
}

/// A site that has to fetch.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteRow {
    /// Its name.
    pub site: String,
    /// Bytes that its agents fetched across links.
    pub bytes_wan: u64,
    /// The size over the rate of the best path to it, in seconds.
    pub bound: Option<f64>,
    /// When all its clients were complete.
    pub seconds: Option<f64>,
}

impl View {
    /// The fewest bytes on the wire of a link: its planned copies with their headers.
    pub fn wire_minimum(&self, wire: Wire) -> f64 {
        wire.planned * self.size.0 as f64 * HEADERS
    }

    /// Bytes on the wire over the fewest; `None` where nothing has to cross.
    pub fn wire_ratio(&self, wire: Wire) -> Option<f64> {
        (wire.planned > 0.0).then(|| wire.bytes as f64 / self.wire_minimum(wire).max(1.0))
    }

    /// The worst link's, over its fewest; `None` without the kernel's counters.
    pub fn wire_ratio_max(&self) -> Option<f64> {
        let wires = self.links.iter().filter_map(|link| link.wire);
        wires.filter_map(|wire| self.wire_ratio(wire)).reduce(f64::max)
    }

    /// Bytes on the wire of all links, both ways, over the fewest; `None` without the kernel's counters.
    pub fn wire_ratio_all(&self) -> Option<f64> {
        let wires: Vec<Wire> = self.links.iter().filter_map(|link| link.wire).collect();
        let least: f64 = wires.iter().map(|wire| self.wire_minimum(*wire)).sum();
        let bytes: u64 = wires.iter().map(|wire| wire.bytes).sum();
        (least > 0.0).then(|| bytes as f64 / least)
    }

    /// When all clients were complete; `None` while some are not.
    pub fn seconds(&self) -> Option<f64> {
        let clients = self.agents.iter().filter(|agent| !agent.seeder && !agent.gone);
        clients.map(|agent| agent.seconds).try_fold(0.0, |most: f64, seconds| Some(most.max(seconds?)))
    }

    /// Bytes over the content's size.
    pub fn copies(&self, bytes: u64) -> f64 {
        bytes as f64 / self.size.0.max(1) as f64
    }

    /// Copies that crossed for each site that fetched across this link.
    pub fn copies_per_demand(&self, link: &LinkRow) -> f64 {
        self.copies(link.bytes) / link.demanding.max(1) as f64
    }

    /// The worst site's bytes over the content's size.
    pub fn copies_per_site_max(&self) -> f64 {
        self.sites.iter().map(|site| self.copies(site.bytes_wan)).fold(0.0, f64::max)
    }

    /// Bytes on all links together.
    pub fn wan(&self) -> u64 {
        self.links.iter().map(|link| link.bytes).sum()
    }

    /// Fewest possible WAN bytes over WAN bytes; `None` while there are none.
    pub fn efficiency(&self) -> Option<f64> {
        match self.wan() {
            0 => None,
            wan => Some(self.ideal_wan as f64 / wan as f64),
        }
    }
}
