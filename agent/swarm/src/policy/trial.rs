//! When an upstream that brings little gives way to the spare: what a parent sends is a rate, not a fact.
//!
//! A seeder whose own uplink is full, or limited by its owner, brings a trickle over a link that stands idle
//! otherwise. Whether it is the seeder or the link shows only once another one was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::Time;

/// How long an upstream's rate is measured while nothing but itself limits it.
const WINDOW: Time = Time::from_secs(4);
/// Another upstream is preferred if it brought this many times as much.
const BETTER: f64 = 1.5;
/// How long what was measured stays true, and how long until the next trial: at first; then doubled, at most.
const MIN_WAIT: Time = Time::from_secs(30);
const MAX_WAIT: Time = Time::from_secs(600);
/// Where no rate is granted, an upstream that brings less than this is worth a trial, in bytes/s: 1 Mbit/s.
const LITTLE: u64 = 125_000;

/// What is known of the upstreams of one parent.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Since when the active one has owed us blocks without a break and without a limit of ours, and what it
    /// had brought by then.
    window: Option<(SocketAddr, Time, u64)>,
    /// Bytes/s of those that were measured, and when.
    measured: BTreeMap<SocketAddr, (u64, Time)>,
    /// The next trial, and how long it was waited for.
    next: Time,
    wait: Time,
}

impl Trial {
    /// Looks at the active upstream: `received` bytes so far; `hungry`: it owes us blocks and no rate of ours
    /// holds up requests. `rate`: bytes/s that the parent may carry, 0: no limit. Whether a window has ended
    /// in which it brought little, so that a spare is worth a look ([`tries`](Self::tries)).
    pub fn is_slow(
        &mut self,
        (active, received, hungry): (SocketAddr, u64, bool),
        rate: u64,
        now: Time,
    ) -> bool {
        let (since, before) = match self.window {
            Some((addr, since, before)) if hungry && addr == active => (since, before),
            _ => {
                self.window = hungry.then_some((active, now, received));
                return false;
            }
        };
        if now < since + WINDOW {
            return false;
        }
        self.window = Some((active, now, received));
        let passed = now.saturating_sub(since).as_secs_f64();
        let present = (received.saturating_sub(before) as f64 / passed) as u64;
        self.measured.retain(|_, (_, at)| now < *at + MAX_WAIT);
        self.measured.insert(active, (present, now));
        let enough = if rate == 0 { LITTLE } else { rate / 2 };
        present < enough
    }

    /// Whether `spare` is to be asked instead of the active upstream, which [is slow](Self::is_slow).
    pub fn tries(&mut self, spare: SocketAddr, now: Time) -> bool {
        let active = self.window.and_then(|(active, ..)| self.measured.get(&active));
        let Some((present, _)) = active.copied() else {
            return false;
        };
        let better = |other: u64| other as f64 > present.max(1) as f64 * BETTER;
        match self.measured.get(&spare) {
            Some((other, at)) if now < *at + MIN_WAIT => better(*other),
            // nothing is known of it, or not any more
            _ if now >= self.next => {
                let calm = now >= self.next + self.wait;
                self.wait = if calm {
                    MIN_WAIT
                } else {
                    (self.wait * 2).min(MAX_WAIT)
                };
                self.next = now + self.wait;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 6881))
    }

    /// Asks for so many seconds, 10 looks a second; `brings`: bytes/s of either upstream. Returns the bytes
    /// of each and the number of switches.
    fn run(seconds: u64, rate: u64, brings: impl Fn(usize, u64) -> u64) -> ([u64; 2], usize) {
        let (mut trial, mut active, mut received, mut switches) = (Trial::default(), 0, [0; 2], 0);
        for tenth in 0..seconds * 10 {
            received[active] += brings(active, tenth / 10) / 10;
            let hungry = rate == 0 || brings(active, tenth / 10) < rate;
            let (now, spare) = (Time::from_millis(tenth * 100), addr(1 - active as u8));
            let seen = (addr(active as u8), received[active], hungry);
            if trial.is_slow(seen, rate, now) && trial.tries(spare, now) {
                (active, switches) = (1 - active, switches + 1);
            }
        }
        (received, switches)
    }

    #[test]
    fn an_upstream_that_crawls_is_left_for_the_spare_after_four_seconds() {
        for rate in [0, 2_500_000] {
            let (received, switches) = run(60, rate, |which, _| [4_000, 2_500_000][which]);
            assert_eq!(switches, 1);
            assert!(received[1] >= 55 * 2_500_000, "{received:?}");
        }
    }

    #[test]
    fn of_two_that_bring_little_the_better_one_is_asked() {
        let (received, switches) = run(600, 2_500_000, |which, _| [300_000, 30_000][which]);
        assert!(switches <= 12, "{switches}");
        assert!(received[0] >= 560 * 300_000, "{received:?}");
    }

    #[test]
    fn on_a_link_that_others_fill_there_are_a_few_trials_an_hour_and_no_more() {
        let (_, switches) = run(3600, 2_500_000, |_, _| 800_000);
        assert!((4..=10).contains(&switches), "{switches}");
    }

    #[test]
    fn an_upstream_that_brings_what_its_parent_may_send_stays() {
        let (_, switches) = run(600, 2_500_000, |_, second| 1_400_000 + second % 7 * 200_000);
        assert_eq!(switches, 0);
    }

    #[test]
    fn an_upstream_that_recovers_is_found_again() {
        let (received, _) = run(900, 2_500_000, |which, second| match (which, second) {
            (0, 10..200) | (1, 200..) => 4_000,
            _ => 2_000_000,
        });
        assert!(received.iter().sum::<u64>() >= 800 * 2_000_000, "{received:?}");
    }

    #[test]
    fn a_window_without_a_spare_uses_up_no_trial() {
        let mut trial = Trial::default();
        let slow = (0..1000).map(|tenth| Time::from_millis(tenth * 100)).filter(|now| {
            let received = now.as_millis() as u64 / 100;
            trial.is_slow((addr(0), received, true), 1_000_000, *now)
        });
        let ends: Vec<Time> = slow.collect();
        assert!((20..=25).contains(&ends.len()), "{ends:?}");
        assert!(trial.tries(addr(1), ends[ends.len() - 1]));
        assert!(
            !trial.tries(addr(1), ends[ends.len() - 1]),
            "one is enough for a while"
        );
    }
}
