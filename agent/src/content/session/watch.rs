//! When published content is looked at again, and which pieces are hashed again because there is reason to
//! doubt them. Pure: told the time, it says what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use narrows_swarm::Time;

/// Every file is looked at once in this time.
pub(super) const ROUND: Duration = Duration::from_secs(60);

/// A round goes by slices, one a second, so that many files do not burn a core at once.
const SLICE_TIME: Duration = Duration::from_secs(1);
const MIN_SLICE: usize = 256;

/// A piece is not hashed again because of a doubt more often than this.
const SUSPECT_AGAIN: Duration = Duration::from_secs(60);

/// Pieces that wait to be hashed, and those that were lately; with more, the rest is not doubted now.
const MAX_SUSPECTS: usize = 1024;

/// Pieces hashed in one job.
const BATCH: usize = 8;

/// What is due for one content.
#[derive(Debug)]
pub(super) struct Watch {
    files: usize,
    next_file: usize,
    next_slice: Time,
    looking: bool,
    /// When this round began, and when the last one that ended did: all files were looked at since.
    round: Time,
    verified: Time,
    suspects: BTreeSet<u32>,
    hashing: bool,
    /// When a piece was last hashed because of a doubt.
    lately: BTreeMap<u32, Time>,
}

impl Watch {
    /// For content that was just opened, which looks at all files.
    pub(super) fn new(files: usize, now: Time) -> Self {
        Self {
            files,
            next_file: 0,
            next_slice: now + SLICE_TIME,
            looking: false,
            round: now,
            verified: now,
            suspects: BTreeSet::new(),
            hashing: false,
            lately: BTreeMap::new(),
        }
    }

    /// The files to look at now, if any. [`looked`](Self::looked) must follow.
    pub(super) fn look(&mut self, now: Time) -> Option<Range<usize>> {
        if self.looking || self.next_slice > now {
            return None;
        }
        if self.next_file == 0 {
            self.round = now;
        }
        self.looking = true;
        let slices = (ROUND.as_secs() / SLICE_TIME.as_secs()) as usize;
        let len = self.files.div_ceil(slices).max(MIN_SLICE);
        let first = self.next_file;
        self.next_file = (first + len).min(self.files);
        Some(first..self.next_file)
    }

    /// The look is done and everything was as before.
    pub(super) fn looked(&mut self, now: Time) {
        self.looking = false;
        self.next_slice = now + SLICE_TIME;
        if self.next_file >= self.files {
            self.next_file = 0;
            self.verified = self.round;
            self.next_slice = self.next_slice.max(self.round + ROUND);
        }
    }

    /// All files were looked at in one go, as they were at `since`.
    pub(super) fn looked_at_all(&mut self, since: Time) {
        self.verified = self.verified.max(since);
    }

    /// Since when every file has been looked at: the longest that any has not.
    pub(super) fn age(&self, now: Time) -> Duration {
        now.saturating_sub(self.verified)
    }

    /// A read has failed, or a peer says that it got other bytes: this piece is to be hashed.
    pub(super) fn suspect(&mut self, piece: u32, now: Time) {
        self.lately.retain(|_, when| now < *when + SUSPECT_AGAIN);
        if !self.lately.contains_key(&piece) && self.suspects.len() + self.lately.len() < MAX_SUSPECTS {
            self.suspects.insert(piece);
        }
    }

    /// The pieces to hash now, if any. [`rechecked`](Self::rechecked) must follow.
    pub(super) fn recheck(&mut self, now: Time) -> Option<Vec<u32>> {
        if self.hashing || self.suspects.is_empty() {
            return None;
        }
        self.hashing = true;
        let pieces: Vec<u32> = self.suspects.iter().copied().take(BATCH).collect();
        for piece in &pieces {
            self.suspects.remove(piece);
            self.lately.insert(*piece, now);
        }
        Some(pieces)
    }

    /// They are hashed and right.
    pub(super) fn rechecked(&mut self) {
        self.hashing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Looks for so long, each look taking 5 ms; counts by file, and the most files in one slice.
    fn run(watch: &mut Watch, files: usize, time: Range<u64>) -> (Vec<u32>, usize) {
        let (mut seen, mut most) = (vec![0; files], 0);
        for now in time.step_by(100) {
            if let Some(slice) = watch.look(at(now)) {
                most = most.max(slice.len());
                slice.for_each(|file| seen[file] += 1);
                watch.looked(at(now + 5));
            }
        }
        (seen, most)
    }

    #[test]
    fn every_file_is_looked_at_once_a_minute_however_many_there_are() {
        for files in [1, 255, 256, 257, 15_360, 100_000] {
            let mut watch = Watch::new(files, at(0));
            let (seen, most) = run(&mut watch, files, 0..600_000);
            let (least, times) = (seen.iter().min(), seen.iter().max());
            assert!(
                least >= Some(&9) && times <= Some(&11),
                "{files}: {least:?} to {times:?}"
            );
            assert!(most <= MIN_SLICE.max(files / 50), "{files}: {most} at once");
            assert!(watch.age(at(600_000)) <= 2 * ROUND + 10 * SLICE_TIME);
        }
    }

    #[test]
    fn a_look_that_does_not_end_lets_the_age_grow() {
        let mut watch = Watch::new(10, at(0));
        run(&mut watch, 10, 0..120_000);
        while watch.look(at(200_000)).is_none() {}
        assert!(watch.look(at(900_000)).is_none(), "one at a time");
        assert!(watch.age(at(900_000)) > Duration::from_secs(600));
        watch.looked_at_all(at(899_000));
        assert_eq!(watch.age(at(900_000)), Duration::from_secs(1));
    }

    #[test]
    fn a_piece_is_hashed_once_a_minute_at_most_however_often_it_is_doubted() {
        let mut watch = Watch::new(1, at(0));
        let mut hashed = Vec::new();
        for now in (0..180_000).step_by(10) {
            watch.suspect(7, at(now));
            watch.suspect(8, at(now));
            if let Some(pieces) = watch.recheck(at(now)) {
                assert_eq!(watch.recheck(at(now)), None, "one job at a time");
                hashed.extend(pieces);
                watch.rechecked();
            }
        }
        assert_eq!(hashed.iter().filter(|piece| **piece == 7).count(), 3);
        assert_eq!(hashed.iter().filter(|piece| **piece == 8).count(), 3);
    }

    #[test]
    fn doubts_about_everything_are_bounded_in_memory_and_in_work() {
        let mut watch = Watch::new(1, at(0));
        let mut hashed = 0;
        for piece in 0..100_000 {
            watch.suspect(piece, at(u64::from(piece) / 10));
            if let Some(pieces) = watch.recheck(at(u64::from(piece) / 10)) {
                hashed += pieces.len();
                watch.rechecked();
            }
            assert!(watch.suspects.len() + watch.lately.len() <= MAX_SUSPECTS);
        }
        assert!(hashed <= MAX_SUSPECTS, "{hashed} in ten seconds");
    }
}
