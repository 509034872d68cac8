//! Something that goes wrong again and again is logged once per cause, then once an hour with a count.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a cause that goes on is said again.
const AGAIN: Duration = Duration::from_secs(3600);

/// The most causes of one thing of which something is said within an hour: those that come in turns are told
/// apart, and ever new ones do not fill the log.
const MAX_CAUSES: usize = 8;

/// What went well again and then goes wrong for so long, without going well in between, is worth a line,
/// though the cause was said less than an hour ago: else the log would end with good news.
const RELAPSE: Duration = Duration::from_secs(60);

/// What was said of one thing that may go wrong.
#[derive(Debug, Default)]
pub struct Repeats {
    causes: Vec<Cause>,
    /// Since when it goes wrong without a success between.
    since: Option<Duration>,
    /// Something was said since it last went well.
    told: bool,
}

#[derive(Debug)]
struct Cause {
    text: String,
    last: Duration,
    unsaid: u64,
    /// It went well since.
    healed: bool,
}

impl Repeats {
    /// It went wrong for this cause at `now`. If that is worth a line: how often it did, for this cause,
    /// since the last one.
    pub fn failed(&mut self, cause: &str, now: Duration) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        if let Some(known) = self.causes.iter_mut().find(|known| known.text == cause) {
            known.unsaid += 1;
            let relapsed = known.healed && now >= since + RELAPSE;
            if now < known.last + AGAIN && !relapsed {
                return None;
            }
            (known.last, known.healed) = (now, false);
            self.told = true;
            return Some(std::mem::take(&mut known.unsaid));
        }
        if self.causes.len() >= MAX_CAUSES {
            self.causes.retain(|known| now < known.last + AGAIN);
        }
        if self.causes.len() >= MAX_CAUSES {
            return None;
        }
        self.causes.push(Cause {
            text: cause.to_owned(),
            last: now,
            unsaid: 0,
            healed: false,
        });
        self.told = true;
        Some(1)
    }

    /// It went well. Whether that is worth a line: one was said since it last did.
    pub fn went_well(&mut self) -> bool {
        self.since = None;
        self.causes.iter_mut().for_each(|known| known.healed = true);
        std::mem::take(&mut self.told)
    }
}

/// The same by the subject that it concerns: an address, a name. What others can make up is bounded: within
/// an hour, a number of subjects is named in the log, and the rest is not. It may be shared between threads;
/// the lock is held for a look-up.
#[derive(Debug)]
pub struct RepeatsBy<K> {
    max: usize,
    said: Mutex<BTreeMap<K, Said>>,
}

#[derive(Debug)]
struct Said {
    last: Duration,
    unsaid: u64,
}

impl<K: Ord> RepeatsBy<K> {
    /// At most `max` subjects are named within an hour.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            said: Mutex::new(BTreeMap::new()),
        }
    }

    /// It concerned `subject` at `now`. If that is worth a line: how often it did since the last one.
    pub fn seen(&self, subject: K, now: Duration) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = said.get_mut(&subject) {
            known.unsaid += 1;
            if now < known.last + AGAIN {
                return None;
            }
            known.last = now;
            return Some(std::mem::take(&mut known.unsaid));
        }
        if said.len() >= self.max {
            said.retain(|_, known| now < known.last + AGAIN);
        }
        if said.len() >= self.max {
            return None;
        }
        said.insert(subject, Said { last: now, unsaid: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_once_then_hourly_with_a_count() {
        let repeats = RepeatsBy::new(16);
        let minute = |n: u64| Duration::from_secs(60 * n);
        let said: Vec<(u64, u64)> =
            (0..130).filter_map(|n| Some((n, repeats.seen("a", minute(n))?))).collect();
        assert_eq!(said, [(0, 1), (60, 60), (120, 60)]);
    }

    #[test]
    fn a_flood_of_names_fills_neither_log_nor_memory_and_others_are_named_after_it() {
        let repeats = RepeatsBy::new(16);
        let flood = |now| (0..1000).filter(|n| repeats.seen(*n, now).is_some()).count();
        assert_eq!((flood(Duration::ZERO), flood(AGAIN / 2)), (16, 0));
        assert_eq!(repeats.seen(5000, AGAIN), Some(1));
        assert_eq!(repeats.said.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_cause_is_said_once_then_hourly_with_a_count_and_another_one_at_once() {
        let mut repeats = Repeats::default();
        let minute = |n: u64| Duration::from_secs(60 * n);
        let said: Vec<(u64, u64)> =
            (0..130).filter_map(|n| Some((n, repeats.failed("no space", minute(n))?))).collect();
        assert_eq!(said, [(0, 1), (60, 60), (120, 60)]);
        assert_eq!(repeats.failed("read-only", minute(130)), Some(1));
    }

    #[test]
    fn causes_that_come_in_turns_are_each_said_once() {
        let mut repeats = Repeats::default();
        let second = Duration::from_secs;
        let said =
            (0..3000).filter_map(|n| repeats.failed(["refused", "timed out"][n % 2], second(n as u64)));
        assert_eq!(said.collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn ever_new_causes_fill_neither_log_nor_memory_and_are_said_again_an_hour_later() {
        let mut repeats = Repeats::default();
        let mut flood = |from: u64| {
            let failed = (0..1000).filter(|n| {
                repeats.failed(&format!("port {}", from + n), Duration::from_secs(from)).is_some()
            });
            failed.count()
        };
        assert_eq!((flood(0), flood(1800), flood(3600)), (MAX_CAUSES, 0, MAX_CAUSES));
        assert_eq!(repeats.causes.len(), MAX_CAUSES);
    }

    #[test]
    fn what_goes_wrong_every_other_time_is_said_once_and_once_that_it_is_well_again() {
        let mut repeats = Repeats::default();
        let (mut failed, mut healed) = (0, 0);
        for n in 0..1800 {
            match n % 2 {
                0 => failed += u32::from(repeats.failed("no descriptors", Duration::from_secs(n)).is_some()),
                _ => healed += u32::from(repeats.went_well()),
            }
        }
        assert_eq!((failed, healed), (1, 1));
    }

    #[test]
    fn a_relapse_that_lasts_is_said_again_and_so_is_its_end() {
        let mut repeats = Repeats::default();
        let second = Duration::from_secs;
        assert_eq!(repeats.failed("no space", second(0)), Some(1));
        assert!(repeats.went_well() && !repeats.went_well());
        let said: Vec<u64> =
            (300..420).filter(|n| repeats.failed("no space", second(*n)).is_some()).collect();
        assert_eq!(said, [360]);
        assert!(repeats.went_well());
    }
}
