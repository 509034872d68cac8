//! Who had a lease to no avail: last in line for it, for minutes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::endpoint::{Endpoint, EndpointRecord};
use crate::policy::BarPolicy;

/// The most that a site remembers; the one that ends first gives way.
const MAX_BARS: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Bar {
    at: Endpoint,
    until: Time,
    times: u32,
}

/// A bar as it is kept over a restart of the tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BarRecord {
    at: EndpointRecord,
    /// Until it ends.
    seconds: u32,
    times: u32,
}

impl BarRecord {
    pub(crate) fn at(&self) -> Endpoint {
        self.at.into()
    }
}

/// The bars of a site, by address: an id and a port are what a client says.
#[derive(Debug, Default)]
pub(crate) struct Bars(Vec<Bar>);

impl Bars {
    /// A peer has lost its lease, since it brought nothing; each time for longer.
    pub(crate) fn add(&mut self, policy: &BarPolicy, at: Endpoint, now: Time) {
        self.0.retain(|bar| bar.until + policy.most > now);
        let before = self.0.iter().position(|bar| bar.at.ip() == at.ip()).map(|n| self.0.remove(n));
        let times = before.map_or(0, |bar| bar.times.saturating_add(1));
        let lasting = policy.first.saturating_mul(1 << times.min(8)).min(policy.most);
        if self.0.len() >= MAX_BARS
            && let Some(first) = (0..self.0.len()).min_by_key(|n| self.0[*n].until)
        {
            self.0.remove(first);
        }
        self.0.push(Bar {
            at,
            until: now + lasting,
            times,
        });
    }

    /// Whether a peer is last in line. `one_address`: all peers of the site have the same, as behind a NAT, so
    /// that the port counts too.
    pub(crate) fn has(&self, at: Endpoint, one_address: bool, now: Time) -> bool {
        self.0.iter().any(|bar| bar.until > now && bar.at.ip() == at.ip() && (!one_address || bar.at == at))
    }

    /// Those that are in force.
    pub(crate) fn record(&self, now: Time) -> impl Iterator<Item = BarRecord> {
        self.0.iter().filter(move |bar| bar.until > now).map(move |bar| BarRecord {
            at: bar.at.into(),
            seconds: u32::try_from((bar.until - now).as_secs()).unwrap_or(u32::MAX),
            times: bar.times,
        })
    }

    /// Takes over one that was kept `away` ago.
    pub(crate) fn restore(&mut self, policy: &BarPolicy, record: BarRecord, away: Duration, now: Time) {
        let left = Duration::from_secs(record.seconds.into()).saturating_sub(away).min(policy.most);
        if !left.is_zero() && self.0.len() < MAX_BARS {
            self.0.push(Bar {
                at: record.at(),
                until: now + left,
                times: record.times,
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::GatewayPolicy;

    fn at(last: u8, port: u16) -> Endpoint {
        Endpoint::of(([10, 2, 0, last], port).into())
    }

    #[test]
    fn an_address_is_barred_whatever_its_port_for_longer_each_time_and_then_forgotten() {
        let (mut bars, policy, mut now) = (Bars::default(), GatewayPolicy::default().barred, Time::ZERO);
        for minutes in [5, 10, 20, 40, 60, 60] {
            bars.add(&policy, at(1, 1), now);
            let last = now + Duration::from_secs(minutes * 60 - 1);
            assert!(bars.has(at(1, 1), false, last));
            assert!(bars.has(at(1, 2), false, now) && !bars.has(at(2, 1), false, now));
            assert!(bars.has(at(1, 1), true, now) && !bars.has(at(1, 2), true, now));
            now += Duration::from_secs(minutes * 60);
            assert!(!bars.has(at(1, 1), false, now));
        }
        bars.add(&policy, at(2, 1), now + policy.most * 2);
        assert_eq!(bars.0.len(), 1);
        for n in 0..=255 {
            bars.add(&policy, at(n, 1), now + policy.most * 2);
        }
        assert_eq!(bars.0.len(), MAX_BARS);
    }
}
