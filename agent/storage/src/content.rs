//! One torrent on one disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::{Bytes, BytesMut};
use narrows_protocol::metainfo::Metainfo;
use narrows_wire::Bitfield;

use crate::StorageError;

/// One torrent on one disk. All methods take `&self` and block; call them from blocking threads, several at once.
#[derive(Debug)]
pub struct Content {}

/// What [`Content::open`] found.
#[derive(Debug)]
pub struct Opened {
    /// The content, ready for all calls.
    pub content: Content,
    /// Pieces that are trusted already; they may be served before [`Content::check`] is through.
    pub have: Bitfield,
    /// Pieces that [`Content::check`] will read and hash; 0: nothing to do.
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

impl Content {
    /// Opens a content whose files belong into the folder `target`.
    ///
    /// # Errors
    /// Unsafe or unusable paths.
    pub fn open(meta: Arc<Metainfo>, target: &Path, state_dir: &Path) -> Result<Opened, StorageError> {
        let _ = (meta, state_dir);
        Err(StorageError::Unsafe { path: target.to_owned(), why: "not yet" })
    }

    /// Verifies what must be verified after [`open`](Self::open), tells `progress` the number of pieces checked so far, and
    /// returns all pieces that are there.
    ///
    /// # Errors
    /// [`StorageError::Stopped`], or the disk's.
    pub fn check(&self, progress: &dyn Fn(u32), stop: &AtomicBool) -> Result<Bitfield, StorageError> {
        let _ = (progress, stop);
        Err(StorageError::Stopped)
    }

    /// Reads and hashes everything again; `progress` as in [`check`](Self::check).
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn verify_all(&self, progress: &dyn Fn(u32), stop: &AtomicBool) -> Result<Bitfield, StorageError> {
        self.check(progress, stop)
    }

    /// Hashes a piece given as its blocks in order and, if it is right, writes and journals it.
    ///
    /// # Errors
    /// [`StorageError::Full`] and others of the disk; the piece is missing then.
    pub fn store(&self, piece: u32, blocks: &[Bytes]) -> Result<Stored, StorageError> {
        let _ = blocks;
        Err(StorageError::Missing(piece))
    }

    /// Appends `len` bytes of a verified piece to `out`.
    ///
    /// # Errors
    /// [`StorageError::Missing`], [`StorageError::OutOfRange`], or the disk's; `out` is as before then.
    pub fn read(&self, piece: u32, begin: u32, len: u32, out: &mut BytesMut) -> Result<(), StorageError> {
        let _ = (begin, len, out);
        Err(StorageError::Missing(piece))
    }

    /// Makes all stored pieces durable and says so in the resume data. Call it every 30 s or 64 MiB.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// [`sync`](Self::sync), and notes that the stop was clean: the next start checks modification times only.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&self) -> Result<(), StorageError> {
        self.sync()
    }

    /// Moves complete content from staging to its target; reads go on.
    ///
    /// # Errors
    /// [`StorageError::Incomplete`], or the disk's; it may be called again then.
    pub fn publish(&self) -> Result<(), StorageError> {
        Err(StorageError::Incomplete { missing: 1 })
    }

    /// Whether the content is whole and at its target.
    #[must_use]
    pub fn is_published(&self) -> bool {
        false
    }

    /// The pieces that are verified and there.
    #[must_use]
    pub fn have(&self) -> Bitfield {
        Bitfield::new(0)
    }

    /// Bytes of disk space that are still to be allocated.
    ///
    /// # Errors
    /// The disk's.
    pub fn needed_space(&self) -> Result<u64, StorageError> {
        Ok(0)
    }

    /// Allocates the space of all files, where the file system can do so cheaply. Call it before fetching, and
    /// again to learn whether a full disk has healed.
    ///
    /// # Errors
    /// [`StorageError::Full`] if there is not enough.
    pub fn reserve(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
