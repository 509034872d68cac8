//! What every decision is made in view of: the site map in force, the policy, the flows, the clocks.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use narrows_assignment::{Context, Ledger, Policy, Time};
use narrows_protocol::{AgentReport, InfoHash, Networks, Told};
use narrows_topology::SiteMap;

use super::told::{Rates, networks};

/// The only place that knows the present site map and the time.
pub(crate) struct Conditions {
    policy: Policy,
    ledger: Ledger,
    map: ArcSwap<LoadedMap>,
    /// What may be sent from each site, as agents were told.
    rates: Rates,
    /// The file holds another map, which was refused.
    is_refused: AtomicBool,
    started: Instant,
}

/// A site map and when it came into force.
pub(crate) struct LoadedMap {
    pub(crate) map: SiteMap,
    /// Counts the maps of this process; site ids of one generation mean nothing in another.
    pub(crate) generation: u64,
    /// Its networks as agents are told them; none if they are too many.
    pub(super) networks: Option<Arc<Networks>>,
    loaded: Instant,
}

/// The conditions at one moment; taken anew for every announce.
pub(crate) struct View<'c> {
    conditions: &'c Conditions,
    pub(crate) loaded: arc_swap::Guard<Arc<LoadedMap>>,
    wall: jiff::Timestamp,
    pub(crate) now: Time,
}

impl Conditions {
    pub(crate) fn new(policy: Policy, map: SiteMap) -> Self {
        let started = Instant::now();
        let map = ArcSwap::from_pointee(LoadedMap {
            networks: networks(&map),
            map,
            generation: 0,
            loaded: started,
        });
        Self {
            policy,
            ledger: Ledger::new(),
            map,
            rates: Rates::default(),
            is_refused: AtomicBool::new(false),
            started,
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            conditions: self,
            loaded: self.map.load(),
            wall: jiff::Timestamp::now(),
            now: self.started.elapsed(),
        }
    }

    /// Puts another site map in force. Swarms follow one by one: see [`crate::state::store::Store::follow`].
    pub(crate) fn replace_map(&self, map: SiteMap) {
        let generation = self.map.load().generation + 1;
        self.map.store(Arc::new(LoadedMap {
            networks: networks(&map),
            map,
            generation,
            loaded: Instant::now(),
        }));
        self.is_refused.store(false, Ordering::Relaxed);
    }

    /// The file has changed, and what it holds cannot be put in force.
    pub(crate) fn refuse_map(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether the file holds the map in force.
    pub(crate) fn map_is_valid(&self) -> bool {
        !self.is_refused.load(Ordering::Relaxed)
    }
}

impl View<'_> {
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            map: &self.loaded.map,
            policy: &self.conditions.policy,
            ledger: &self.conditions.ledger,
            wall: self.wall,
        }
    }

    /// What an agent is told of the map, beside its part in a swarm: the agent at `ip`, which said `report`.
    pub(crate) fn told(&self, report: &AgentReport, ip: IpAddr, content: &InfoHash) -> Option<Told> {
        let loaded = &self.loaded;
        self.conditions.rates.told(
            &self.context(),
            (loaded.generation, loaded.networks.as_ref()),
            report,
            ip,
            content,
        )
    }

    pub(crate) fn map(&self) -> &SiteMap {
        &self.loaded.map
    }

    pub(crate) fn generation(&self) -> u64 {
        self.loaded.generation
    }

    pub(crate) fn map_age(&self) -> Duration {
        self.loaded.loaded.elapsed()
    }
}
