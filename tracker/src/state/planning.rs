//! The planning of a swarm's parents beside its announces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use narrows_protocol::InfoHash;
use tracing::debug;

use super::store::{Store, Tracked};
use crate::state::conditions::View;

impl Store {
    /// Has a swarm's parents planned, if there is a cause and it does not wait already.
    pub(super) fn ask_for_plan(&self, hash: InfoHash, tracked: &mut Tracked, view: &View<'_>) {
        if !tracked.waits_for_plan && tracked.swarm.is_plan_due(&view.context()) {
            tracked.waits_for_plan = true;
            self.plans.ask(hash);
        }
    }

    /// Plans for the swarm that has waited longest, and says how long that took. Its announces wait while the
    /// picture is taken and while the plan is put in force, not while it is made.
    pub(crate) fn plan_next(&self) -> Duration {
        let begun = Instant::now();
        if let Some(hash) = self.plans.next()
            && let Some(planned) = self.plan(hash)
        {
            debug!(%hash, ?planned, took = ?begun.elapsed(), "parents were planned");
        }
        begun.elapsed()
    }

    fn plan(&self, hash: InfoHash) -> Option<Planned> {
        let held = Instant::now();
        let (loaded, picture) = {
            let mut tracked = self.swarms.get_mut(&hash)?;
            let view = self.conditions.view();
            tracked.follow(&view);
            tracked.waits_for_plan = false;
            (
                Arc::clone(&view.loaded),
                tracked.swarm.picture(&view.context(), view.now)?,
            )
        };
        let pictured = held.elapsed();
        let plan = picture.plan(&loaded.map);
        let held = Instant::now();
        let mut tracked = self.swarms.get_mut(&hash)?;
        let view = self.conditions.view();
        tracked.follow(&view);
        let is_taken = tracked.swarm.take_over(&view.context(), plan);
        self.ask_for_plan(hash, &mut tracked, &view);
        drop(tracked);
        Some(Planned {
            is_taken,
            held: [pictured, held.elapsed()],
        })
    }
}

/// What became of a plan.
#[derive(Debug)]
#[expect(dead_code, reason = "for the log")]
struct Planned {
    /// Whether it is in force.
    is_taken: bool,
    /// How long announces of its swarm may have waited: for the picture, and while it was put in force.
    held: [Duration; 2],
}
