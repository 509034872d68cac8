//! One torrent on one disk: opening, storing, reading, syncing.

mod attributes;
mod carry;
mod check;
mod links;
pub(crate) mod look;
pub(crate) mod movable;
mod moves;
mod publish;
mod repair;
mod space;
mod sweep;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use narrows_host::Repeats;
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::STAGING_FOLDER;
use narrows_wire::Bitfield;
use sha1::{Digest, Sha1};

use crate::StorageError;
use crate::disk::Disk;
use crate::disk::open_files::OpenFiles;
use crate::layout::Layout;
use crate::layout::Side;
use crate::records::claim::{Claim, Ours};
use crate::records::place::{Place, require_volume};
use crate::records::resume::{Phase, Record, Resume, Stamp};
use crate::records::trust::Plan;
use crate::records::wan_history::Ledger;

/// One torrent on one disk. All methods take `&self` and block; call them from blocking threads, several at
/// once.
///
/// Dropping it is like a SIGKILL: the next start hashes again what was stored since the last
/// [`sync`](Self::sync).
#[derive(Debug)]
pub struct Content {
    pub(crate) disk: Disk,
    pub(crate) resume: Resume,
    pub(crate) ledger: Ledger,
    /// Held for moments, never during I/O on the content; the journal's 8 bytes per piece are written under
    /// it so that a sync cannot come between a piece and its entry.
    state: Mutex<State>,
    /// Read: the files stay where they are. Written by `publish`, which moves them.
    moving: RwLock<()>,
    /// One sync, check or publish at a time.
    pub(crate) upkeep: Mutex<()>,
    /// Where [`Claim`]s are kept.
    pub(crate) state_dir: PathBuf,
    claim: Mutex<Claim>,
    /// Of writing the journal, and since when.
    journal_failures: Mutex<(Repeats, Instant)>,
    /// Pieces, for metrics.
    pub(crate) damaged: AtomicU64,
    pub(crate) healed: AtomicU64,
}

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
    pub(crate) plan: Option<ToCheck>,
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
            plan: None,
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

/// What [`Content::open`] found.
#[derive(Debug)]
pub struct Opened {
    /// The content, ready for all calls.
    pub content: Content,
    /// Pieces that are trusted already; they may be served before [`Content::check`] is through.
    pub have: Bitfield,
    /// Pieces that [`Content::check`] will read and hash. Call it even so if this is 0: it returns at once.
    pub to_check: u32,
}

/// Answer to [`Content::store`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// The hash is right and the piece is written.
    Ok,
    /// The hash is wrong; nothing was written.
    HashWrong,
}

/// Which record a sync writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Note {
    /// One only if a piece was stored since the last.
    IfStored,
    /// One in any case.
    Always,
    /// One with the files' times: nobody writes any more.
    CleanStop,
}

impl Content {
    /// Opens a content whose files belong into the folder `target`, which is made if need be, as is
    /// `state_dir`, where resume data is kept. `files` is shared with all other contents.
    ///
    /// # Errors
    /// [`StorageError::Unsafe`] if a symbolic link or something of the wrong kind stands where the content
    /// belongs; [`StorageError::OtherVolume`] if it was put there before, is not there and the volume is
    /// another one; else what the disk says. Damaged resume data is no error: more is checked then.
    pub fn open(
        meta: Arc<Metainfo>,
        target: &Path,
        state_dir: &Path,
        files: &Arc<OpenFiles>,
    ) -> Result<Opened, StorageError> {
        Self::open_on(meta, target, state_dir, files, false)
    }

    /// [`open`](Self::open) on whatever volume is there: the operator says that it is the right one.
    ///
    /// # Errors
    /// As there, but for the volume.
    pub fn open_anew(
        meta: Arc<Metainfo>,
        target: &Path,
        state_dir: &Path,
        files: &Arc<OpenFiles>,
    ) -> Result<Opened, StorageError> {
        Self::open_on(meta, target, state_dir, files, true)
    }

