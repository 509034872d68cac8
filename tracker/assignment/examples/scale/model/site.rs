//! A site: what it has, and who fetches for it.

use narrows_topology::{Route, SiteId};

use super::calendar::Millis;

/// A gateway at work.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) client: u32,
    /// What the gateway itself has.
    pub(crate) have: f64,
    /// The clients it was handed to fetch from.
    pub(crate) upstreams: Vec<u32>,
    /// The site of the first that lives, and the way from there.
    pub(crate) source: usize,
    pub(crate) route: Route,
    /// At most so many bytes per second; infinite: no limit.
    pub(crate) rate: f64,
    /// The gateways of its site that it knows of.
    pub(crate) knows: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) id: SiteId,
    /// Its clients are this one and those after it.
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Clients that are up, and those of them that lack something.
    pub(crate) live: u32,
    pub(crate) lacking: u32,
    /// What a client of the site has.
    pub(crate) level: f64,
    /// What one has that is no gateway.
    pub(crate) spread: f64,
    /// Its members have been told when they will have everything.
    pub(crate) full: bool,
    pub(crate) fetches: Vec<Fetch>,
    /// The gateway that vanished last.
    pub(crate) lost: Option<u32>,
    /// When bytes last came in.
    pub(crate) progressed: Millis,
    /// When its first client came.
    pub(crate) began: Option<Millis>,
    /// Since when no client is up, and for how long that was so before it had everything.
    pub(crate) deserted: Option<Millis>,
    pub(crate) absent: Millis,
    /// When it first had everything.
    pub(crate) done: Option<Millis>,
    /// Since when it has waited without a gateway that has a live upstream.
    pub(crate) unfed: Option<Millis>,
    pub(crate) longest_unfed: Millis,
    /// The fluid bound of what it could receive, bytes per second; infinite for hq.
    pub(crate) max_flow: f64,
}

impl Site {
    pub(crate) fn new(id: SiteId, first: u32, count: u32, max_flow: f64) -> Site {
        Site {
            id,
            first,
            count,
            live: 0,
            lacking: 0,
            level: 0.0,
            spread: 0.0,
            full: false,
            fetches: Vec::new(),
            lost: None,
            progressed: 0,
            began: None,
            deserted: None,
            absent: 0,
            done: None,
            unfed: None,
            longest_unfed: 0,
            max_flow,
        }
    }

    /// Its clients' numbers.
    pub(crate) fn clients(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.count
    }

    /// Live clients that are no gateways.
    pub(crate) fn members(&self) -> u32 {
        self.live.saturating_sub(self.fetches.len() as u32)
    }

    pub(crate) fn fetch_of(&self, client: u32) -> Option<&Fetch> {
        self.fetches.iter().find(|fetch| fetch.client == client)
    }
}
