//! Who had a lease to no avail: last in line for it, for minutes.
//!
//! Behind one address there may be many machines (NAT), so it is the record that is barred, by its id and key; the
//! others there come after those of other addresses meanwhile. Ids and keys are what a client says: where several
//! records of an address were barred, all that come from there are.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::endpoint::{Endpoint, EndpointRecord};
use crate::policy::BarPolicy;

/// The most that a site remembers; the one that ends first gives way.
const MAX_BARS: usize = 32;

/// A record as bars know it: where it is, and a number of its id and key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Who {
    pub(crate) at: Endpoint,
    pub(crate) name: u64,
}

/// Where a peer stands in line for a lease; who stands behind has it only where no other can.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Line {
    Front,
    /// Another record of its address had a lease to no avail.
    BesideBarred,
    /// It had one to no avail itself, or several records of its address had.
    Last,
}

#[derive(Clone, Copy, Debug)]
struct Bar {
    who: Who,
    until: Time,
    times: u32,
}

/// A bar as it is kept over a restart of the tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BarRecord {
    at: EndpointRecord,
    /// Of its id and key.
    name: u64,
    /// Until it ends.
    seconds: u32,
    times: u32,
}

impl BarRecord {
    pub(crate) fn at(&self) -> Endpoint {
        self.at.into()
    }
}

/// The bars of a site.
#[derive(Debug, Default)]
pub(crate) struct Bars(Vec<Bar>);

impl Bars {
    /// A peer has lost its lease, since it brought nothing; each time for longer, whatever its address calls itself.
    pub(crate) fn add(&mut self, policy: &BarPolicy, who: Who, now: Time) {
        self.0.retain(|bar| bar.until + policy.most > now);
        let of_address = self.0.iter().filter(|bar| bar.who.at.ip() == who.at.ip());
        let times = of_address.map(|bar| bar.times.saturating_add(1)).max().unwrap_or(0);
        self.0.retain(|bar| bar.who.name != who.name);
        let lasting = policy.first.saturating_mul(1 << times.min(8)).min(policy.most);
        if self.0.len() >= MAX_BARS
            && let Some(first) = (0..self.0.len()).min_by_key(|n| self.0[*n].until)
        {
            self.0.remove(first);
        }
        self.0.push(Bar {
            who,
            until: now + lasting,
            times,
        });
    }

    /// Where a peer stands. `one_address`: all peers of the site have the same, as behind a NAT, so that each record
    /// is a machine of its own.
    pub(crate) fn line(&self, who: Who, one_address: bool, now: Time) -> Line {
        let of_address = || self.0.iter().filter(|bar| bar.who.at.ip() == who.at.ip());
        let is_barred = |bar: &Bar| bar.until > now;
        if of_address().any(|bar| is_barred(bar) && bar.who.name == who.name) {
            return Line::Last;
        }
        if one_address || !of_address().any(is_barred) {
            return Line::Front;
        }
        let names: BTreeSet<u64> = of_address().map(|bar| bar.who.name).collect();
        match names.len() {
            0 | 1 => Line::BesideBarred,
            _ => Line::Last,
        }
    }

    /// Those that are in force.
    pub(crate) fn record(&self, now: Time) -> impl Iterator<Item = BarRecord> {
        self.0.iter().filter(move |bar| bar.until > now).map(move |bar| BarRecord {
            at: bar.who.at.into(),
            name: bar.who.name,
            seconds: u32::try_from((bar.until - now).as_secs()).unwrap_or(u32::MAX),
            times: bar.times,
        })
    }

    /// Takes over one that was kept `away` ago.
    pub(crate) fn restore(&mut self, policy: &BarPolicy, record: BarRecord, away: Duration, now: Time) {
        let left = Duration::from_secs(record.seconds.into()).saturating_sub(away).min(policy.most);
        if !left.is_zero() && self.0.len() < MAX_BARS {
            self.0.push(Bar {
                who: Who {
                    at: record.at(),
                    name: record.name,
                },
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

    fn who(last: u8, name: u64) -> Who {
        let at = Endpoint::of(([10, 2, 0, last], 6881).into());
        Who { at, name }
    }

    #[test]
    fn a_record_is_barred_for_longer_each_time_and_then_forgotten() {
        let (mut bars, policy, mut now) = (Bars::default(), GatewayPolicy::default().barred, Time::ZERO);
        for minutes in [5, 10, 20, 40, 60, 60] {
            bars.add(&policy, who(1, 1), now);
            let last = now + Duration::from_secs(minutes * 60 - 1);
            for one_address in [false, true] {
                assert_eq!(bars.line(who(1, 1), one_address, last), Line::Last);
                assert_eq!(bars.line(who(2, 2), one_address, now), Line::Front);
            }
            assert_eq!(bars.line(who(1, 2), false, now), Line::BesideBarred);
            assert_eq!(bars.line(who(1, 2), true, now), Line::Front);
            now += Duration::from_secs(minutes * 60);
            assert_eq!(bars.line(who(1, 1), false, now), Line::Front);
        }
        bars.add(&policy, who(2, 1), now + policy.most * 2);
        assert_eq!(bars.0.len(), 1);
        for n in 0..=255 {
            bars.add(&policy, who(n, n.into()), now + policy.most * 2);
        }
        assert_eq!(bars.0.len(), MAX_BARS);
    }

    #[test]
    fn an_address_of_which_several_records_were_barred_is_barred_whatever_it_calls_itself() {
        let (mut bars, policy) = (Bars::default(), GatewayPolicy::default().barred);
        bars.add(&policy, who(1, 1), Time::ZERO);
        let later = policy.first;
        bars.add(&policy, who(1, 2), later);
        assert_eq!(bars.line(who(1, 3), false, later), Line::Last);
        // the second bar lasts for twice as long, and the first is remembered
        assert_eq!(bars.line(who(1, 3), false, later + policy.first), Line::Last);
        assert_eq!(bars.line(who(1, 3), false, later + policy.first * 2), Line::Front);
        assert_eq!(bars.line(who(1, 3), true, later), Line::Front);
    }
}
