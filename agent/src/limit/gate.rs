use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Bucket;

/// A bucket that tasks wait at, first come first served, with a gate of the larger whole above it.
#[derive(Debug)]
pub struct Gate {
    parent: Option<Arc<Gate>>,
    start: Instant,
    /// Spares the locks where there is no limit, which is nearly everywhere.
    limited: AtomicBool,
    /// Held while waiting: this is the queue (tokio's mutex is fair).
    turn: tokio::sync::Mutex<()>,
    /// Only ever locked for a few instructions, never across an await.
    bucket: Mutex<Bucket>,
}

impl Gate {
    /// A gate that lets `rate` bytes per second pass (0: no limit), of what its parent lets pass.
    pub fn new(rate: u64, parent: Option<Arc<Gate>>) -> Self {
        let start = Instant::now();
        Self {
            parent,
            start,
            limited: AtomicBool::new(rate > 0),
            turn: tokio::sync::Mutex::new(()),
            bucket: Mutex::new(Bucket::new(rate, start.elapsed())),
        }
    }

    /// Another rate, at once.
    pub fn set_rate(&self, rate: u64) {
        self.limited.store(rate > 0, Ordering::Relaxed);
        self.with_bucket(|bucket| bucket.set_rate(rate, self.start.elapsed()));
    }

    /// Waits until `bytes` may pass here and above.
    pub async fn pass(&self, bytes: u64) {
        let mut gate = Some(self);
        while let Some(this) = gate {
            if this.limited.load(Ordering::Relaxed) {
                this.wait(bytes).await;
            }
            gate = this.parent.as_deref();
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
