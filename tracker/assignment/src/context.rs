//! What decisions are made in view of, beside the swarm itself.

use narrows_topology::{Load, Rate, Route, SiteId, SiteMap};

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

    /// The bytes per second that the fastest of the ways from these sites carries at any hour, as far as the map
    /// says.
    pub(crate) fn fastest(&self, sources: &[SiteId], to: SiteId) -> u64 {
        let carried = |from: &SiteId| {
            let route = self.map.path(*from, to)?;
            let hops = route.hops.iter();
            let rates = hops.map(|hop| self.map.base_rate(hop.link).max(self.links().rate(*hop)));
            rates.min()?.bytes_per_second()
        };
        let most = self.policy.totals.fastest;
        sources.iter().map(|from| carried(from).unwrap_or(most)).max().unwrap_or(most).min(most)
    }

    /// What a new flow along a route would get now beside those of `load`.
    pub(crate) fn speed_along(&self, load: &Load, route: &Route) -> Rate {
        let speeds = route.hops.iter().map(|hop| load.speed(*hop, self.links().rate(*hop)));
        speeds.min().unwrap_or(Rate::UNLIMITED)
    }
}
