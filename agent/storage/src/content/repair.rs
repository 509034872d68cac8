//! What was published and is not whole any more is mended where it stands: what is known to be wrong is
//! written down first, nothing that is wrong is read for a peer, and only that is fetched again.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use narrows_protocol::metainfo::File;
use narrows_wire::Bitfield;

use crate::content::{State, ToCheck};
use crate::layout::Side;
use crate::records::resume::{Phase, Record, Stamp};
use crate::{Content, StorageError};

impl State {
    /// The pieces that are right on a side.
    pub(crate) fn at(&mut self, side: Side) -> &mut Bitfield {
        match side {
            Side::Staging => &mut self.staged,
            Side::Target => &mut self.at_target,
        }
    }
}

impl Content {
    /// These pieces, and these files (indices into the metainfo), are not to be trusted: no peer can read
    /// them from now on, on this start or a later one, until [`check`](Self::check) has hashed them.
    ///
    /// # Errors
    /// The disk's, if it can be noted in no way. The pieces are not readable even so; `check` may follow.
    pub fn doubt(&self, pieces: &[u32], files: &[usize]) -> Result<(), StorageError> {
        let _upkeep = self.upkeep();
        let side = self.where_it_is();
        let mut pieces: BTreeSet<u32> = pieces.iter().copied().collect();
        let touched: BTreeSet<usize> = pieces
            .iter()
            .flat_map(|piece| self.layout().piece_spans(*piece))
            .filter(|span| !span.padding)
            .map(|span| span.file)
            .collect();
        // of a file that has changed, no piece is trusted; a stat that fails is a change
        let mut changed: BTreeSet<usize> = files.iter().copied().collect();
        if side == Side::Target {
            changed.extend(touched.iter().filter(|file| !self.is_as_known(**file)));
        }
        pieces.extend(changed.iter().flat_map(|file| self.layout().pieces_of(*file)));
        let pieces: Vec<u32> = pieces.into_iter().collect();
        let record = {
            let mut state = self.state();
            pieces.iter().for_each(|piece| {
                state.at(side).unset(*piece);
            });
            state.published = false;
            // in the record: also a file that only rots is read again at a start
            let mut stamps = state.stamps.clone();
            for file in touched.union(&changed) {
                if let Some(stamp) = stamps.get_mut(*file) {
                    *stamp = None;
                }
            }
            let mut to_check = state.to_check.take().unwrap_or_default();
            match side {
                Side::Staging => to_check.staging.extend(&pieces),
                Side::Target => (to_check.target.extend(&pieces), to_check.in_place = true).1,
            }
            state.to_check = Some(to_check);
            Record {
                phase: Phase::Repairing,
                have: state.at_target.clone(),
                stamps: Some(stamps),
            }
        };
        match side {
            Side::Staging => self.resume.distrust(false)?,
            Side::Target => {
                if self.save(&record).is_err() {
                    self.resume.distrust(true)?;
                }
                // before they are read: a change after this is seen by the next look
                self.stamp_again(&changed)?;
            }
        }
        self.disk.close_files(); // a file that was deleted or replaced is not held open
        Ok(())
    }

    fn is_as_known(&self, file: usize) -> bool {
        let known = self.state().stamps.get(file).copied().flatten();
        let stat = self.disk.stat(&self.disk.relative(Side::Target, file));
        known.is_some() && stat.is_ok_and(|stat| stat.map(Stamp::from) == known)
    }

    /// Where the content's pieces are written, or would be if one of them were wrong.
    pub(crate) fn where_it_is(&self) -> Side {
        let state = self.state();
        match state.published || state.repairing {
            true => Side::Target,
            false => Side::Staging,
        }
    }