    fn open_on(
        meta: Arc<Metainfo>,
        target: &Path,
        state_dir: &Path,
        files: &Arc<OpenFiles>,
        any_volume: bool,
    ) -> Result<Opened, StorageError> {
        std::fs::create_dir_all(state_dir).map_err(StorageError::io("make the folder", state_dir))?;
        let mut resume = Resume::new(state_dir, meta.info_hash, meta.piece_count(), meta.files.len());
        let ledger = Ledger::open(state_dir, meta.info_hash);
        let (record, before) = resume.load_with_place().unzip();
        let before = before.flatten();
        if record.is_none() && ledger.is_new() && !resume.journal_path().exists() {
            ledger.begin();
        }
        let had_some = record.as_ref().is_some_and(|record| record.at_target() || record.have.count() > 0);
        if had_some && !any_volume {
            // before the folder is made: its volume may not be mounted
            let staging = target.join(STAGING_FOLDER).join(meta.info_hash.to_string());
            let is_there = || [target.join(&meta.name), staging].iter().any(|path| path.exists());
            require_volume(before.as_ref(), &Place::of(target), &meta.name, is_there)?;
        }
        let disk = Disk::open(Arc::clone(&meta), target, files)?;
        let place = Place::of(target);
        let is_new_place = before.as_ref() != Some(&place);
        resume.set_place(place);
        if let Some(record) = record.as_ref().filter(|_| is_new_place)
            && let Err(error) = resume.save(record)
        {
            tracing::warn!(%error, "cannot write down on which volume the content is");
        }
        let claim = Claim::load_for(state_dir, meta.info_hash, target, &meta.name);
        let is_claimed = claim.is_some();
        let claim = claim.unwrap_or_else(|| Claim::new(target, &meta.name));
        let content = Self {
            state: Mutex::new(State::unknown(meta.piece_count())),
            disk,
            resume,
            ledger,
            moving: RwLock::new(()),
            upkeep: Mutex::new(()),
            state_dir: state_dir.to_owned(),
            journal_failures: Mutex::new((Repeats::default(), Instant::now())),
            claim: Mutex::new(claim),
            damaged: AtomicU64::new(0),
            healed: AtomicU64::new(0),
        };
        if !is_claimed {
            // the folder may have been made just now
            let place = Claim::new(target, &content.layout().meta().name).target;
            if let Err(error) = content.change_claim(|claim| claim.target = place) {
                tracing::warn!(%error, "if this content is removed before it is whole, what was fetched has to be removed by hand");
            }
        }
        content.settle_exchange()?;
        let (published, to_check) = content.survey()?;
        let swept = || {
            content.sweep()?;
            match content.claim().files.is_empty() {
                true => content.claim_files(), // of an agent that did not write them down yet
                false => Ok(()),
            }
        };
        if published && let Err(error) = swept() {
            tracing::warn!(%error, "files of the user are still where an earlier exchange left them");
        }
        let have = content.have();
        let to_check = if published {
            0
        } else {
            u32::try_from(to_check).unwrap_or(u32::MAX)
        };
        Ok(Opened {
            content,
            have,
            to_check,
        })
    }

    /// Finds out what is there and what must be checked: whether it is published, and how many pieces to
    /// check.
    fn survey(&self) -> Result<(bool, usize), StorageError> {
        let (disk, resume) = (&self.disk, &self.resume);
        let ours = OnceCell::new();
        let is_ours = |path: &str, stat| {
            let ours = ours.get_or_init(|| Ours::at(&self.state_dir, &self.claim()));
            ours.has(path, Stamp::from(stat))
        };
        let staging = disk.survey(Side::Staging)?;
        let at_target = disk.survey_with(Side::Target, &is_ours)?;
        let record = resume.load();
        // with nothing left there, it is fetched as for the first time
        let was_there = record.as_ref().is_some_and(Record::at_target);
        let in_place = was_there && at_target.iter().any(Option::is_some);
        let mut plan = Plan::new(
            &disk.layout,
            record.as_ref(),
            &resume.load_journal(),
            &staging,
            &at_target,
        );
        if !spot_check(disk, &plan) {
            tracing::warn!(
                path = %disk.absolute(&disk.top(Side::Target)).display(),
                "a piece differs although its file looks unchanged; everything is checked"
            );
            plan = Plan::distrust(&disk.layout, &staging, &at_target);
            // before anything else: this must not be forgotten
            resume.distrust(in_place)?;
        }
        if in_place {
            plan.check_staging.clear();
        }
        let published = plan.at_target.is_full() && disk.is_exact(&at_target);
        let mut to_check = 0;
        if !published {
            // what is trusted at the target is to be copied into staging
            let copies = if in_place {
                0
            } else {
                plan.at_target.count() as usize
            };
            to_check = plan.check_staging.len() + plan.check_target.len() + copies;
        }
        *self.state() = State {
            staged: plan.staged,
            at_target: plan.at_target,
            published,
            repairing: false,
            stamps: at_target.into_iter().map(|stat| stat.map(Stamp::from)).collect(),
            plan: (!published && (to_check > 0 || in_place)).then_some(ToCheck {
                staging: plan.check_staging,
                target: plan.check_target,
                in_place,
            }),
            unsynced: Vec::new(),
            doubtful: Vec::new(),
            dirty: BTreeSet::new(),
            journal: None,
        };
        Ok((published, to_check))
    }

