use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Bucket;

/// A bucket that tasks wait at, first come first served, with a gate of the larger whole above it.
#[derive(Debug)]
pub(crate) struct Gate {
    parent: Option<Arc<Gate>>,
    start: Instant,
    /// Bytes per second; 0, nearly everywhere, spares the locks.
    rate: AtomicU64,
    /// Held while waiting: this is the queue (tokio's mutex is fair).
    turn: tokio::sync::Mutex<()>,
    /// Only ever locked for a few instructions, never across an await.
    bucket: Mutex<Bucket>,
}

impl Gate {
    /// A gate that lets `rate` bytes per second pass (0: no limit), of what its parent lets pass.
    pub(crate) fn new(rate: u64, parent: Option<Arc<Gate>>) -> Self {
        let start = Instant::now();
        Self {
            parent,
            start,
            rate: AtomicU64::new(rate),
            turn: tokio::sync::Mutex::new(()),
            bucket: Mutex::new(Bucket::new(rate, start.elapsed())),
        }
    }

    /// Another rate, at once.
    pub(crate) fn set_rate(&self, rate: u64) {
        self.rate.store(rate, Ordering::Relaxed);
        self.with_bucket(|bucket| bucket.set_rate(rate, self.start.elapsed()));
    }

    /// Waits until `bytes` may pass here and above.
    pub(crate) async fn pass(&self, bytes: u64) {
        let mut gate = Some(self);
        while let Some(this) = gate {
            if this.rate.load(Ordering::Relaxed) > 0 {
                this.wait(bytes).await;
            }
            gate = this.parent.as_deref();
        }
    }

    /// How many bytes, of `most`, to ask for at a time so that a limit is felt as a flow and not in gulps: at
    /// least 16 KiB, and what passes in 50 ms.
    pub(crate) fn step(&self, most: usize) -> usize {
        let most = self.parent.as_ref().map_or(most, |parent| parent.step(most));
        match self.rate.load(Ordering::Relaxed) {
            0 => most,
            rate => usize::try_from(rate / 20).unwrap_or(most).max(16 * 1024).min(most),
        }
    }

    async fn wait(&self, bytes: u64) {
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.with_bucket(|bucket| bucket.take(bytes, self.start.elapsed())) {
            tokio::time::sleep(wait).await;
        }
    }

    fn with_bucket<T>(&self, f: impl FnOnce(&mut Bucket) -> T) -> T {
        // a bucket is valid after every statement, so a poisoned lock holds a good one
        f(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
