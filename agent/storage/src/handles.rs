//! Open files, a bounded number of them.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::Side;

/// Files that one content keeps open. Many contents share the 1024 that a Linux process usually has.
const MAX_OPEN: usize = 64;

/// The most recently used files of a content. The lock is held for the look-up alone, never during I/O.
#[derive(Debug, Default)]
pub(crate) struct Handles(Mutex<Cache>);

#[derive(Debug, Default)]
struct Cache {
    files: HashMap<(Side, usize), Handle>,
    clock: u64,
}

#[derive(Debug)]
struct Handle {
    file: Arc<File>,
    writable: bool,
    used: u64,
}

impl Handles {
    /// The file, from the cache or through `open`.
    pub(crate) fn get<E>(
        &self,
        key: (Side, usize),
        writable: bool,
        open: impl FnOnce() -> Result<File, E>,
    ) -> Result<Arc<File>, E> {
        if let Some(file) = self.lock().find(key, writable) {
            return Ok(file);
        }
        let file = Arc::new(open()?); // two threads may do so at once; either handle will do
        self.lock().keep(key, writable, Arc::clone(&file));
        Ok(file)
    }

    /// Forgets all files; they close when their last reader is through.
    pub(crate) fn clear(&self) {
        self.lock().files.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn find(&mut self, key: (Side, usize), writable: bool) -> Option<Arc<File>> {
        self.clock += 1;
        let handle = self
            .files
            .get_mut(&key)
            .filter(|handle| handle.writable || !writable)?;
        handle.used = self.clock;
        Some(Arc::clone(&handle.file))
    }

    fn keep(&mut self, key: (Side, usize), writable: bool, file: Arc<File>) {
        if self.files.len() >= MAX_OPEN && !self.files.contains_key(&key) {
            let oldest = self
                .files
                .iter()
                .min_by_key(|(_, handle)| handle.used)
                .map(|(key, _)| *key);
            oldest.and_then(|key| self.files.remove(&key));
        }
        self.files.insert(
            key,
            Handle {
                file,
                writable,
                used: self.clock,
            },
        );
    }
}
