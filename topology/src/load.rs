//! What is planned on the links.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::{Hop, LinkId, Rate, Route};

/// Flows and their planned rates on each directed hop; to [`crate::forest`], those of the *other* swarms.
///
/// Links of the file lie in one list by their numbers: it is copied for each plan, and looked up for each hop of
/// it.
#[derive(Default, Clone, Debug)]
pub struct Load {
    /// Per link of the file, backwards and forwards.
    named: Vec<[Planned; 2]>,
    attached: HashMap<Hop, Planned, RandomState>,
}

#[derive(Default, Clone, Copy, Debug, PartialEq)]
struct Planned {
    flows: u32,
    /// The sum of the limited rates, bytes per second.
    rate: u64,
    /// How many of the flows are planned without a limit; kept apart so that `remove` undoes `add`.
    unlimited: u32,
}

impl Planned {
    fn add(&mut self, rate: Rate) {
        self.flows = self.flows.saturating_add(1);
        match rate.bytes_per_second() {
            Some(bytes) => self.rate = self.rate.saturating_add(bytes),
            None => self.unlimited = self.unlimited.saturating_add(1),
        }
    }

    fn remove(&mut self, rate: Rate) {
        self.flows = self.flows.saturating_sub(1);
        match rate.bytes_per_second() {
            Some(bytes) => self.rate = self.rate.saturating_sub(bytes),
            None => self.unlimited = self.unlimited.saturating_sub(1),
        }
        if self.flows == 0 {
            *self = Planned::default();
        }
    }
}

impl Load {
    /// Plans one flow of `rate` along `route`.
    pub fn add(&mut self, route: &Route, rate: Rate) {
        for hop in route.hops.iter() {
            match hop.link {
                LinkId::Named(link) => {
                    let link = link as usize;
                    if self.named.len() <= link {
                        self.named.resize(link + 1, Default::default());
                    }
                    self.named[link][usize::from(hop.forward)].add(rate);
                }
                LinkId::Attached(_) => self.attached.entry(*hop).or_default().add(rate),
            }
        }
    }

    /// Takes a flow back that was added with the same route and rate; hops without one are left alone.
    pub fn remove(&mut self, route: &Route, rate: Rate) {
        for hop in route.hops.iter() {
            match hop.link {
                LinkId::Named(link) => {
                    if let Some(planned) = self.named.get_mut(link as usize) {
                        planned[usize::from(hop.forward)].remove(rate);
                    }
                }
                LinkId::Attached(_) => {
                    if let Some(planned) = self.attached.get_mut(hop) {
                        planned.remove(rate);
                        if planned.flows == 0 {
                            self.attached.remove(hop);
                        }
                    }
                }
            }
        }
    }

    fn of(&self, hop: Hop) -> Option<&Planned> {
        match hop.link {
            LinkId::Named(link) => {
                let both = self.named.get(link as usize)?;
                Some(&both[usize::from(hop.forward)]).filter(|planned| planned.flows > 0)
            }
            LinkId::Attached(_) => self.attached.get(&hop),
        }
    }

    /// How many flows cross this hop.
    pub fn flows(&self, hop: Hop) -> u32 {
        self.of(hop).map_or(0, |planned| planned.flows)
    }

    /// The sum of the rates planned on this hop.
    pub fn planned(&self, hop: Hop) -> Rate {
        match self.of(hop) {
            None => Rate::ZERO,
            Some(planned) if planned.unlimited > 0 => Rate::UNLIMITED,
            Some(planned) => Rate::from_bytes_per_second(planned.rate),
        }
    }

    /// Whether nothing is planned anywhere.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty() && self.named.iter().flatten().all(|planned| planned.flows == 0)
    }

    /// The speed a further flow would have on this hop, were its rate `rate`: what the others leave, or a
    /// fair share, whichever is more.
    pub fn speed(&self, hop: Hop, rate: Rate) -> Rate {
        let Some(planned) = self.of(hop) else {
            return rate;
        };
        let left = rate.saturating_sub(self.planned(hop));
        left.max(rate.share(planned.flows.saturating_add(1)))
    }
}
