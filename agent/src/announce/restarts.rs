//! Notices that a tracker has restarted, so that all contents announce at once: a tracker that lost what it knew hears of
//! seeders soon after the next look (15 s, longer in large fleets), not when their quarter of an hour is over.
//!
//! Narrows' trackers tell a number that is another one in each run (`epoch`), and how often to look whether it still is
//! (`watch`, scaled with the number of agents). An agent looks once for all its contents. Other trackers say neither and
//! are asked for nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_protocol::Assignment;
use tokio::sync::watch;

/// The bounds of what a tracker may ask for.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3600);

/// What is known of the trackers of all contents.
#[derive(Debug)]
pub(crate) struct Restarts {
    /// By the URL where the number is told.
    known: Mutex<BTreeMap<String, Known>>,
    seen: watch::Sender<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    epoch: u32,
    watch: Duration,
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
    /// A tracker answered an announce.
    pub(crate) fn heard(&self, announce_url: &str, assignment: Option<&Assignment>) {
        let Some(assignment) = assignment.filter(|assignment| assignment.epoch != 0) else {
            return;
        };
        let Some(url) = epoch_url(announce_url) else {
            return;
        };
        let watch = Duration::from_secs(assignment.watch.into()).clamp(SHORTEST, LONGEST);
        self.set(&url, assignment.epoch, Some(watch));
    }

    /// A tracker was asked for its number.
    pub(crate) fn looked(&self, url: &str, epoch: u32) {
        self.set(url, epoch, None);
    }

    fn set(&self, url: &str, epoch: u32, watch: Option<Duration>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(url).copied();
        let watch = watch.or(before.map(|before| before.watch)).unwrap_or(LONGEST);
        known.insert(url.to_owned(), Known { epoch, watch });
        if before.is_some_and(|before| before.epoch != epoch) {
            self.seen.send_modify(|times| *times += 1);
        }
    }

    /// A tracker does not tell its number any more.
    pub(crate) fn forget(&self, url: &str) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(url);
    }

    /// Where to look, and after how long; nothing to look at: `None`.
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

/// Where a tracker tells its number: beside `announce`, as `scrape` is (BEP 48).
fn epoch_url(announce: &str) -> Option<String> {
    let (before, last) = announce.rsplit_once('/')?;
    let rest = last.strip_prefix("announce")?;
    let rest = rest.split('?').next().unwrap_or_default();
    Some(format!("{before}/epoch{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(epoch: u32) -> Assignment {
        Assignment {
            epoch,
            watch: 15,
            ..Assignment::default()
        }
    }

    #[test]
    fn another_number_is_a_restart_and_the_same_or_none_is_not() {
        let restarts = Restarts::default();
        let mut seen = restarts.subscribe();
        let url = "http://t:6969/announce";
        restarts.heard(url, None);
        restarts.heard(url, Some(&told(0)));
        assert!(restarts.due().is_none(), "not one of ours");
        restarts.heard(url, Some(&told(7)));
        restarts.looked("http://t:6969/epoch", 7);
        assert!(!seen.has_changed().expect("open"));
        let (urls, after) = restarts.due().expect("to be looked at");
        assert_eq!(
            (urls, after),
            (vec!["http://t:6969/epoch".to_owned()], Duration::from_secs(15))
        );
        restarts.looked("http://t:6969/epoch", 8);
        assert!(seen.has_changed().expect("open"));
        seen.mark_unchanged();
        restarts.heard(url, Some(&told(8)));
        assert!(!seen.has_changed().expect("open"), "noticed once");
        restarts.forget("http://t:6969/epoch");
        assert!(restarts.due().is_none());
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
