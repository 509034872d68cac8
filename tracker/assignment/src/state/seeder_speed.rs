//! What a site's own seeders bring, as far as measured. That they are seeders is what they say.

use std::time::Duration;

use narrows_topology::Rate;

use crate::Time;
use crate::endpoint::Endpoint;
use crate::policy::SupplyPolicy;

/// The most addresses that are remembered; beyond them the first gives way.
const MAX_ADDRESSES: usize = 32;

/// What was measured of a site's own sources.
#[derive(Debug, Default)]
pub(crate) struct SeederSpeed {
    /// How many seeders it had then.
    seeders: u32,
    /// How many measurements of leechers there were.
    measured: u32,
    /// The fastest of them in bytes per second, and when.
    best: Option<(u64, Time)>,
    /// Whether it is less than the link would bring.
    slow: bool,
    /// Where they are, or were.
    at: Vec<Endpoint>,
}

impl SeederSpeed {
    /// Whether the site fetches across the WAN beside its seeders.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow
    }

    /// The fastest measurement, in bytes per second.
    pub(crate) fn best(&self) -> u64 {
        self.best.map_or(0, |(rate, _)| rate)
    }

    /// Whether there are seeders that could be slow.
    pub(crate) fn is_open(&self) -> bool {
        self.seeders > 0 && !self.slow
    }

    /// The link would bring more: the site fetches across it beside its seeders.
    pub(crate) fn condemn(&mut self) {
        self.slow = true;
    }

    /// There is none elsewhere that would bring more after all.
    pub(crate) fn redeem(&mut self) {
        self.slow = false;
    }

    /// Takes over how many seeders a site has, and how many peers there want something. Without any of these, all
    /// begins anew.
    pub(crate) fn follow(&mut self, seeders: u32, wanting: u32) {
        if wanting == 0 {
            *self = SeederSpeed {
                at: std::mem::take(&mut self.at),
                ..SeederSpeed::default()
            };
        }
        self.seeders = seeders;
    }

    /// There is one seeder more. What was measured holds for the addresses of then: at another one, all begins anew. A
    /// machine that comes again, or says that it is several, is as fast as it was.
    pub(crate) fn joined(&mut self, at: Endpoint) {
        if self.at.iter().any(|known| known.ip() == at.ip()) {
            return;
        }
        let mut addresses = std::mem::take(&mut self.at);
        if addresses.len() >= MAX_ADDRESSES {
            addresses.remove(0);
        }
        addresses.push(at);
        *self = SeederSpeed {
            at: addresses,
            seeders: self.seeders,
            ..SeederSpeed::default()
        };
    }

    /// Whether more measurements are needed.
    pub(crate) fn is_unknown(&self, policy: &SupplyPolicy, wanting: u32) -> bool {
        self.seeders > 0 && self.measured < policy.enough.min(wanting)
    }

    /// A leecher of the site got `rate` bytes per second. What is older than `memory` says nothing any more.
    pub(crate) fn measure(&mut self, rate: u64, memory: Duration, now: Time) {
        self.measured = self.measured.saturating_add(1);
        if self.best.is_none_or(|(best, at)| rate >= best || at + memory < now) {
            self.best = Some((rate, now));
        }
    }

    /// Whether `across` would bring so much more that the site is to fetch across its link.
    pub(crate) fn is_beaten_by(&self, policy: &SupplyPolicy, across: Rate, wanting: u32) -> bool {
        let Some((best, _)) = self.best else { return false };
        !self.is_unknown(policy, wanting)
            && across
                .bytes_per_second()
                .is_none_or(|across| across > best.saturating_mul(policy.times_faster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SupplyPolicy = SupplyPolicy {
        enough: 3,
        times_faster: 2,
    };
    const SECOND: Time = Duration::from_secs(1);
    const MEMORY: Duration = Duration::from_secs(100);

    fn rate(bytes: u64) -> Rate {
        Rate::from_bytes_per_second(bytes)
    }

    fn at(last: u8) -> Endpoint {
        Endpoint::of(([10, 2, 0, last], 6881).into())
    }

    fn measured(rates: &[u64]) -> SeederSpeed {
        let mut supply = SeederSpeed::default();
        supply.joined(at(1));
        supply.follow(1, 5);
        for rate in rates {
            supply.measure(*rate, MEMORY, SECOND);
        }
        supply
    }

    #[test]
    fn a_link_beats_a_supply_that_brings_less_than_half_as_much() {
        let supply = measured(&[10, 100, 20]);
        assert!(supply.is_beaten_by(&POLICY, rate(201), 5) && !supply.is_beaten_by(&POLICY, rate(200), 5));
        assert!(
            supply.is_beaten_by(&POLICY, Rate::UNLIMITED, 5) && !supply.is_beaten_by(&POLICY, Rate::ZERO, 5)
        );
    }

    #[test]
    fn one_slow_leecher_of_many_condemns_no_seeder() {
        assert!(!measured(&[1]).is_beaten_by(&POLICY, rate(1000), 5));
        // where it is the only one, it says all there is to say
        assert!(measured(&[1]).is_beaten_by(&POLICY, rate(1000), 1));
    }

    #[test]
    fn a_fast_moment_long_ago_says_nothing_of_a_seeder_that_became_slow() {
        let mut supply = measured(&[1000, 1000, 1000]);
        supply.measure(1, MEMORY, SECOND * 50);
        assert!(!supply.is_beaten_by(&POLICY, rate(1500), 5));
        supply.measure(1, MEMORY, SECOND * 102);
        assert!(supply.is_beaten_by(&POLICY, rate(1500), 5));
    }

    #[test]
    fn with_a_seeder_at_another_address_it_is_measured_anew() {
        let mut supply = measured(&[1, 1, 1]);
        supply.condemn();
        supply.follow(1, 3);
        assert!(supply.is_slow());
        supply.joined(at(2));
        supply.follow(2, 3);
        assert!(!supply.is_slow() && supply.is_unknown(&POLICY, 3));
        // and that one's leaving changes nothing by itself
        supply.measure(1000, MEMORY, SECOND);
        supply.follow(1, 3);
        assert_eq!(supply.measured, 1);
    }

    #[test]
    fn one_that_comes_again_is_as_fast_as_it_was_until_none_wants_anything() {
        let mut supply = measured(&[1, 1, 1]);
        supply.condemn();
        supply.follow(0, 3);
        supply.joined(at(1));
        supply.follow(1, 3);
        assert!(supply.is_slow() && !supply.is_open());
        supply.follow(1, 0);
        supply.joined(at(1));
        assert!(!supply.is_slow() && supply.is_open());
        for last in 0..=255 {
            supply.joined(at(last));
        }
        assert_eq!(supply.at.len(), MAX_ADDRESSES);
    }
}
