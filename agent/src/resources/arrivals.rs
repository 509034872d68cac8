//! How often one address may come.

use std::collections::HashMap;
use std::time::Duration;

use narrows_protocol::Host;

/// So many connections an address may open at once: more than the agents that one address and port can hide
/// (64, behind a NAT), each once anew.
const BURST: f64 = 128.0;

/// So many more each second: all of those, every few seconds.
const PER_SECOND: f64 = 32.0;

/// The most addresses that are remembered, 40 bytes each. Beyond, those that have their whole burst again are
/// forgotten, and then the one that has come least.
const MAX_ADDRESSES: usize = 4096;

/// A bucket for each address that came lately.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    buckets: HashMap<Host, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Bucket {
    fn left(&self, now: Duration) -> f64 {
        (self.left + now.saturating_sub(self.at).as_secs_f64() * PER_SECOND).min(BURST)
    }
}

impl Arrivals {
    /// Whether `host`, which comes at `now`, comes no more often than it may.
    pub(crate) fn may_come(&mut self, host: Host, now: Duration) -> bool {
        if self.buckets.len() >= MAX_ADDRESSES && !self.buckets.contains_key(&host) {
            self.make_room(now);
        }
        let bucket = self.buckets.entry(host).or_insert(Bucket { left: BURST, at: now });
        let left = bucket.left(now);
        let comes = left >= 1.0;
        *bucket = Bucket {
            left: if comes { left - 1.0 } else { left },
            at: now,
        };
        comes
    }

    fn make_room(&mut self, now: Duration) {
        self.buckets.retain(|_, bucket| bucket.left(now) < BURST);
        if self.buckets.len() >= MAX_ADDRESSES {
            // half at a time, so that a flood of addresses does not sort with each of them
            let mut left: Vec<f64> = self.buckets.values().map(|bucket| bucket.left(now)).collect();
            let middle = left.len() / 2;
            let (_, middle, _) = left.select_nth_unstable_by(middle, f64::total_cmp);
            let middle = *middle;
            self.buckets.retain(|_, bucket| bucket.left(now) < middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: u32) -> Host {
        Host::of(std::net::IpAddr::from(ip.to_be_bytes()))
    }

    #[test]
    fn a_flood_is_held_to_its_rate_and_others_come_as_they_like() {
        let mut arrivals = Arrivals::default();
        let (flood, other) = (of(0x0a00_0042), of(0x0a00_0001));
        let mut came = 0;
        for n in 0..17_000 {
            let now = Duration::from_micros(n * 588);
            came += u32::from(arrivals.may_come(flood, now));
            if n % 1000 == 0 {
                assert!(arrivals.may_come(other, now));
            }
        }
        // the burst and ten seconds
        assert!((440..=450).contains(&came), "{came}");
        assert!(arrivals.may_come(flood, Duration::from_secs(3600)));
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_in_halves_and_the_one_that_came_most_is_not() {
        let (mut arrivals, now) = (Arrivals::default(), Duration::from_secs(1));
        let often = of(0xc000_0201);
        while arrivals.may_come(often, now) {}
        for n in 0..100_000_u32 {
            arrivals.may_come(of(n), now);
            assert!(arrivals.buckets.len() <= MAX_ADDRESSES);
        }
        assert!(!arrivals.may_come(often, now));
    }
}
