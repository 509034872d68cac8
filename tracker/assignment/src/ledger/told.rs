//! What gateways were told and may still use, per hop.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use jiff::Timestamp;
use narrows_topology::{Hop, Rate, Route, SiteMap};

/// The sum of what gateways were told, on each hop.
#[derive(Debug, Default)]
pub(super) struct Told {
    hops: HashMap<Hop, Sum, RandomState>,
}

#[derive(Debug, Default)]
struct Sum {
    /// How many were told something.
    count: u32,
    /// Bytes per second.
    rate: u64,
    /// How many of them were told of no limit.
    unlimited: u32,
}

impl Told {
    pub(super) fn is_empty(&self) -> bool {
        self.hops.is_empty()
    }

    pub(super) fn add(&mut self, route: &Route, rate: Rate) {
        for hop in route.hops.iter() {
            let sum = self.hops.entry(*hop).or_default();
            sum.count += 1;
            match rate.bytes_per_second() {
                Some(bytes) => sum.rate = sum.rate.saturating_add(bytes),
                None => sum.unlimited += 1,
            }
        }
    }

    pub(super) fn remove(&mut self, route: &Route, rate: Rate) {
        for hop in route.hops.iter() {
            let Some(sum) = self.hops.get_mut(hop) else {
                continue;
            };
            sum.count = sum.count.saturating_sub(1);
            match rate.bytes_per_second() {
                Some(bytes) => sum.rate = sum.rate.saturating_sub(bytes),
                None => sum.unlimited = sum.unlimited.saturating_sub(1),
            }
            if sum.count == 0 {
                self.hops.remove(hop);
            }
        }
    }

    /// What may be told to one more along a route.
    pub(super) fn room(&self, map: &SiteMap, at: Timestamp, route: &Route) -> Rate {
        let rooms = route.hops.iter().map(|hop| self.room_on(*hop, map.rate(*hop, at)));
        rooms.min().unwrap_or(Rate::UNLIMITED)
    }

    /// What nobody was told of; but a 25th of the link, or most of what is left of a headroom of 4.8 %.
    fn room_on(&self, hop: Hop, rate: Rate) -> Rate {
        let Some(link) = rate.bytes_per_second() else {
            return Rate::UNLIMITED;
        };
        let told = match self.hops.get(&hop) {
            None => 0,
            Some(sum) if sum.unlimited > 0 => u64::MAX,
            Some(sum) => sum.rate,
        };
        let headroom = link.saturating_add(link / 1000 * 48).saturating_sub(told);
        let floor = (link / 25).min(headroom / 20 * 17);
        Rate::from_bytes_per_second(link.saturating_sub(told).max(floor))
    }
}
