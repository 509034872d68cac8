//! What decisions are made in view of, beside the swarm itself.

use narrows_topology::{Load, Rate, Route, SiteMap};

use crate::ledger::Links;
use crate::{Ledger, Policy};

/// What decisions are made in view of, beside the swarm itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The present site map. When it changes, call [`crate::Swarm::remap`] on every swarm.
    pub map: &'a SiteMap,
    /// The numbers behind the rules.
    pub policy: &'a Policy,
    /// The flows of all swarms.
    pub ledger: &'a Ledger,
    /// The wall clock, for the schedules of links.
    pub wall: jiff::Timestamp,
}

impl Context<'_> {
    /// The links as they are now.
    pub(crate) fn links(&self) -> Links<'_> {
        Links {
            map: self.map,
            at: self.wall,
            policy: &self.policy.shares,
        }
    }

    /// What a new flow along a route would get now beside those of `load`.
    pub(crate) fn speed_along(&self, load: &Load, route: &Route) -> Rate {
        let speeds = route.hops.iter().map(|hop| load.speed(*hop, self.links().rate(*hop)));
        speeds.min().unwrap_or(Rate::UNLIMITED)
    }
}