    /// Hashes a piece given as its blocks in order and, if it is right, writes and journals it. A piece that
    /// is here already is not written again. The blocks are not copied.
    ///
    /// # Errors
    /// [`StorageError::Full`] and others of the disk; the piece is missing then.
    pub fn store(&self, piece: u32, blocks: &[Bytes]) -> Result<Stored, StorageError> {
        let len: u64 = blocks.iter().map(|block| block.len() as u64).sum();
        let size = self.layout().lengths().piece_size(piece);
        if size == 0 || len != u64::from(size) {
            return Err(StorageError::OutOfRange { piece, begin: 0, len });
        }
        let mut hash = Sha1::new();
        blocks.iter().for_each(|block| hash.update(block));
        if self.layout().meta().pieces.hash(piece) != Some(&hash.finalize().into()) {
            return Ok(Stored::HashWrong);
        }
        self.keep(piece, blocks)?;
        Ok(Stored::Ok)
    }

    /// Writes and journals a piece that was verified.
    pub(crate) fn keep(&self, piece: u32, blocks: &[impl AsRef<[u8]>]) -> Result<(), StorageError> {
        let _stay = self.stay();
        let side = {
            let mut state = self.state();
            if state.published || state.work().has(piece) {
                return Ok(());
            }
            state.side()
        };
        self.disk.write(side, piece, blocks)?;
        let mut state = self.state();
        if state.side() != side {
            return Ok(()); // a check came between; the piece is fetched again
        }
        state.work().set(piece);
        state.unsynced.push(piece);
        let spans = self.layout().piece_spans(piece).filter(|span| !span.padding);
        state.dirty.extend(spans.map(|span| span.file));
        if side == Side::Target {
            self.healed.fetch_add(1, Ordering::Relaxed);
            return Ok(()); // a file that was written to differs from its stamp, and is read again
        }
        if let Err(error) = self.journal(&mut state, piece) {
            // only a hint that spares a download after a crash
            let mut failures = self.journal_failures.lock().unwrap_or_else(PoisonError::into_inner);
            let now = failures.1.elapsed();
            if let Some(times) = failures.0.failed(&error.to_string(), now) {
                let path = self.resume.journal_path();
                tracing::warn!(path = %path.display(), %error, times, "the journal cannot be written");
            }
        }
        Ok(())
    }

    fn journal(&self, state: &mut State, piece: u32) -> std::io::Result<()> {
        let journal = match state.journal.take() {
            Some(journal) => journal,
            None => self.resume.open_journal()?,
        };
        self.resume.append(&journal, piece)?; // after an error it is opened, and its torn end cut, anew
        state.journal = Some(journal);
        Ok(())
    }

    /// Appends `len` bytes of a verified piece to `out`.
    ///
    /// # Errors
    /// [`StorageError::Missing`], [`StorageError::OutOfRange`], or the disk's; `out` is as before then.
    pub fn read(&self, piece: u32, begin: u32, len: u32, out: &mut BytesMut) -> Result<(), StorageError> {
        let size = self.layout().lengths().piece_size(piece);
        if size == 0 || len > size.saturating_sub(begin) {
            return Err(StorageError::OutOfRange {
                piece,
                begin,
                len: len.into(),
            });
        }
        let _stay = self.stay();
        let side = self.side(piece).ok_or(StorageError::Missing(piece))?;
        let old = out.len();
        out.resize(old + len as usize, 0);
        let result = self.disk.read(side, (piece, begin), &mut out[old..]);
        if result.is_err() {
            out.truncate(old);
        }
        result
    }

    pub(crate) fn side(&self, piece: u32) -> Option<Side> {
        let state = self.state();
        if state.staged.has(piece) {
            Some(Side::Staging)
        } else {
            state.at_target.has(piece).then_some(Side::Target)
        }
    }

    /// What was fetched across the WAN.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes all stored pieces durable and says so in the resume data. Call it every 30 s or 64 MiB or so; it
    /// costs nothing when nothing was stored.
    ///
    /// # Errors
    /// The disk's. What could not be made durable is written again by the next call.
    pub fn sync(&self) -> Result<(), StorageError> {
        let _upkeep = self.upkeep();
        self.sync_with(Note::IfStored)
    }