    /// A verify has found these wrong; [`check`](Self::check) goes on from here. The caller holds `upkeep`.
    pub(crate) fn found_wrong(&self, side: Side, wrong: &[u32], before: Option<Vec<Option<Stamp>>>) {
        let mut state = self.state();
        wrong.iter().for_each(|piece| {
            state.at(side).unset(*piece);
        });
        if let Some(before) = before {
            state.stamps = before;
        }
        state.published = false;
        state.to_check = Some(ToCheck {
            in_place: side == Side::Target,
            ..ToCheck::default()
        });
    }

    /// What is missing is written in place from now on. The caller holds `upkeep`.
    pub(crate) fn begin_repair(&self) -> Result<(), StorageError> {
        let mut touched: BTreeSet<usize> = {
            let state = self.state();
            let wrong = (0..state.at_target.len()).filter(|piece| !state.at_target.has(*piece));
            let spans = wrong.flat_map(|piece| self.layout().piece_spans(piece));
            spans.filter(|span| !span.padding).map(|span| span.file).collect()
        };
        for file in self.layout().stored() {
            // it will be cut, or was filled by another program
            let stat = self.disk.stat(&self.disk.relative(Side::Target, file))?;
            if stat.is_some_and(|stat| stat.size != self.layout().files()[file].length) {
                touched.insert(file);
            }
        }
        self.save_changed(&touched)?;
        let (record, was_repairing) = {
            let mut state = self.state();
            let was_repairing = std::mem::replace(&mut state.repairing, true);
            state.staged = Bitfield::new(state.staged.len());
            let record = Record {
                phase: Phase::Repairing,
                have: state.at_target.clone(),
                stamps: Some(state.stamps.clone()),
            };
            (record, was_repairing)
        };
        let missing = record.have.len() - record.have.count();
        if !was_repairing {
            self.damaged.fetch_add(u64::from(missing), Ordering::Relaxed);
            tracing::warn!(
                path = %self.disk.absolute(&self.disk.top(Side::Target)).display(),
                pieces = missing,
                "what was published is not whole any more; the missing pieces are fetched and written in place"
            );
        }
        self.save(&record)?;
        self.disk.remove(self.disk.base(Side::Staging))?;
        self.resume.remove_journal().map_err(StorageError::io("remove", &self.resume.journal_path()))?;
        self.state().to_check = None;
        Ok(())
    }

    /// The last missing piece is written and durable. The caller holds `upkeep`.
    pub(crate) fn repaired(&self) {
        {
            let mut state = self.state();
            state.published = true;
            state.repairing = false;
        }
        self.finish_published();
    }

    /// Takes the stamps of files at the target anew, because we wrote to them or are about to read them.
    pub(crate) fn stamp_again(&self, files: &BTreeSet<usize>) -> Result<Vec<Option<Stamp>>, StorageError> {
        let stats = files
            .iter()
            .filter(|file| self.layout().files().get(**file).is_some_and(File::is_stored))
            .map(|file| Ok((*file, self.disk.stat(&self.disk.relative(Side::Target, *file))?)))
            .collect::<Result<Vec<_>, StorageError>>()?;
        let mut state = self.state();
        for (file, stat) in stats {
            if let Some(stamp) = state.stamps.get_mut(file) {
                *stamp = stat.map(Stamp::from);
            }
        }
        Ok(state.stamps.clone())
    }

    /// Bytes that files at the target are too short by.
    pub(crate) fn lacking_at_target(&self) -> Result<u64, StorageError> {
        self.layout().stored().try_fold(0_u64, |sum, file| {
            let stat = self.disk.stat(&self.disk.relative(Side::Target, file))?;
            let length = self.layout().files()[file].length;
            Ok(sum.saturating_add(length.saturating_sub(stat.map_or(0, |stat| stat.size))))
        })
    }

    /// Pieces that were published and found wrong since [`open`](Self::open).
    #[must_use]
    pub fn pieces_damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Pieces that were written in place of wrong ones since [`open`](Self::open).
    #[must_use]
    pub fn pieces_healed(&self) -> u64 {
        self.healed.load(Ordering::Relaxed)
    }
}
