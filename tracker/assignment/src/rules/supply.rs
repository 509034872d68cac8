//! Rule 2, as a rate: whether what a site's own sources bring is less than what its link would.
//!
//! A site with a seeder needs nothing across the WAN, unless that seeder is slow: one complete laptop on a
//! bad Wi-Fi, or one with a limit, would else hold its site for as long as it likes. So the first agents that
//! fetch at such a site are measured by what they announce; where the fastest of them gets less than half of
//! what the link from the nearest root would bring, the site waits like one without a seeder: it has a parent
//! and a gateway, and the seeder beside them. It counts as supplied again when it gets another seeder, or
//! nobody there wants anything any more.

use std::time::Duration;

use narrows_topology::{Rate, SiteId};

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::peer::{Class, Tick};
use crate::state::site::Site;
use crate::{Context, Policy, Time};

/// So many leechers are measured before a site's supply is judged, or all if it has fewer.
const ENOUGH: u32 = 3;

/// A site fetches across its link if that brings more than so many times what its own sources do.
const TIMES_FASTER: u64 = 2;

/// What was measured of a site's own sources.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Supply {
    /// How many seeders it had then.
    seeders: u32,
    /// How many measurements of leechers there were.
    measured: u32,
    /// The fastest of them in bytes per second, and when.
    best: Option<(u64, Time)>,
    /// Whether it is less than the link would bring.
    slow: bool,
}

impl Supply {
    /// Whether the site fetches across the WAN beside its seeders.
    pub(crate) fn is_slow(self) -> bool {
        self.slow
    }

    /// Takes over how many seeders a site has, and how many peers there want something. What was measured
    /// holds for the seeders of then: with another one, and with nobody who wants anything, it begins anew.
    pub(crate) fn follow(&mut self, seeders: u32, wanting: u32) {
        if seeders > self.seeders || seeders == 0 || wanting == 0 {
            *self = Supply::default();
        }
        self.seeders = seeders;
    }

    /// Whether more measurements are needed.
    pub(crate) fn is_unknown(self, wanting: u32) -> bool {
        self.seeders > 0 && self.measured < ENOUGH.min(wanting)
    }

    /// A leecher of the site got `rate` bytes per second. What is older than `memory` says nothing any more.
    fn measure(&mut self, rate: u64, memory: Duration, now: Time) {
        self.measured = self.measured.saturating_add(1);
        if self.best.is_none_or(|(best, at)| rate >= best || at + memory < now) {
            self.best = Some((rate, now));
        }
    }

    /// Whether `across` would bring so much more that the site is to fetch across its link.
    fn is_beaten_by(self, across: Rate, wanting: u32) -> bool {
        let Some((best, _)) = self.best else { return false };
        !self.is_unknown(wanting)
            && across.bytes_per_second().is_none_or(|across| across > best.saturating_mul(TIMES_FASTER))
    }
}

impl Swarm {
    /// Measures what a leecher got from its site since it was last looked at (`before`: when, and what it
    /// lacked then), and makes its site fetch across the link if that would bring much more.
    pub(crate) fn measure_supply(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        before: (Tick, u64),
        now: Time,
    ) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        let (since, left_before) = before;
        let passed = now.saturating_sub(since.time());
        let Some(left) = site.wanting(at).map(|peer| peer.left) else {
            return;
        };
        let tells = left != u64::MAX && left_before != u64::MAX;
        if site.supply.seeders == 0 || site.supply.slow || !tells || passed < shortest(cx.policy) {
            return;
        }
        let gained = left_before.saturating_sub(left) as f64;
        let memory = super::intervals::lease(cx.policy.intervals.leecher);
        site.supply.measure((gained / passed.as_secs_f64()) as u64, memory, now);
        let (supply, wanting) = (site.supply, wanting(site));
        if supply.is_unknown(wanting) {
            return;
        }
        let Some(across) = self.speed_across(cx, id) else {
            return;
        };
        if supply.is_beaten_by(across, wanting) {
            if let Some(site) = self.sites.get_mut(&id) {
                site.supply.slow = true;
            }
            self.look_at(id);
        }
    }

    /// What a new flow from the nearest root would bring to a site; `None` without another root.
    fn speed_across(&self, cx: &Context<'_>, id: SiteId) -> Option<Rate> {
        let root = self.nearest_root(cx, id, None)?;
        let route = cx.map.path(root, id)?;
        let brakes = cx.ledger.brakes();
        if brakes.stop(cx.map, &self.info_hash, (root, id), &route) {
            return None;
        }
        Some(cx.ledger.with_load(|load| cx.speed_along(load, &route)))
    }
}

/// Peers of a site that want something.
pub(crate) fn wanting(site: &Site) -> u32 {
    let wanting = site.peers.count(Class::Leecher) + site.peers.count(Class::Guest);
    u32::try_from(wanting).unwrap_or(u32::MAX)
}

/// What a leecher gets is measured over at least this.
fn shortest(policy: &Policy) -> Duration {
    policy.intervals.min.mul_f64(0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Time = Duration::from_secs(1);
    const MEMORY: Duration = Duration::from_secs(100);

    fn rate(bytes: u64) -> Rate {
        Rate::from_bytes_per_second(bytes)
    }

    fn measured(rates: &[u64]) -> Supply {
        let mut supply = Supply::default();
        supply.follow(1, 5);
        for rate in rates {
            supply.measure(*rate, MEMORY, SECOND);
        }
        supply
    }

    #[test]
    fn a_link_beats_a_supply_that_brings_less_than_half_as_much() {
        let supply = measured(&[10, 100, 20]);
        assert!(supply.is_beaten_by(rate(201), 5) && !supply.is_beaten_by(rate(200), 5));
        assert!(supply.is_beaten_by(Rate::UNLIMITED, 5) && !supply.is_beaten_by(Rate::ZERO, 5));
    }

    #[test]
    fn one_slow_leecher_of_many_condemns_no_seeder() {
        assert!(!measured(&[1]).is_beaten_by(rate(1000), 5));
        // where it is the only one, it says all there is to say
        assert!(measured(&[1]).is_beaten_by(rate(1000), 1));
    }

    #[test]
    fn a_fast_moment_long_ago_says_nothing_of_a_seeder_that_became_slow() {
        let mut supply = measured(&[1000, 1000, 1000]);
        supply.measure(1, MEMORY, SECOND * 50);
        assert!(!supply.is_beaten_by(rate(1500), 5));
        supply.measure(1, MEMORY, SECOND * 102);
        assert!(supply.is_beaten_by(rate(1500), 5));
    }

    #[test]
    fn with_another_seeder_it_is_measured_anew() {
        let mut supply = measured(&[1, 1, 1]);
        supply.slow = true;
        supply.follow(1, 3);
        assert!(supply.is_slow());
        supply.follow(2, 3);
        assert!(!supply.is_slow() && supply.is_unknown(3));
        // and that one's leaving changes nothing by itself
        supply.measure(1000, MEMORY, SECOND);
        supply.follow(1, 3);
        assert_eq!(supply.measured, 1);
    }
}
