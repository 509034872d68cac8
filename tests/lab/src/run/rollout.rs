//! A run and all that is known of it; what happens to it is in the files beside this one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use narrows_topology::Hop;

use crate::args::Args;
use crate::deployment::{PlannedRoute, copies};
use crate::run::clock::Clock;
use crate::run::fleet::Fleet;
use crate::run::observations::Observations;
use crate::run::pending::Pending;
use crate::run::trial::Trial;
use crate::setup::Prepared;
use crate::values::Size;

/// Between two questions to the same process.
pub(crate) const POLL: Duration = Duration::from_millis(200);

/// A run and all that is known of it.
pub(crate) struct Rollout {
    pub(crate) prepared: Prepared,
    /// Of all contents together.
    pub(crate) size: Size,
    /// The routes to each waiting site, as planned at the beginning.
    pub(crate) planned_routes: Vec<PlannedRoute>,
    /// How many copies have to cross each link and direction in that plan.
    pub(crate) planned: BTreeMap<Hop, f64>,
    pub(crate) clock: Clock,
    pub(crate) fleet: Fleet,
    pub(crate) pending: Pending,
    pub(crate) seen: Observations,
    /// With `--chaos`.
    pub(crate) chaos: Option<Trial>,
}

impl Rollout {
    pub(crate) fn new(prepared: Prepared, args: &Args) -> Rollout {
        let size = Size(prepared.task.contents.iter().map(|content| content.size).sum());
        let planned_routes = prepared.deployment.planned_routes(Timestamp::now());
        let bound = prepared.deployment.bound(size.0, Timestamp::now()).unwrap_or(0.0);
        let chaos = args.chaos.plan.as_deref().cloned().map(Trial::new);
        // faults first, then time for all of it
        let faults = chaos.as_ref().map(|chaos| chaos.plan.lasts).unwrap_or_default();
        let timeout = Duration::from_secs_f64(3.0 * bound + 60.0) + faults;
        let timeout = args.timeout.map_or(timeout, |timeout| timeout.0);
        Rollout {
            size,
            planned: copies(&planned_routes),
            planned_routes,
            clock: Clock::new(timeout),
            fleet: Fleet::new(prepared.deployment.agents.len(), prepared.task.contents.len()),
            pending: Pending::new(prepared.kills.clone(), &args.options),
            seen: Observations::new(&prepared),
            prepared,
            chaos,
        }
    }

    /// Since the clients were started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(crate) fn folder(&self, agent: usize) -> PathBuf {
        self.prepared.layout.agent(&self.prepared.deployment.agents[agent])
    }

    pub(crate) fn event(&mut self, what: String) {
        self.seen.events.push((self.elapsed().as_secs_f64(), what));
    }
}
