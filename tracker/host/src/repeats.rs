//! Something that goes wrong again and again is logged once per cause, then once an hour with a count.

use std::collections::BTreeMap;
use std::time::Duration;

/// How often a cause that goes on is said again.
const AGAIN: Duration = Duration::from_secs(3600);

/// What was said last of one thing that may go wrong.
#[derive(Debug, Default)]
pub struct Repeats {
    said: Option<(String, Duration)>,
    unsaid: u64,
}

impl Repeats {
    /// It went wrong for this cause at `now`. If that is worth a line: how often it did since the last one.
    pub fn failed(&mut self, cause: &str, now: Duration) -> Option<u64> {
        self.unsaid += 1;
        let known = self.said.as_ref().filter(|(said, _)| said == cause);
        if known.is_some_and(|(_, at)| now < *at + AGAIN) {
            return None;
        }
        self.said = Some((cause.to_owned(), now));
        Some(std::mem::take(&mut self.unsaid))
    }

    /// It went well. Whether that is worth a line: it had gone wrong before.
    pub fn went_well(&mut self) -> bool {
        self.unsaid = 0;
        self.said.take().is_some()
    }
}

/// The same by who or what it concerns. What others can make up is bounded: of so many is said something within an
/// hour, and of the rest nothing.
#[derive(Debug)]
pub struct RepeatsBy<K> {
    most: usize,
    said: BTreeMap<K, Said>,
}

#[derive(Debug)]
struct Said {
    last: Duration,
    unsaid: u64,
}

impl<K: Ord> RepeatsBy<K> {
    /// Of `most` something is said within an hour.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            said: BTreeMap::new(),
        }
    }

    /// It concerned `whom` at `now`. If that is worth a line: how often it did since the last one.
    pub fn seen(&mut self, whom: K, now: Duration) -> Option<u64> {
        if let Some(known) = self.said.get_mut(&whom) {
            known.unsaid += 1;
            if now < known.last + AGAIN {
                return None;
            }
            known.last = now;
            return Some(std::mem::take(&mut known.unsaid));
        }
        if self.said.len() >= self.most {
            self.said.retain(|_, known| now < known.last + AGAIN);
        }
        if self.said.len() >= self.most {
            return None;
        }
        self.said.insert(whom, Said { last: now, unsaid: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_once_then_hourly_with_a_count() {
        let mut repeats = RepeatsBy::new(16);
        let minute = |n: u64| Duration::from_secs(60 * n);
        let said: Vec<(u64, u64)> = (0..130)
            .filter_map(|n| Some((n, repeats.seen("a", minute(n))?)))
            .collect();
        assert_eq!(said, [(0, 1), (60, 60), (120, 60)]);
    }

    #[test]
    fn a_flood_of_names_fills_neither_log_nor_memory_and_others_are_named_after_it() {
        let mut repeats = RepeatsBy::new(16);
        let mut flood = |now| (0..1000).filter(|n| repeats.seen(*n, now).is_some()).count();
        assert_eq!((flood(Duration::ZERO), flood(AGAIN / 2)), (16, 0));
        assert_eq!(repeats.seen(5000, AGAIN), Some(1));
        assert_eq!(repeats.said.len(), 1);
    }

    #[test]
    fn a_cause_is_said_once_then_hourly_with_a_count_and_another_one_at_once() {
        let mut repeats = Repeats::default();
        let minute = |n: u64| Duration::from_secs(60 * n);
        let said: Vec<(u64, u64)> = (0..130)
            .filter_map(|n| Some((n, repeats.failed("no space", minute(n))?)))
            .collect();
        assert_eq!(said, [(0, 1), (60, 60), (120, 60)]);
        assert_eq!(repeats.failed("read-only", minute(130)), Some(10));
        assert!(repeats.went_well() && !repeats.went_well());
        assert_eq!(repeats.failed("read-only", minute(131)), Some(1));
    }
}
