//! Making stored pieces durable, and saying so in the resume data.

use crate::layout::Side;
use crate::records::resume::{Phase, Record};
use crate::{Content, StorageError};

/// Which record a sync writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Note {
    /// One only if a piece was stored since the last.
    IfStored,
    /// One in any case.
    Always,
    /// One with the files' times: nothing is written any more.
    CleanStop,
}

impl Content {
    /// Makes all stored pieces durable and says so in the resume data. Call it often; it costs nothing
    /// when nothing was stored.
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
        if self.state().to_check.is_some() {
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
            let rewritten = match self.disk.is_right(side, piece, &mut buf) {
                Ok(true) => self.disk.write(side, piece, &[&buf]).map(|()| true),
                other => other,
            };
            match rewritten {
                Ok(true) => self.state().unsynced.push(piece),
                Ok(false) => {
                    lost.push(piece);
                    self.state().work().unset(piece);
                }
                Err(error) => {
                    self.state().doubtful.extend(&doubtful[index..]);
                    return Err(error);
                }
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
}
