//! Notices that a tracker has restarted, so that all contents announce at once: a tracker that lost what it
//! knew hears of seeders soon after the next look (15 s, longer in large fleets), not when their quarter of
//! an hour is over.
//!
//! Narrows' trackers send a number that differs in each run (`epoch`), and how often to check it (`watch`,
//! scaled with the number of agents). An agent checks once for all its contents. Other trackers send neither
//! and are not asked.
//!
//! Several trackers behind one name answer in turn: a number that was seen before is no restart. However
//! often new ones come, all contents announce a few times within [`WINDOW`] at most; a round that was put off
//! is made up for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use narrows_protocol::Assignment;
use tokio::sync::watch;

/// The bounds of what a tracker may ask for.
const MIN_WATCH: Duration = Duration::from_secs(5);
const MAX_WATCH: Duration = Duration::from_secs(3600);

/// Within this time all contents announce for a tracker that restarts [`MAX_ROUNDS`] times at most; for
/// several that take turns, once.
const WINDOW: Duration = Duration::from_secs(300);
const MAX_ROUNDS: usize = 4;
/// How many numbers are remembered, of trackers behind one name or of the runs of one.
const MAX_EPOCHS: usize = 16;

/// What is known of the trackers of all contents.
#[derive(Debug)]
pub(crate) struct Restarts {
    /// By the URL that gives the number.
    known: Mutex<BTreeMap<String, Known>>,
    seen: watch::Sender<u64>,
}

#[derive(Debug)]
struct Known {
    /// The numbers seen, in order of when they were seen last.
    epochs: VecDeque<u32>,
    watch: Duration,
    /// When several trackers were last seen to take turns.
    turns: Option<Instant>,
    /// When all contents last announced.
    rounds: Vec<Instant>,
    /// Whether they are to announce as soon as they may.
    pending: bool,
}

impl Known {
    /// Notes a number; whether all contents are to announce.
    fn note(&mut self, epoch: u32, now: Instant) -> bool {
        if self.epochs.back() != Some(&epoch) {
            match self.epochs.iter().position(|known| *known == epoch) {
                Some(before) => {
                    self.epochs.remove(before);
                    self.turns = Some(now);
                }
                None => self.pending = true,
            }
            self.epochs.push_back(epoch);
            if self.epochs.len() > MAX_EPOCHS {
                self.epochs.pop_front();
            }
        }
        let is_recent = |then: Instant| now.saturating_duration_since(then) < WINDOW;
        self.rounds.retain(|round| is_recent(*round));
        let most = if self.turns.is_some_and(is_recent) {
            1
        } else {
            MAX_ROUNDS
        };
        let due = self.pending && self.rounds.len() < most;
        if due {
            self.pending = false;
            self.rounds.push(now);
        }
        due
    }
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            seen: watch::Sender::new(0),
        }
    }
}

impl Restarts {
    /// Notes what a tracker sent with its reply to an announce.
    pub(crate) fn announced(&self, announce_url: &str, assignment: Option<&Assignment>, now: Instant) {
        let Some(assignment) = assignment.filter(|assignment| assignment.epoch != 0) else {
            return;
        };
        let Some(url) = epoch_url(announce_url) else {
            return;
        };
        let watch = Duration::from_secs(assignment.watch.into()).clamp(MIN_WATCH, MAX_WATCH);
        self.set(&url, assignment.epoch, Some(watch), now);
    }

    /// Notes the number that a tracker gave when asked for it.
    pub(crate) fn looked(&self, url: &str, epoch: u32, now: Instant) {
        self.set(url, epoch, None, now);
    }

    fn set(&self, url: &str, epoch: u32, watch: Option<Duration>, now: Instant) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(url.to_owned()).or_insert_with(|| Known {
            epochs: VecDeque::from([epoch]),
            watch: MAX_WATCH,
            turns: None,
            rounds: Vec::new(),
            pending: false,
        });
        known.watch = watch.unwrap_or(known.watch);
        if known.note(epoch, now) {
            self.seen.send_modify(|times| *times += 1);
        }
    }

    /// Forgets a tracker that gives no number any more.
    pub(crate) fn forget(&self, url: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
    }

    /// Which URLs to ask, and after how long; `None` if there are none.
    pub(crate) fn due(&self) -> Option<(Vec<String>, Duration)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let soonest = known.values().map(|known| known.watch).min()?;
        Some((known.keys().cloned().collect(), soonest))
    }

    /// Changes with each restart that is noticed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }
}

