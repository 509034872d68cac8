//! Verification: reading what cannot be trusted, adopting what is at the target, saving right pieces of older
//! copies.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use narrows_wire::Bitfield;

use crate::content::sync::Note;
use crate::layout::Side;
use crate::records::claim::Origin;
use crate::{Content, StorageError};

impl Content {
    /// Verifies what must be verified after [`open`](Self::open), on all cores, and returns all pieces that
    /// are there. `progress` is told the number of pieces done so far, at most
    /// [`to_check`](crate::Opened::to_check), on the caller's thread.
    ///
    /// Whole content at the target is adopted there. What was published and is not right any more stays there
    /// and is mended in place. Of a copy that was never published, as one of an older version, the right
    /// pieces are copied into staging, so that only the rest is fetched; this takes space for a second copy.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] once `stop` is set, [`StorageError::Unsafe`] if it could not be moved to its
    /// target, [`StorageError::Full`] and others of the disk. It may be called again then and does what is
    /// left.
    pub fn check(&self, progress: &dyn Fn(u32), stop: &AtomicBool) -> Result<Bitfield, StorageError> {
        let _upkeep = self.upkeep();
        self.check_with(progress, stop)
    }

    /// Reads and hashes everything again. Reads go on meanwhile; what turns out wrong is missing afterwards,
    /// which is written down at once, so that no later start trusts it. `progress` counts to twice the number
    /// of pieces at most.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn verify_all(&self, progress: &dyn Fn(u32), stop: &AtomicBool) -> Result<Bitfield, StorageError> {
        let _upkeep = self.upkeep();
        if self.state().to_check.is_none() {
            self.disk.close_files(); // a file that was removed or replaced must not be read as if it were there
            let (side, pieces) = {
                let mut state = self.state();
                match state.published || state.repairing {
                    true => (Side::Target, state.at_target.iter_ones().collect::<Vec<_>>()),
                    false => (Side::Staging, state.work().iter_ones().collect()),
                }
            };
            let before = match side {
                Side::Target => Some(self.stamps(side)?),
                Side::Staging => None,
            };
            let mut wrong = Vec::new();
            let mut noted = Ok(());
            let mut done = 0;
            self.verify(side, &pieces, stop, &mut |piece, right| {
                done += 1;
                progress(done);
                if !right {
                    if wrong.is_empty() {
                        // whatever happens before the rest is known
                        noted = self.resume.distrust(side == Side::Target);
                    }
                    wrong.push(piece);
                    self.state().at(side).unset(piece);
                }
            })
            .inspect_err(|_| {
                if !wrong.is_empty() {
                    self.found_wrong(side, &wrong, None);
                }
            })?;
            let same = before.as_ref().is_none_or(|before| *before == self.state().stamps);
            if wrong.is_empty() && (side == Side::Staging || (same && self.is_exact()?)) {
                return Ok(self.have());
            }
            self.found_wrong(side, &wrong, before);
            noted?;
        }
        self.check_with(progress, stop)
    }

    fn check_with(&self, progress: &dyn Fn(u32), stop: &AtomicBool) -> Result<Bitfield, StorageError> {
        if self.state().to_check.is_none() {
            self.require_movable()?; // before anything is fetched in vain
            return Ok(self.have());
        }
        let mut done = 0;
        let mut advance = || {
            done += 1;
            progress(done);
        };
        for side in [Side::Target, Side::Staging] {
            let pieces = self.planned(side);
            self.verify(side, &pieces, stop, &mut |piece, right| {
                advance();
                let mut state = self.state();
                if right {
                    state.at(side).set(piece);
                }
            })?;
            self.verified(side);
            if side == Side::Target && self.adopt()? {
                return Ok(self.have());
            }
            if self.state().to_check.as_ref().is_some_and(|to_check| to_check.in_place) {
                self.begin_repair()?;
                return Ok(self.have());
            }
        }
        self.reuse(&mut advance, stop)?;
        self.conclude()?;
        self.require_movable()?;
        Ok(self.have())
    }

    fn planned(&self, side: Side) -> Vec<u32> {
        let state = self.state();
        let Some(to_check) = &state.to_check else {
            return Vec::new();
        };
        // what an interrupted check found right is not read again
        let (pieces, right) = match side {
            Side::Staging => (&to_check.staging, &state.staged),
            Side::Target => (&to_check.target, &state.at_target),
        };
        pieces.iter().copied().filter(|piece| !right.has(*piece)).collect()
    }

    fn verified(&self, side: Side) {
        if let Some(to_check) = &mut self.state().to_check {
            match side {
                Side::Staging => to_check.staging.clear(),
                Side::Target => to_check.target.clear(),
            }
        }
    }

    /// Takes the copy at the target for published if it is whole.
    fn adopt(&self) -> Result<bool, StorageError> {
        if !self.state().at_target.is_full() {
            return Ok(false);
        }
        self.heal_attributes()?;
        self.heal_links()?;
        if !self.is_exact()? {
            return Ok(false);
        }
        self.change_claim(|claim| {
            claim.origin.get_or_insert(Origin::Found);
        })?;
        {
            let mut state = self.state();
            state.published = true;
            state.repairing = false;
            state.to_check = None;
            state.staged = Bitfield::new(state.staged.len());
        }
        self.finish_published();
        Ok(true)
    }

    fn is_exact(&self) -> Result<bool, StorageError> {
        Ok(self.disk.is_exact(&self.disk.survey(Side::Target)?))
    }

    /// Copies right pieces of an incomplete copy at the target into staging; it stays as it is until it is
    /// replaced.
    fn reuse(&self, advance: &mut dyn FnMut(), stop: &AtomicBool) -> Result<(), StorageError> {
        let pieces: Vec<u32> = {
            let state = self.state();
            state.at_target.iter_ones().filter(|piece| !state.staged.has(*piece)).collect()
        };
        let mut buf = Vec::new();
        for piece in pieces {
            if stop.load(Ordering::Relaxed) {
                return Err(StorageError::Stopped);
            }
            if self.disk.is_right(Side::Target, piece, &mut buf)? {
                self.keep(piece, &[&buf])?;
            }
            advance();
        }
        Ok(())
    }

    /// From here on everything known is in staging and the record tells of it.
    fn conclude(&self) -> Result<(), StorageError> {
        {
            let mut state = self.state();
            state.at_target = Bitfield::new(state.at_target.len());
            state.to_check = None;
        }
        self.sync_with(Note::Always)
    }

    /// Hashes these pieces on all cores, one buffer each; `each` is called on this thread.
    fn verify(
        &self,
        side: Side,
        pieces: &[u32],
        stop: &AtomicBool,
        each: &mut dyn FnMut(u32, bool),
    ) -> Result<(), StorageError> {
        let next = AtomicUsize::new(0);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(pieces.len());
        thread::scope(|scope| {
            let (sender, results) = mpsc::sync_channel(threads); // so that a stop is heeded at once
            for _ in 0..threads {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    let mut buf = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)).copied() else {
                            break;
                        };
                        let right = {
                            let _stay = self.stay();
                            self.disk.is_right(side, piece, &mut buf)
                        };
                        if sender.send((piece, right)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut seen = 0;
            for (piece, right) in results {
                seen += 1;
                each(piece, right?);
            }
            if seen < pieces.len() {
                Err(StorageError::Stopped)
            } else {
                Ok(())
            }
        })
    }
}
