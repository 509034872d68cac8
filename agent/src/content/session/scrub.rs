//! The slow look at every byte: which pieces of published content are hashed now, so that all were after the
//! period that the operator chose. Pure. The time in which the agent does not run does not count.

use std::ops::Range;
use std::time::Duration;

use narrows_swarm::Time;

/// No more often than this; with many pieces, several at once.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Pieces in one job.
const MAX_BATCH: u32 = 64;

/// How often the position is written down: what was hashed since is hashed again after a kill.
const SAVE: Duration = Duration::from_secs(600);

/// Where a content's scrub is.
#[derive(Debug)]
pub(super) struct Scrub {
    period: Option<Duration>,
    pieces: u32,
    next: u32,
    due: Time,
    hashing: bool,
    saved: Time,
}

impl Scrub {
    /// From piece `next` on; without a period nothing is ever due.
    pub(super) fn new(period: Option<Duration>, pieces: u32, next: u32, now: Time) -> Self {
        let mut scrub = Self {
            period,
            pieces,
            next: if next < pieces { next } else { 0 },
            due: now,
            hashing: false,
            saved: now,
        };
        scrub.due = now + scrub.step().1;
        scrub
    }

    /// How many pieces at once, and how long until the next ones.
    fn step(&self) -> (u32, Duration) {
        let each = self.period.unwrap_or(Duration::MAX) / self.pieces.max(1);
        if each >= MIN_INTERVAL {
            return (1, each);
        }
        let batch = (MIN_INTERVAL.as_nanos() / each.as_nanos().max(1)).min(MAX_BATCH.into()) as u32;
        (batch, each * batch)
    }

    /// The pieces to hash now, if any, and whether the position after them is to be written down.
    /// [`hashed`](Self::hashed) must follow.
    pub(super) fn begin(&mut self, now: Time) -> Option<(Range<u32>, bool)> {
        if self.period.is_none() || self.hashing || now < self.due {
            return None;
        }
        let (batch, interval) = self.step();
        let first = self.next;
        let end = first.saturating_add(batch).min(self.pieces);
        self.next = if end >= self.pieces { 0 } else { end };
        self.hashing = true;
        // a late tick does not slow it down, and a sleep is not caught up with
        self.due = (self.due + interval).max(now);
        let save = now >= self.saved + SAVE;
        if save {
            self.saved = now;
        }
        Some((first..end, save))
    }

    /// They are hashed.
    pub(super) fn hashed(&mut self) {
        self.hashing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn every_piece_is_hashed_once_in_the_period_at_an_even_pace() {
        for (pieces, period) in [(1, DAY), (7, DAY), (40_000, 30 * DAY), (100_000, DAY / 4)] {
            let mut scrub = Scrub::new(Some(period), pieces, 0, Time::ZERO);
            let (mut seen, mut by_half) = (vec![0_u8; pieces as usize], 0);
            while scrub.due <= period {
                let now = scrub.due + Duration::from_millis(90); // the tick comes a little late
                let (range, _) = scrub.begin(now).expect("it is due");
                assert!(range.len() <= MAX_BATCH as usize);
                by_half += if now <= period / 2 { range.len() } else { 0 };
                range.for_each(|piece| seen[piece as usize] += 1);
                scrub.hashed();
            }
            let missed = seen.iter().filter(|times| **times == 0).count();
            assert!(missed <= 1 + pieces as usize / 1000, "{pieces}: {missed} missed");
            assert!(seen.iter().all(|times| *times <= 2));
            assert!(by_half <= pieces as usize / 2 + MAX_BATCH as usize);
        }
    }

    #[test]
    fn it_goes_on_where_it_was_and_says_so_now_and_then() {
        let mut scrub = Scrub::new(Some(DAY), 86_400, 86_398, Time::ZERO);
        let mut firsts = Vec::new();
        let mut saves = 0;
        for second in 1..=1300 {
            let now = Duration::from_secs(second);
            if let Some((range, save)) = scrub.begin(now) {
                assert!(scrub.begin(now + DAY).is_none(), "one job at a time");
                firsts.push(range.start);
                saves += u32::from(save);
                scrub.hashed();
            }
        }
        assert_eq!(firsts[..4], [86_398, 86_399, 0, 1]);
        assert_eq!(saves, 2);
        assert_eq!(
            Scrub::new(Some(DAY), 5, 5, Time::ZERO).next,
            0,
            "of another content"
        );
    }

    #[test]
    fn switched_off_nothing_is_due() {
        let mut scrub = Scrub::new(None, 5, 0, Time::ZERO);
        assert_eq!(scrub.begin(1000 * DAY), None);
    }
}
