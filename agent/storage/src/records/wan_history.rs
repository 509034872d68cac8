//! What was fetched across the WAN over all runs, and what need not be fetched at all, so that a tracker is
//! told all of it although the agent was killed.
//!
//! `<info hash>.wan` is replaced as a whole and never synced: over a kill nothing is lost, and over a power
//! failure the last seconds may be. It may be missing or damaged: then counting begins anew, nothing worse.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use narrows_host::durable;
use narrows_protocol::InfoHash;
use serde::{Deserialize, Serialize};

use crate::records::resume::absent_is_fine;

/// Payload bytes received across the WAN.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WanTotals {
    /// All of them.
    pub bytes: u64,
    /// Of these, as far as it was known: by the site they came from.
    pub by_site: BTreeMap<String, u64>,
    /// Payload bytes that were on the disk when the content was first looked at, of an older version or put
    /// there, and so need not be fetched; 0 also where all of it was there: such a machine wanted nothing.
    #[serde(default)]
    pub reused: u64,
    /// A look at the disk found some of the content missing: the rollout is for this machine, also when it
    /// has all of it.
    #[serde(default)]
    pub wanted: bool,
    /// That first look is under way, or was when the agent ended.
    #[serde(default)]
    looking: bool,
}

impl WanTotals {
    /// These and those of another run.
    pub fn plus(&self, bytes: u64, by_site: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut sum = self.clone();
        sum.bytes = sum.bytes.saturating_add(bytes);
        for (site, bytes) in by_site {
            let known = sum.by_site.entry(site).or_default();
            *known = known.saturating_add(bytes);
        }
        sum
    }
}

/// The totals of one content, in memory and in the state folder.
#[derive(Debug)]
pub struct WanHistory {
    path: PathBuf,
    totals: Mutex<WanTotals>,
    /// What the file says. Locked while it is written, so that an older one never takes the place of a newer
    /// one.
    written: Mutex<WanTotals>,
}

