//! Pieces of a content: storing them, reading them, and where each lies.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};

use super::State;
use crate::layout::Side;
use crate::{Content, StorageError};

/// Answer to [`Content::store`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// The hash is right and the piece is written.
    Ok,
    /// The hash is wrong; nothing was written.
    HashWrong,
}

impl Content {
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
}
