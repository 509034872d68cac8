//! Opening a content: what is there, what may be trusted, and what is to be checked.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use narrows_host::Repeats;
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::STAGING_FOLDER;
use narrows_wire::Bitfield;

use super::{State, ToCheck};
use crate::disk::Disk;
use crate::disk::open_files::OpenFiles;
use crate::layout::Side;
use crate::platform::Folder;
use crate::put_back::put_back_of;
use crate::records::claim::{Claim, Ours};
use crate::records::place::{Place, require_volume};
use crate::records::resume::{Record, Resume, Stamp};
use crate::records::trust::Trust;
use crate::records::wan_history::WanHistory;
use crate::{Content, StorageError};

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

impl Content {
    /// Opens a content whose files belong into the folder `target`, which is made if need be, as is
    /// `state_dir`, where resume data is kept. `files` is shared with all other contents; what is still under
    /// way in this one's place, by another one that was opened with them, is waited for.
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
        let turns = files.turns(meta.info_hash);
        let _upkeep = turns.settled();
        std::fs::create_dir_all(state_dir).map_err(StorageError::io("make the folder", state_dir))?;
        if let Some(claim) = Claim::load_of(state_dir, meta.info_hash) {
            put_back_of(state_dir, meta.info_hash, claim)?;
        }
        let mut resume = Resume::new(state_dir, meta.info_hash, meta.piece_count(), meta.files.len());
        let wan_history = WanHistory::open(state_dir, meta.info_hash);
        let (record, before) = resume.load_with_place().unzip();
        let before = before.flatten();
        if record.is_none() && wan_history.is_new() && !resume.journal_path().exists() {
            wan_history.begin();
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
            wan_history,
            turns: Arc::clone(&turns),
            state_dir: state_dir.to_owned(),
            journal_failures: Mutex::new((Repeats::default(), Instant::now())),
            claim: Mutex::new(claim),
            swap: Folder::exchange,
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
        let mut trust = Trust::new(
            &disk.layout,
            record.as_ref(),
            &resume.load_journal(),
            &staging,
            &at_target,
        );
        if !spot_check(disk, &trust)? {
            tracing::warn!(
                path = %disk.absolute(&disk.top(Side::Target)).display(),
                "a piece differs although its file looks unchanged; everything is checked"
            );
            trust = Trust::distrust(&disk.layout, &staging, &at_target);
            // before anything else: this must not be forgotten
            resume.distrust(in_place)?;
        }
        if in_place {
            trust.check_staging.clear();
        }
        let published = trust.at_target.is_full() && disk.is_exact(&at_target);
        let mut count = 0;
        if !published {
            // what is trusted at the target is to be copied into staging
            let copies = if in_place {
                0
            } else {
                trust.at_target.count() as usize
            };
            count = trust.check_staging.len() + trust.check_target.len() + copies;
        }
        *self.state() = State {
            staged: trust.staged,
            at_target: trust.at_target,
            published,
            repairing: false,
            stamps: at_target.into_iter().map(|stat| stat.map(Stamp::from)).collect(),
            to_check: (!published && (count > 0 || in_place)).then_some(ToCheck {
                staging: trust.check_staging,
                target: trust.check_target,
                in_place,
            }),
            unsynced: Vec::new(),
            doubtful: Vec::new(),
            dirty: BTreeSet::new(),
            journal: None,
        };
        Ok((published, count))
    }
}

/// Hashes one random piece per GiB of what would be trusted (at least one, at most 64): times and sizes can
/// lie.
fn spot_check(disk: &Disk, trust: &Trust) -> Result<bool, StorageError> {
    let random = RandomState::new();
    let mut buf = Vec::new();
    for (side, trusted) in [(Side::Staging, &trust.staged), (Side::Target, &trust.at_target)] {
        let pieces: Vec<u32> = trusted.iter_ones().collect();
        let bytes = pieces.len() as u64 * u64::from(disk.layout.lengths().piece_length());
        for sample in 0..bytes.div_ceil(1 << 30).min(64) {
            let index = random.hash_one((side, sample)) % pieces.len() as u64;
            if !disk.is_right(side, pieces[usize::try_from(index).unwrap_or(0)], &mut buf)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;
    use crate::{CreateOptions, clean_leftovers, create};

    #[test]
    fn what_is_under_way_in_a_contents_place_ends_before_it_is_opened_anew_or_cleaned_up() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("office");
        std::fs::write(&source, [7; 100_000]).unwrap();
        let made = create(&source, CreateOptions::default(), &|_, _| {}).unwrap();
        let meta = Arc::new(Metainfo::parse(&made.torrent).unwrap());
        let (target, state) = (dir.path().join("target"), dir.path().join("state"));
        let files = OpenFiles::new(8);
        let open = || Content::open(Arc::clone(&meta), &target, &state, &files).unwrap().content;
        let staging = target.join(STAGING_FOLDER).join(meta.info_hash.to_string());
        let content = open();
        std::fs::create_dir_all(&staging).unwrap();
        for writes in [false, true] {
            let under_way = match writes {
                true => (None, Some(content.stay())),
                false => (Some(content.upkeep()), None),
            };
            assert!(clean_leftovers(&state, &[], &files).is_empty() && staging.exists());
            std::thread::scope(|scope| {
                let (opened, anew) = channel();
                scope.spawn(move || opened.send(open()).unwrap());
                let early = anew.recv_timeout(Duration::from_millis(200));
                assert_eq!(early.err(), Some(RecvTimeoutError::Timeout));
                drop(under_way);
                anew.recv_timeout(Duration::from_secs(60)).unwrap();
            });
        }
        drop(content);
        assert_eq!(clean_leftovers(&state, &[], &files), [staging]);
    }
}
