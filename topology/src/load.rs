//! What is planned on the links.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::{Hop, Rate, Route};

/// Flows and their planned rates on each directed hop; to [`crate::forest`], those of the *other* swarms.
#[derive(Default, Clone, Debug, PartialEq)]
pub struct Load {
    hops: HashMap<Hop, Planned, RandomState>,
}

#[derive(Default, Clone, Copy, Debug, PartialEq)]
struct Planned {
    flows: u32,
    /// The sum of the limited rates, bytes per second.
    rate: u64,
    /// How many of the flows are planned without a limit; kept apart so that `remove` undoes `add`.
    unlimited: u32,
}

impl Load {
    /// Plans one flow of `rate` along `route`.
    pub fn add(&mut self, route: &Route, rate: Rate) {
        for hop in route.hops.iter() {
            let planned = self.hops.entry(*hop).or_default();
            planned.flows = planned.flows.saturating_add(1);
            match rate.bytes_per_second() {
                Some(bytes) => planned.rate = planned.rate.saturating_add(bytes),
                None => planned.unlimited = planned.unlimited.saturating_add(1),
            }
        }
    }

    /// Takes a flow back that was added with the same route and rate; hops without one are left alone.
    pub fn remove(&mut self, route: &Route, rate: Rate) {
        for hop in route.hops.iter() {
            let Some(planned) = self.hops.get_mut(hop) else {
                continue;
            };
            planned.flows = planned.flows.saturating_sub(1);
            match rate.bytes_per_second() {
                Some(bytes) => planned.rate = planned.rate.saturating_sub(bytes),
                None => planned.unlimited = planned.unlimited.saturating_sub(1),
            }
            if planned.flows == 0 {
                self.hops.remove(hop);
            }
        }
    }

    /// How many flows cross this hop.
    pub fn flows(&self, hop: Hop) -> u32 {
        self.hops.get(&hop).map_or(0, |planned| planned.flows)
    }

    /// The sum of the rates planned on this hop.
    pub fn planned(&self, hop: Hop) -> Rate {
        match self.hops.get(&hop) {
            None => Rate::ZERO,
            Some(planned) if planned.unlimited > 0 => Rate::UNLIMITED,
            Some(planned) => Rate::from_bytes_per_second(planned.rate),
        }
    }

    /// Whether nothing is planned anywhere.
    pub fn is_empty(&self) -> bool {
        self.hops.is_empty()
    }

    /// The speed a further flow would have on this hop, were its rate `rate`: what the others leave, or a
    /// fair share, whichever is more.
    pub fn speed(&self, hop: Hop, rate: Rate) -> Rate {
        let Some(planned) = self.hops.get(&hop) else {
            return rate;
        };
        let left = rate.saturating_sub(self.planned(hop));
        left.max(rate.share(planned.flows.saturating_add(1)))
    }
}
