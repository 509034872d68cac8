//! Send buffers that are used again.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;

/// How many idle buffers are kept.
const KEPT: usize = 16;

/// The largest buffer that is kept.
const MAX_CAPACITY: usize = 512 * 1024;

/// Idle buffers, kept because a new one costs a page fault for every 4 KiB.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    idle: Mutex<Vec<BytesMut>>,
}

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> BytesMut {
        self.with(Vec::pop).unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        if buffer.capacity() <= MAX_CAPACITY {
            self.with(|idle| {
                if idle.len() < KEPT {
                    idle.push(buffer);
                }
            });
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Vec<BytesMut>) -> T) -> T {
        f(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
