//! What trackers told of the map, for all contents of the agent: which addresses are served, of which site a
//! peer is, and what may be sent to other sites. It holds on while no tracker answers, and over a restart
//! ([`kept`]).

mod gates;
mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narrows_protocol::{AnnounceResponse, InfoHash, PathRate, Place};
use narrows_swarm::Time;
use narrows_swarm::policy::sites::{Sites, Whereabouts};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::Serve;
use gates::Gates;
use kept::Kept;

/// How long a peer that connects before a tracker has told anything is kept waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds are told rounded, and a reply takes a while: a change that moves by less is the same one.
const ROUNDED: Duration = Duration::from_secs(5);

/// What trackers told of the map. Its memory is bounded by a reply's, and by the sites that are sent to.
#[derive(Debug)]
pub(crate) struct Told {
    serve: Serve,
    clock: Clock,
    kept: Kept,
    state: watch::Sender<State>,
    gates: Gates,
}

#[derive(Clone, PartialEq, Debug, Default)]
struct State {
    sites: Option<Arc<Sites>>,
    /// Of the rates; 0: none.
    rates: u64,
    /// Our addresses as trackers saw them, one of each family.
    addresses: BTreeMap<bool, IpAddr>,
    /// Contents whose tracker tells nothing of a map: an older one, or one that knows no sites.
    untold: BTreeSet<InfoHash>,
    /// Contents that an operator stopped.
    braked: BTreeSet<InfoHash>,
}

/// Whether a peer is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Served,
    Refused,
    /// No tracker has told anything yet.
    Unknown,
}

impl Told {
    /// What an earlier run kept in this folder.
    pub(crate) fn load(serve: Serve, folder: &Path, clock: Clock) -> Self {
        let kept = Kept::in_folder(folder);
        let mut state = State::default();
        if serve == Serve::Mapped
            && let Some(read) = kept.load()
        {
            state.addresses = read.addresses.iter().map(|ip| (ip.is_ipv6(), *ip)).collect();
            state.rates = read.rates.as_ref().map_or(0, |rates| rates.version(read.networks.version()));
            state.sites = Some(Arc::new(Sites {
                ours: ours(&read.networks, &state.addresses),
                networks: read.networks,
                rates: read.rates,
                change: None,
            }));
        }
        Self {
            serve,
            clock,
            kept,
            state: watch::Sender::new(state),
            gates: Gates::default(),
        }
    }

    /// A tracker's answer to an announce of this content.
    pub(crate) fn heard(&self, content: InfoHash, response: &AnnounceResponse) {
        if self.serve == Serve::Any {
            return;
        }
        let now = self.clock.now();
        let changed = self.state.send_if_modified(|state| {
            let before = state.clone();
            state.heard(content, response, now);
            *state != before
        });
        if changed {
            let state = self.state.borrow().clone();
            if let Some(sites) = state.sites {
                self.kept.save(&sites, state.addresses.into_values().collect());
            }
        }
    }

    /// A content is no longer here.
    pub(crate) fn forget(&self, content: InfoHash) {
        self.state.send_if_modified(|state| {
            let untold = state.untold.remove(&content);
            state.braked.remove(&content) || untold
        });
    }

    /// What announces say: the versions of the networks and of the rates that are held; none if trackers are
    /// not asked.
    pub(crate) fn held(&self) -> Option<(u64, u64)> {
        let state = self.state.borrow();
        let networks = state.sites.as_ref().map_or(0, |sites| sites.networks.version());
        (self.serve == Serve::Mapped).then_some((networks, state.rates))
    }

    /// What a content goes by: `None` if its tracker tells nothing of a map.
    pub(crate) fn sites(&self, content: InfoHash) -> Option<Arc<Sites>> {
        let state = self.state.borrow();
        state.sites.clone().filter(|_| !state.untold.contains(&content))
    }

