//! What agents say of peers that did to them what honest ones do not. It is shown with how many addresses say
//! so (those of an IPv6 /64 are one), and never acted upon: the agent that says it may be the one that lies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use narrows_protocol::{Host, SeenOffender};

/// Most offenders that are remembered.
const MAX_REPORTED: usize = 256;
/// Most of these that one host may have named alone: it cannot fill the table.
const MAX_PER_REPORTER: usize = 8;
/// Most reporters of one that are told apart; "8 or more" is enough to look.
const MAX_REPORTERS: usize = 8;
/// What was not said again for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// What agents said.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<BTreeMap<SeenOffender, Reports>>);

/// Who said so of one, and when last.
#[derive(Clone, Debug, Default)]
struct Reports {
    by: BTreeMap<Host, Duration>,
    last: Duration,
}

/// An offender as agents see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReportedOffender {
    pub(crate) seen: SeenOffender,
    /// Different hosts that say so; at most 8 are counted.
    pub(crate) reporters: usize,
    pub(crate) last: Duration,
}

impl Reported {
    /// An agent at `from` says so at `now`. Its own address is none of its concern.
    pub(crate) fn note(&self, from: IpAddr, seen: &[SeenOffender], now: Duration) {
        let seen = seen.iter().filter(|seen| seen.ip() != from);
        let from = Host::of(from);
        let mut known = self.lock();
        for seen in seen {
            if let Some(reports) = known.get_mut(seen) {
                reports.say(from, now);
                continue;
            }
            known.retain(|_, reports| now.saturating_sub(reports.last) <= FORGOTTEN);
            let alone = |reports: &Reports| reports.by.len() == 1 && reports.by.contains_key(&from);
            if known.values().filter(|reports| alone(reports)).count() >= MAX_PER_REPORTER {
                remove_least(&mut known, alone);
            } else if known.len() >= MAX_REPORTED {
                remove_least(&mut known, |_| true);
            }
            known.entry(seen.clone()).or_default().say(from, now);
        }
    }

    /// All that were named within the hour: those that most addresses name first, then the last.
    pub(crate) fn list(&self, now: Duration) -> Vec<ReportedOffender> {
        let known = self.lock();
        let lately = known.iter().filter(|(_, reports)| now.saturating_sub(reports.last) <= FORGOTTEN);
        let mut list: Vec<ReportedOffender> = lately
            .map(|(seen, reports)| ReportedOffender {
                seen: seen.clone(),
                reporters: reports.by.len(),
                last: reports.last,
            })
            .collect();
        list.sort_by_key(|one| std::cmp::Reverse((one.reporters, one.last)));
        list
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SeenOffender, Reports>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reports {
    fn say(&mut self, from: Host, now: Duration) {
        self.last = now;
        if self.by.len() < MAX_REPORTERS || self.by.contains_key(&from) {
            self.by.insert(from, now);
        }
    }
}

/// Forgets the one that fewest name, and of these the one that was named last the longest ago.
fn remove_least(known: &mut BTreeMap<SeenOffender, Reports>, of: impl Fn(&Reports) -> bool) {
    let least = known.iter().filter(|(_, reports)| of(reports));
    let least =
        least.min_by_key(|(_, reports)| (reports.by.len(), reports.last)).map(|(seen, _)| seen.clone());
    if let Some(least) = least {
        known.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + n).to_be_bytes())
    }

    fn seen(n: u32) -> SeenOffender {
        SeenOffender::new("handshake_flood", ip(n)).unwrap()
    }

    const START: Duration = Duration::from_secs(1);

    #[test]
    fn whom_several_addresses_name_comes_first_and_an_address_counts_once() {
        let reported = Reported::default();
        for _ in 0..5 {
            reported.note(ip(1), &[seen(66), seen(7)], START);
        }
        reported.note(ip(2), &[seen(66)], 2 * START);
        reported.note(ip(66), &[seen(66)], 2 * START);
        let list = reported.list(3 * START);
        let counts: Vec<_> = list.iter().map(|one| (one.seen.ip(), one.reporters)).collect();
        assert_eq!(counts, [(ip(66), 2), (ip(7), 1)]);
        assert_eq!(reported.list(FORGOTTEN + 3 * START), []);
    }

    #[test]
    fn a_machine_with_an_ipv6_network_counts_once_and_hides_none() {
        let reported = Reported::default();
        let from = |n: u32| IpAddr::from((0x2001_0db8_u128 << 96 | u128::from(n)).to_be_bytes());
        reported.note(ip(1), &[seen(66)], START);
        for n in 0..2000 {
            reported.note(from(n), &[seen(7), seen(1000 + n)], 2 * START);
        }
        let list = reported.list(2 * START);
        assert!(list.iter().all(|one| one.reporters == 1), "{list:?}");
        assert_eq!(list.len(), 1 + MAX_PER_REPORTER);
        assert!(list.iter().any(|one| one.seen.ip() == ip(66)));
    }

    #[test]
    fn one_address_that_names_thousands_hides_none_and_many_fill_a_table_of_256() {
        let reported = Reported::default();
        reported.note(ip(1), &[seen(66)], START);
        reported.note(ip(2), &[seen(66)], START);
        for n in 1000..5000 {
            reported.note(ip(3), &[seen(n)], 2 * START);
        }
        assert_eq!(reported.list(2 * START).len(), 1 + MAX_PER_REPORTER);
        for n in 1000..5000 {
            reported.note(ip(n), &[seen(n + 10_000)], 3 * START);
        }
        let list = reported.list(3 * START);
        assert_eq!((list.len(), list[0].seen.ip()), (MAX_REPORTED, ip(66)));
    }
}
