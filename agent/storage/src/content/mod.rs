//! One torrent on one disk. This file holds its state and locks, each other file one thing that is done with
//! it.

mod attributes;
mod carry;
mod check;
mod links;
pub(crate) mod look;
pub(crate) mod movable;
mod moves;
mod open;
mod pieces;
mod publish;
mod repair;
mod space;
mod sweep;
mod sync;
mod two_steps;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use narrows_host::Repeats;
use narrows_protocol::metainfo::Metainfo;
use narrows_wire::Bitfield;

use crate::StorageError;
use crate::disk::Disk;
use crate::disk::turns::Turns;
use crate::layout::{Layout, Side};
use crate::platform::Folder;
use crate::records::claim::Claim;
use crate::records::resume::{Record, Resume, Stamp};
use crate::records::wan_history::WanHistory;

pub use open::Opened;
pub use pieces::Stored;

/// One torrent on one disk. All methods take `&self` and block; call them from blocking threads, several at
/// once.
///
/// Dropping it is like a SIGKILL: the next start hashes again what was stored since the last
/// [`sync`](Self::sync).
#[derive(Debug)]
pub struct Content {
    pub(crate) disk: Disk,
    pub(crate) resume: Resume,
    pub(crate) wan_history: WanHistory,
    /// Held for moments, never during I/O on the content; the journal's 8 bytes per piece are written under
    /// it so that a sync cannot come between a piece and its entry.
    state: Mutex<State>,
    turns: Arc<Turns>,
    /// Where [`Claim`]s are kept.
    pub(crate) state_dir: PathBuf,
    claim: Mutex<Claim>,
    /// How two trees are swapped; [`io::ErrorKind::Unsupported`]: in two steps.
    pub(crate) swap: Swap,
    /// Of writing the journal, and since when.
    journal_failures: Mutex<(Repeats, Instant)>,
    /// Pieces, for metrics.
    pub(crate) damaged: AtomicU64,
    pub(crate) healed: AtomicU64,
}

/// [`Folder::exchange`], but in tests.
pub(crate) type Swap = fn(&Folder, &Path, &Path) -> io::Result<()>;

#[derive(Debug)]
pub(crate) struct State {
    /// Verified pieces in staging.
    pub(crate) staged: Bitfield,
    /// Verified pieces at the target: all if published, else those of an older copy.
    pub(crate) at_target: Bitfield,
    pub(crate) published: bool,
    /// It was published and is not whole any more; what is missing is written in place.
    pub(crate) repairing: bool,
    /// The files at the target as they were when their bytes were known, or before they were last read.
    pub(crate) stamps: Vec<Option<Stamp>>,
    /// What `check` has to do; `None` when it is through.
    pub(crate) to_check: Option<ToCheck>,
    /// Stored since the last sync.
    pub(crate) unsynced: Vec<u32>,
    /// Were being synced when that failed: the system may have dropped their bytes, so they are written
    /// again.
    pub(crate) doubtful: Vec<u32>,
    /// Files written to since the last sync.
    pub(crate) dirty: BTreeSet<usize>,
    journal: Option<File>,
}

#[derive(Debug, Default)]
pub(crate) struct ToCheck {
    pub(crate) staging: Vec<u32>,
    pub(crate) target: Vec<u32>,
    /// What is wrong at the target is mended there; else its right pieces go into staging.
    pub(crate) in_place: bool,
}

impl State {
    /// Before anything was looked at.
    fn unknown(pieces: u32) -> Self {
        Self {
            staged: Bitfield::new(pieces),
            at_target: Bitfield::new(pieces),
            published: false,
            repairing: false,
            stamps: Vec::new(),
            to_check: None,
            unsynced: Vec::new(),
            doubtful: Vec::new(),
            dirty: BTreeSet::new(),
            journal: None,
        }
    }

    /// Where pieces are written.
    pub(crate) fn side(&self) -> Side {
        match self.repairing {
            true => Side::Target,
            false => Side::Staging,
        }
    }

    /// The pieces that are right there.
    pub(crate) fn work(&mut self) -> &mut Bitfield {
        match self.repairing {
            true => &mut self.at_target,
            false => &mut self.staged,
        }
    }
}

impl Content {
    pub(crate) fn save(&self, record: &Record) -> Result<(), StorageError> {
        self.resume.save(record).map_err(StorageError::io("write", &self.resume.record_path()))
    }

    pub(crate) fn stamps(&self, side: Side) -> Result<Vec<Option<Stamp>>, StorageError> {
        Ok(self.disk.survey(side)?.into_iter().map(|stat| stat.map(Into::into)).collect())
    }

    /// Whether the content is whole and at its target.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.state().published
    }

    /// The pieces that are verified and can be read.
    #[must_use]
    pub fn have(&self) -> Bitfield {
        let state = self.state();
        union(&state.staged, &state.at_target)
    }

    /// What was fetched across the WAN.
    pub fn wan_history(&self) -> &WanHistory {
        &self.wan_history
    }

    /// What the content is.
    #[must_use]
    pub fn metainfo(&self) -> &Metainfo {
        self.layout().meta()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.disk.layout
    }

    /// What is remembered of the content's place.
    pub(crate) fn claim(&self) -> Claim {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is remembered of the content's place; durable on return.
    pub(crate) fn change_claim(&self, change: impl FnOnce(&mut Claim)) -> Result<(), StorageError> {
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = claim.clone();
        change(&mut new);
        let info_hash = self.layout().meta().info_hash;
        if new != *claim || !Claim::path(&self.state_dir, info_hash).exists() {
            new.save(&self.state_dir, info_hash).map_err(StorageError::io(
                "write",
                &Claim::path(&self.state_dir, info_hash),
            ))?;
            *claim = new;
        }
        Ok(())
    }

    // A poisoned lock means that another thread panicked; each change under these locks is whole.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn upkeep(&self) -> MutexGuard<'_, ()> {
        self.turns.upkeep()
    }

    /// See [`Turns::stay`].
    pub(crate) fn stay(&self) -> RwLockReadGuard<'_, ()> {
        self.turns.stay()
    }

    pub(crate) fn moving(&self) -> RwLockWriteGuard<'_, ()> {
        self.turns.moving()
    }
}

fn union(a: &Bitfield, b: &Bitfield) -> Bitfield {
    let mut both = a.clone();
    b.iter_ones().for_each(|piece| {
        both.set(piece);
    });
    both
}