    /// [`sync`](Self::sync), and notes that the stop was clean, so that the next start trusts what has not
    /// been modified since. The last call before it is dropped.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&self) -> Result<(), StorageError> {
        let _upkeep = self.upkeep();
        self.sync_with(Note::CleanStop)
    }

    /// The caller holds `upkeep`.
    pub(crate) fn sync_with(&self, note: Note) -> Result<(), StorageError> {
        let _stay = self.stay();
        self.rewrite_doubtful()?;
        let (batch, dirty, have, side) = {
            let mut state = self.state();
            if state.published || (state.unsynced.is_empty() && note == Note::IfStored) {
                return Ok(());
            }
            (
                std::mem::take(&mut state.unsynced),
                std::mem::take(&mut state.dirty),
                state.work().clone(),
                state.side(),
            )
        };
        if let Err(error) = self.disk.sync_files(side, &dirty) {
            let mut state = self.state();
            state.doubtful.extend(batch);
            state.dirty.extend(dirty);
            return Err(error);
        }
        if self.state().plan.is_some() {
            // a record would say that the rest is missing, unchecked; the journal tells of the batch
            return Ok(());
        }
        let stamps = match note {
            _ if side == Side::Target => {
                let stamps = self.stamp_again(&dirty)?;
                self.note_mended(&dirty)?;
                Some(stamps)
            }
            Note::CleanStop => Some(self.stamps(Side::Staging)?),
            Note::IfStored | Note::Always => None,
        };
        let saved = self.save(&Record {
            phase: match side {
                Side::Staging => Phase::Fetching,
                Side::Target => Phase::Repairing,
            },
            have,
            stamps,
        });
        let mut state = self.state();
        match saved {
            Err(error) => {
                state.unsynced.extend(batch);
                Err(error)
            }
            Ok(()) => {
                // with pieces stored meanwhile it stays; those that the record has are skipped at a start
                if state.unsynced.is_empty() {
                    state.journal = None;
                    let path = self.resume.journal_path();
                    self.resume.remove_journal().map_err(StorageError::io("remove", &path))?;
                }
                Ok(())
            }
        }
    }

    /// After a failed sync the system may have dropped what it could not write, and call the next sync a
    /// success.
    fn rewrite_doubtful(&self) -> Result<(), StorageError> {
        let doubtful = std::mem::take(&mut self.state().doubtful);
        let (mut buf, mut lost) = (Vec::new(), Vec::new());
        for (index, piece) in doubtful.iter().copied().enumerate() {
            let side = self.state().side();
            if !self.disk.is_right(side, piece, &mut buf) {
                lost.push(piece);
                self.state().work().unset(piece);
            } else if let Err(error) = self.disk.write(side, piece, &[&buf]) {
                self.state().doubtful.extend(&doubtful[index..]);
                return Err(error);
            } else {
                self.state().unsynced.push(piece);
            }
        }
        if let Some(first) = lost.first() {
            tracing::warn!(
                first,
                pieces = lost.len(),
                "pieces were lost by the disk; they are fetched again"
            );
        }
        Ok(())
    }

    pub(crate) fn save(&self, record: &Record) -> Result<(), StorageError> {
        self.resume.save(record).map_err(StorageError::io("write", &self.resume.record_path()))
    }

    pub(crate) fn stamps(
        &self,
        side: Side,
    ) -> Result<Vec<Option<crate::records::resume::Stamp>>, StorageError> {
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
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While the guard lives, files stay where they are. Not to be taken twice by a thread.
    pub(crate) fn stay(&self) -> RwLockReadGuard<'_, ()> {
        self.moving.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn moving(&self) -> std::sync::RwLockWriteGuard<'_, ()> {
        self.moving.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn union(a: &Bitfield, b: &Bitfield) -> Bitfield {
    let mut both = a.clone();
    b.iter_ones().for_each(|piece| {
        both.set(piece);
    });
    both
}

/// Hashes one random piece per GiB of what would be trusted (at least one, at most 64): times and sizes can
/// lie.
fn spot_check(disk: &Disk, plan: &Plan) -> bool {
    let random = RandomState::new();
    let mut buf = Vec::new();
    [(Side::Staging, &plan.staged), (Side::Target, &plan.at_target)].into_iter().all(|(side, trusted)| {
        let pieces: Vec<u32> = trusted.iter_ones().collect();
        let bytes = pieces.len() as u64 * u64::from(disk.layout.lengths().piece_length());
        let samples = bytes.div_ceil(1 << 30).min(64);
        (0..samples).all(|sample| {
            let index = random.hash_one((side, sample)) % pieces.len() as u64;
            disk.is_right(side, pieces[usize::try_from(index).unwrap_or(0)], &mut buf)
        })
    })
}
