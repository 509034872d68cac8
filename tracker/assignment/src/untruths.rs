//! Accusations that the tracker found to be untrue, counted over all contents: a machine that says a few of each of
//! many does so as often as one that says them of one.
//!
//! Honest machines err when their own network fails, and then of all contents at once: what was found within a moment
//! counts for one content alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use narrows_protocol::{Host, InfoHash};

use crate::Time;
use crate::policy::ReachPolicy;

/// How often one machine said so.
#[derive(Clone, Copy, Debug)]
struct Tally {
    times: u32,
    since: Time,
    /// The content of which it was last counted first, and when.
    first: (InfoHash, Time),
}

/// How often machines said of peers that they do not answer, which the tracker reaches. One for all contents of a
/// tracker.
#[derive(Debug, Default)]
pub struct Untruths(BTreeMap<Host, Tally>);

impl Untruths {
    /// Counts that a machine said so of a peer of a content. Whether it is to be named: it did so again and again.
    pub fn count(&mut self, policy: &ReachPolicy, ip: IpAddr, content: InfoHash, now: Time) -> bool {
        let key = Host::of(ip);
        if !self.0.contains_key(&key) {
            self.make_room(policy, now);
        }
        let tally = self.0.entry(key).or_insert(Tally {
            times: 0,
            since: now,
            first: (content, now),
        });
        if now >= tally.since + policy.false_within {
            (tally.times, tally.since) = (0, now);
        }
        if now >= tally.first.1 + policy.false_apart {
            tally.first = (content, now);
        }
        if tally.first.0 != content {
            return false;
        }
        tally.times = tally.times.saturating_add(1);
        tally.times >= policy.false_accusations
    }

    /// What is too old gives way first, then what was found least often and longest ago.
    fn make_room(&mut self, policy: &ReachPolicy, now: Time) {
        if self.0.len() < policy.max_liars {
            return;
        }
        self.0.retain(|_, tally| now < tally.since + policy.false_within);
        if self.0.len() >= policy.max_liars {
            let least = self.0.iter().min_by_key(|(_, tally)| (tally.times, tally.since));
            if let Some(key) = least.map(|(key, _)| *key) {
                self.0.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(n: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + n).to_be_bytes())
    }

    /// What is said of contents at these seconds; how often it is named.
    fn named(said: impl IntoIterator<Item = (u8, u32)>) -> usize {
        let (mut untruths, policy) = (Untruths::default(), ReachPolicy::default());
        let mut count = |(content, at): (u8, u32)| {
            let content = InfoHash([content; 20]);
            untruths.count(&policy, ip(1), content, SECOND * at)
        };
        said.into_iter().filter(|said| count(*said)).count()
    }

    #[test]
    fn a_machine_that_lies_four_times_of_each_of_many_contents_is_named_as_one_that_lies_of_one() {
        assert_eq!(named((0..4).map(|n| (0, n * 20))), 0);
        assert_eq!(named((0..5).map(|n| (0, n * 20))), 1);
        assert_eq!(named((0..5).map(|n| (n as u8, n * 20))), 1);
    }

    /// Its network failed, once: it missed its gateways of all contents.
    #[test]
    fn a_machine_that_errs_of_all_its_contents_in_one_moment_erred_once() {
        assert_eq!(named((0..40).map(|n| (n, 100))), 0);
        assert_eq!(named((0..160).map(|n| (n as u8 % 40, 100 * (n / 40)))), 0);
        assert!(named((0..200).map(|n| (n as u8 % 40, 100 * (n / 40)))) > 0);
    }

    #[test]
    fn what_was_said_long_ago_is_forgotten() {
        assert_eq!(named((0..40).map(|n| (0, n * 151))), 0);
    }

    #[test]
    fn many_addresses_that_lied_once_take_no_place_of_one_that_did_so_often_and_the_table_is_bounded() {
        let (mut untruths, policy) = (Untruths::default(), ReachPolicy::default());
        let content = InfoHash([0; 20]);
        for n in 0..4 {
            untruths.count(&policy, ip(0), content, SECOND * 100 * n);
        }
        for n in 1..10_000 {
            untruths.count(&policy, ip(n), content, SECOND * 400);
        }
        assert_eq!(untruths.0.len(), policy.max_liars);
        assert!(untruths.count(&policy, ip(0), content, SECOND * 500));
    }
}