impl WanHistory {
    pub(crate) fn open(folder: &Path, info_hash: InfoHash) -> Self {
        let path = folder.join(format!("{info_hash}.wan"));
        let read = fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        let totals: WanTotals = read.unwrap_or_else(|error: io::Error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "what was fetched across the WAN is not readable; it is counted anew");
            }
            WanTotals::default()
        });
        Self {
            path,
            written: Mutex::new(totals.clone()),
            totals: Mutex::new(totals),
        }
    }

    /// The last totals that were [`set`](Self::set), or what the file said.
    pub fn totals(&self) -> WanTotals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers new totals, in memory alone.
    pub fn set(&self, totals: WanTotals) {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner) = totals;
    }

    /// The content is looked at for the first time: nothing of it was fetched yet. Blocks.
    pub(crate) fn begin(&self) {
        self.change(|totals| totals.looking = true);
        if let Err(error) = self.save() {
            tracing::debug!(path = %self.path.display(), %error, "cannot write down that the content is new");
        }
    }

    /// Nothing was fetched yet that this wan_history knows of.
    pub(crate) fn is_new(&self) -> bool {
        let totals = self.totals();
        // that it is wanted is known before any of it comes
        totals
            == WanTotals {
                wanted: totals.wanted,
                ..WanTotals::default()
            }
    }

    /// A look at the disk is done: of `total` bytes, `have` are there. The first one says what is reused, and
    /// any whether the content is wanted.
    pub fn looked(&self, have: u64, total: u64) {
        self.change(|totals| {
            totals.wanted |= have < total;
            if std::mem::take(&mut totals.looking) && have < total {
                totals.reused = have;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut WanTotals)) {
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes the totals if the file has others. Blocks.
    ///
    /// # Errors
    /// The disk's; the file is then as it was.
    pub fn save(&self) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = self.totals();
        if *written == totals {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&totals)?;
        durable::replace(&self.path, |out| out.write_all(&bytes))?;
        *written = totals;
        Ok(())
    }

    /// Removes the file; there need not be one.
    pub(crate) fn remove(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_file(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: InfoHash = InfoHash([7; 20]);

    fn some() -> WanTotals {
        WanTotals::default().plus(70, [("hq".to_owned(), 40)])
    }

    #[test]
    fn the_next_run_goes_on_from_what_was_saved_and_adds_to_it_by_site() {
        let dir = tempfile::tempdir().expect("a folder");
        let wan_history = WanHistory::open(dir.path(), HASH);
        assert_eq!(wan_history.totals(), WanTotals::default());
        wan_history.set(some());
        wan_history.save().expect("saved");
        wan_history.set(some().plus(1, []));
        let next = WanHistory::open(dir.path(), HASH).totals();
        assert_eq!(next, some(), "what was not saved is lost");
        let sum = next.plus(12, [("b1".to_owned(), 2), ("hq".to_owned(), 10)]);
        assert_eq!((sum.bytes, sum.by_site["hq"], sum.by_site["b1"]), (82, 50, 2));
    }

    #[test]
    fn what_the_first_look_found_is_reused_also_when_the_agent_was_killed_before_it_was_done() {
        let dir = tempfile::tempdir().expect("a folder");
        let wan_history = WanHistory::open(dir.path(), HASH);
        assert!(wan_history.is_new());
        wan_history.begin();
        let wan_history = WanHistory::open(dir.path(), HASH);
        assert!(!wan_history.is_new());
        wan_history.looked(70, 100);
        wan_history.save().expect("saved");
        let wan_history = WanHistory::open(dir.path(), HASH);
        wan_history.looked(90, 100);
        assert_eq!(
            wan_history.totals().plus(20, []).reused,
            70,
            "what is fetched later is not"
        );
    }

    #[test]
    fn a_machine_that_has_everything_at_the_first_look_reuses_nothing_and_later_looks_change_that_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let wan_history = WanHistory::open(dir.path(), HASH);
        wan_history.looked(50, 100);
        assert_eq!(
            wan_history.totals().reused,
            0,
            "an agent of before that fetched some of it"
        );
        wan_history.begin();
        wan_history.looked(100, 100);
        wan_history.looked(30, 100);
        assert_eq!(wan_history.totals().reused, 0);
    }

    #[test]
    fn that_some_was_missing_is_remembered_when_nothing_is_and_counts_as_no_first_look() {
        let dir = tempfile::tempdir().expect("a folder");
        let wan_history = WanHistory::open(dir.path(), HASH);
        wan_history.begin();
        wan_history.looked(100, 100);
        assert!(!wan_history.totals().wanted, "the source of a rollout");
        wan_history.looked(0, 100);
        wan_history.save().expect("saved");
        let wan_history = WanHistory::open(dir.path(), HASH);
        assert!(wan_history.is_new(), "nothing of it came yet");
        wan_history.looked(100, 100);
        assert!(wan_history.totals().plus(0, []).wanted);
    }

    #[test]
    fn a_damaged_file_or_none_is_counted_anew_and_one_that_cannot_be_written_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let wan_history = WanHistory::open(dir.path(), HASH);
        wan_history.set(some());
        wan_history.save().expect("saved");
        let new = wan_history.path.with_extension("wan.new");
        fs::create_dir(&new).expect("in its way");
        wan_history.set(some().plus(1, []));
        assert!(wan_history.save().is_err());
        assert_eq!(WanHistory::open(dir.path(), HASH).totals(), some());
        fs::remove_dir(&new).expect("removed");
        wan_history.save().expect("it is tried again");
        assert_eq!(WanHistory::open(dir.path(), HASH).totals().bytes, 71);
        fs::write(&wan_history.path, "{\"bytes\": 7").expect("damaged");
        assert_eq!(WanHistory::open(dir.path(), HASH).totals(), WanTotals::default());
        wan_history.remove().expect("removed");
        wan_history.remove().expect("there is none");
    }
}
