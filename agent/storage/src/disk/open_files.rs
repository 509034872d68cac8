//! Open files: one budget for all contents of a process, since what a process may open is one number too.
//! And whose turn it is at a content, of those in the process that have it open.

use std::collections::HashMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lru::LruCache;
use narrows_protocol::InfoHash;

use super::turns::Turns;
use crate::layout::Side;

/// The most recently used files of all contents, up to a limit. The lock is held for the look-up alone,
/// never during I/O. A file that is forgotten closes when its last reader is through.
#[derive(Debug)]
pub struct OpenFiles {
    files: Mutex<Cache>,
    /// Names contents.
    next: AtomicU64,
    /// Of what is open or worked on.
    turns: Mutex<HashMap<InfoHash, Weak<Turns>>>,
}

#[derive(Debug)]
struct Cache {
    files: LruCache<Key, OpenFile>,
    /// How often [`OpenFiles::close_unused`] was called.
    round: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    content: u64,
    side: Side,
    file: usize,
}

#[derive(Debug)]
struct OpenFile {
    file: Arc<File>,
    writable: bool,
    /// The round in which it was used last.
    round: u64,
}

impl OpenFiles {
    /// Room for `most` files; for one at least.
    pub fn new(most: usize) -> Arc<Self> {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Arc::new(Self {
            files: Mutex::new(Cache {
                files: LruCache::new(most),
                round: 0,
            }),
            next: AtomicU64::new(0),
            turns: Mutex::default(),
        })
    }

    /// Waits until nothing is under way in the place of this content: no open, check, sync, publish or write.
    /// Blocking.
    pub fn settle(&self, info_hash: InfoHash) {
        drop(self.turns(info_hash).settled());
    }

    pub(crate) fn turns(&self, info_hash: InfoHash) -> Arc<Turns> {
        let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = all.get(&info_hash).and_then(Weak::upgrade) {
            return turns;
        }
        all.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::default();
        all.insert(info_hash, Arc::downgrade(&turns));
        turns
    }

    /// How many are open now.
    pub fn count(&self) -> usize {
        self.lock().files.len()
    }

    /// Closes what was not used since the last call.
    pub fn close_unused(&self) {
        let mut closed = Vec::new(); // outside the lock: closing may take a while
        let mut cache = self.lock();
        let round = cache.round;
        while let Some((_, oldest)) = cache.files.peek_lru()
            && oldest.round < round
        {
            closed.extend(cache.files.pop_lru());
        }
        cache.round += 1;
        drop(cache);
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One content's part of [`OpenFiles`]; closes its files when it is dropped.
#[derive(Debug)]
pub(crate) struct Handles {
    all: Arc<OpenFiles>,
    content: u64,
}

impl Handles {
    pub(crate) fn new(all: &Arc<OpenFiles>) -> Self {
        Self {
            all: Arc::clone(all),
            content: all.next.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The file, from the cache or through `open`.
    pub(crate) fn get<E>(
        &self,
        (side, file): (Side, usize),
        writable: bool,
        open: impl FnOnce() -> Result<File, E>,
    ) -> Result<Arc<File>, E> {
        let key = Key {
            content: self.content,
            side,
            file,
        };
        if let Some(file) = self.all.lock().find(&key, writable) {
            return Ok(file);
        }
        let file = Arc::new(open()?); // two threads may do so at once; either handle will do
        let closed = self.all.lock().keep(key, writable, Arc::clone(&file));
        drop(closed); // here, where the lock is free again
        Ok(file)
    }

    /// Closes all files of all contents.
    pub(crate) fn clear_all(&self) {
        let mut cache = self.all.lock();
        let closed: Vec<_> = std::iter::from_fn(|| cache.files.pop_lru()).collect();
        drop(cache);
        drop(closed);
    }

    /// Closes all files of this content.
    pub(crate) fn clear(&self) {
        let mut cache = self.all.lock();
        let ours: Vec<Key> =
            cache.files.iter().map(|(key, _)| *key).filter(|key| key.content == self.content).collect();
        let closed: Vec<_> = ours.iter().filter_map(|key| cache.files.pop(key)).collect();
        drop(cache);
        drop(closed);
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Cache {
    fn find(&mut self, key: &Key, writable: bool) -> Option<Arc<File>> {
        let round = self.round;
        let open = self.files.get_mut(key).filter(|open| open.writable || !writable)?;
        open.round = round;
        Some(Arc::clone(&open.file))
    }

    /// Takes it in; what had to make room.
    fn keep(&mut self, key: Key, writable: bool, file: Arc<File>) -> Option<OpenFile> {
        let round = self.round;
        let open = OpenFile {
            file,
            writable,
            round,
        };
        self.files.push(key, open).map(|(_, closed)| closed)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn file() -> Result<File, Infallible> {
        Ok(tempfile::tempfile().unwrap())
    }

    fn never() -> Result<File, Infallible> {
        panic!("it is open already")
    }

    #[test]
    fn all_contents_together_keep_no_more_files_open_than_the_budget() {
        let all = OpenFiles::new(3);
        let (one, other) = (Handles::new(&all), Handles::new(&all));
        for number in 0..10 {
            one.get((Side::Target, number), false, file).unwrap();
            other.get((Side::Target, number), false, file).unwrap();
            assert!(all.count() <= 3);
        }
        one.get((Side::Target, 9), false, never).unwrap(); // what was used last is open still
        other.get((Side::Target, 9), false, never).unwrap();
    }

    #[test]
    fn a_content_never_gets_the_file_of_another_one_nor_a_reader_for_a_writer() {
        let all = OpenFiles::new(8);
        let (one, other) = (Handles::new(&all), Handles::new(&all));
        let read = one.get((Side::Target, 0), false, file).unwrap();
        for not_it in [
            other.get((Side::Target, 0), false, file).unwrap(),
            one.get((Side::Staging, 0), false, file).unwrap(),
            one.get((Side::Target, 0), true, file).unwrap(),
        ] {
            assert!(!Arc::ptr_eq(&read, &not_it));
        }
        one.get((Side::Target, 0), false, never).unwrap(); // the writer reads as well
    }

    #[test]
    fn a_file_unused_for_a_round_is_closed_and_a_used_one_stays() {
        let all = OpenFiles::new(8);
        let content = Handles::new(&all);
        content.get((Side::Target, 0), false, file).unwrap();
        content.get((Side::Target, 1), false, file).unwrap();
        all.close_unused();
        assert_eq!(all.count(), 2, "both were used in this round");
        content.get((Side::Target, 0), false, never).unwrap();
        all.close_unused();
        assert_eq!(all.count(), 1);
        content.get((Side::Target, 0), false, never).unwrap();
        all.close_unused();
        all.close_unused();
        assert_eq!(all.count(), 0);
    }

    #[test]
    fn a_content_that_goes_closes_its_own_files_alone() {
        let all = OpenFiles::new(8);
        let (one, other) = (Handles::new(&all), Handles::new(&all));
        one.get((Side::Target, 0), false, file).unwrap();
        other.get((Side::Target, 0), false, file).unwrap();
        drop(one);
        assert_eq!(all.count(), 1);
        other.get((Side::Target, 0), false, never).unwrap();
    }
}