/// The URL of a tracker's number: beside `announce`, as `scrape` is (BEP 48).
fn epoch_url(announce: &str) -> Option<String> {
    let (before, last) = announce.rsplit_once('/')?;
    let rest = last.strip_prefix("announce")?;
    let rest = rest.split('?').next().unwrap_or_default();
    Some(format!("{before}/epoch{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_epoch(epoch: u32) -> Assignment {
        Assignment {
            epoch,
            watch: 15,
            ..Assignment::default()
        }
    }

    #[test]
    fn another_number_is_a_restart_and_the_same_or_none_is_not() {
        let (restarts, now) = (Restarts::default(), Instant::now());
        let mut seen = restarts.subscribe();
        let url = "http://t:6969/announce";
        restarts.announced(url, None, now);
        restarts.announced(url, Some(&with_epoch(0)), now);
        assert!(restarts.due().is_none(), "not one of ours");
        restarts.announced(url, Some(&with_epoch(7)), now);
        restarts.looked("http://t:6969/epoch", 7, now);
        assert!(!seen.has_changed().expect("open"));
        let (urls, after) = restarts.due().expect("to be looked at");
        assert_eq!(
            (urls, after),
            (vec!["http://t:6969/epoch".to_owned()], Duration::from_secs(15))
        );
        restarts.looked("http://t:6969/epoch", 8, now);
        assert!(seen.has_changed().expect("open"));
        seen.mark_unchanged();
        restarts.announced(url, Some(&with_epoch(8)), now);
        assert!(!seen.has_changed().expect("open"), "noticed once");
        restarts.forget("http://t:6969/epoch");
        assert!(restarts.due().is_none());
    }

    const URL: &str = "http://t/epoch";

    /// How often all contents announce while these numbers come, one every 15 s.
    fn rounds(epochs: impl Iterator<Item = u32>) -> u64 {
        let (restarts, start) = (Restarts::default(), Instant::now());
        for (epoch, second) in epochs.zip((0..).step_by(15)) {
            restarts.looked(URL, epoch, start + Duration::from_secs(second));
        }
        *restarts.subscribe().borrow()
    }

    #[test]
    fn trackers_behind_one_name_that_take_turns_are_no_restarts() {
        let in_turn = |trackers: u32, looks| rounds((0..looks).map(move |look| 1 + look % trackers));
        assert_eq!(in_turn(1, 400), 0);
        // the second one looks like a restart of the first
        assert_eq!(in_turn(2, 400), 1);
        assert!(in_turn(5, 400) <= 4);
        // one of two restarts an hour later
        assert_eq!(
            rounds((0..400).map(|look| if look < 240 { 1 + look % 2 } else { 2 + look % 2 })),
            2
        );
    }

    #[test]
    fn each_restart_of_a_tracker_is_noticed_at_once_and_many_are_put_off() {
        assert_eq!(rounds([1, 2, 3, 4].into_iter()), 3);
        // an hour of numbers that are always new: four rounds within five minutes
        let hour = rounds(1..=240);
        assert!((12..=48).contains(&hour), "{hour}");
        // the last of them is made up for
        let many = (1..=10).chain(std::iter::repeat_n(10, 40));
        assert_eq!(rounds(many), 5);
    }

    #[test]
    fn the_number_is_told_beside_the_announce() {
        let of = |url| epoch_url(url);
        assert_eq!(of("http://t/announce").as_deref(), Some("http://t/epoch"));
        assert_eq!(
            of("http://t/x/announce?passkey=1").as_deref(),
            Some("http://t/x/epoch")
        );
        assert_eq!(of("http://t/a"), None);
    }
}