    /// Whether a peer is served, or dialled. Until a tracker has told of its map it waits for that, a few
    /// seconds.
    pub(crate) async fn admits(&self, content: InfoHash, ip: IpAddr) -> bool {
        if self.serve == Serve::Any {
            return true;
        }
        let mut state = self.state.subscribe();
        let told = state.wait_for(|state| state.verdict(content, ip) != Verdict::Unknown);
        match timeout(PATIENCE, told).await {
            Ok(Ok(state)) => state.verdict(content, ip) == Verdict::Served,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Waits until so much may be sent to a peer at `ip`: as long as it takes at the rate of the path to its
    /// site, which all contents and connections share; while nothing may be sent there, until it may.
    pub(crate) async fn pass(&self, content: InfoHash, ip: IpAddr, bytes: u32) {
        let mut state = self.state.subscribe();
        loop {
            let (place, rate) = state.borrow_and_update().rate(content, ip);
            match (place, rate) {
                (Some(place), PathRate::Limited(rate)) => {
                    return self.gates.of(place, rate).pass(bytes).await;
                }
                (_, PathRate::Unlimited | PathRate::Limited(_)) => return,
                (_, PathRate::Stopped) => {
                    // its sender lives as long as this
                    if state.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// How many bytes, of `most`, to send at a time to a peer at `ip`, so that a rate is felt as a flow.
    pub(crate) fn step(&self, content: InfoHash, ip: IpAddr, most: usize) -> usize {
        match self.state.borrow().rate(content, ip) {
            (Some(place), PathRate::Limited(rate)) => self.gates.of(place, rate).step(most),
            _ => most,
        }
    }
}

impl State {
    fn heard(&mut self, content: InfoHash, response: &AnnounceResponse, now: Time) {
        if let Some(ip) = response.external_ip {
            self.addresses.insert(ip.is_ipv6(), ip);
        }
        let Some(told) = response.narrows.as_ref().and_then(|narrows| narrows.told.as_ref()) else {
            self.untold.insert(content);
            return;
        };
        self.untold.remove(&content);
        if told.braked {
            self.braked.insert(content);
        } else {
            self.braked.remove(&content);
        }
        let known = self.sites.take();
        let same = |networks: &u64| known.as_ref().is_some_and(|known| known.networks.version() == *networks);
        let (networks, mut rates, mut change) = match (&told.networks.table, &known) {
            (Some(table), _) if !same(&table.version()) => (table.clone(), None, None),
            (_, Some(known)) => (known.networks.clone(), known.rates.clone(), known.change),
            // told that nothing has changed, without having held anything
            (_, None) => return,
        };
        if let Some(told) = &told.rates {
            if let Some(table) = &told.table {
                rates = Some(table.clone());
            }
            let told = (told.change > 0).then(|| now + Duration::from_secs(told.change.into()));
            change = match (change, told) {
                (Some(known), Some(told)) if known > now && known.abs_diff(told) < ROUNDED => Some(known),
                _ => told,
            };
        }
        self.rates = rates.as_ref().map_or(0, |rates| rates.version(networks.version()));
        self.sites = Some(Arc::new(Sites {
            ours: ours(&networks, &self.addresses),
            networks,
            rates,
            change,
        }));
    }

    fn verdict(&self, content: InfoHash, ip: IpAddr) -> Verdict {
        match &self.sites {
            _ if self.untold.contains(&content) => Verdict::Served,
            None => Verdict::Unknown,
            Some(sites) if sites.networks.place(ip).is_some() => Verdict::Served,
            Some(_) => Verdict::Refused,
        }
    }

    /// What may be sent to a peer, and to which site, if it is another one.
    fn rate(&self, content: InfoHash, ip: IpAddr) -> (Option<Place>, PathRate) {
        let Some(sites) = self.sites.as_ref().filter(|_| !self.untold.contains(&content)) else {
            return (None, PathRate::Unlimited);
        };
        let whereabouts = sites.whereabouts(ip);
        match whereabouts {
            Whereabouts::There(_) if self.braked.contains(&content) => (None, PathRate::Stopped),
            Whereabouts::There(place) => (Some(place), sites.rate_to(whereabouts)),
            _ => (None, sites.rate_to(whereabouts)),
        }
    }
}

/// Where our own addresses are.
fn ours(networks: &narrows_protocol::Networks, addresses: &BTreeMap<bool, IpAddr>) -> BTreeSet<Place> {
    addresses.values().filter_map(|ip| networks.place(*ip)).collect()
}

#[cfg(test)]
mod tests;
