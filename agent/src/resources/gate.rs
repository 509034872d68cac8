//! A rate that tasks wait at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use narrows_config::Rate;

use super::Bucket;

/// A bucket that tasks wait at, first come first served.
#[derive(Debug)]
pub(crate) struct Gate {
    start: Instant,
    /// Bytes per second; [`OPEN`], nearly everywhere, spares the locks.
    rate: AtomicU64,
    /// Held while waiting: this is the queue (tokio's mutex is fair).
    turn: tokio::sync::Mutex<()>,
    /// Only ever locked for a few instructions, never across an await.
    bucket: Mutex<Bucket>,
}

/// No limit, as buckets have it.
const OPEN: u64 = 0;

impl Gate {
    /// A gate that lets `rate` pass. A rate of zero is [paused](Rate::ZERO) elsewhere and refused in
    /// agent.yaml; here it counts as a byte per second.
    pub(crate) fn new(rate: Rate) -> Self {
        let (start, rate) = (Instant::now(), bytes(rate));
        Self {
            start,
            rate: AtomicU64::new(rate),
            turn: tokio::sync::Mutex::new(()),
            bucket: Mutex::new(Bucket::new(rate, start.elapsed())),
        }
    }

    /// Another rate, at once.
    pub(crate) fn set_rate(&self, rate: Rate) {
        let rate = bytes(rate);
        self.rate.store(rate, Ordering::Relaxed);
        self.with_bucket(|bucket| bucket.set_rate(rate, self.start.elapsed()));
    }

    /// Waits until `bytes` may pass.
    pub(crate) async fn pass(&self, bytes: u64) {
        if self.rate.load(Ordering::Relaxed) == OPEN {
            return;
        }
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.with_bucket(|bucket| bucket.take(bytes, self.start.elapsed())) {
            tokio::time::sleep(wait).await;
        }
    }

    /// How many bytes, of `most`, to ask for at a time so that a limit is felt as a flow and not in gulps: at
    /// least 16 KiB, and what passes in 50 ms.
    pub(crate) fn step(&self, most: usize) -> usize {
        match self.rate.load(Ordering::Relaxed) {
            OPEN => most,
            rate => usize::try_from(rate / 20).unwrap_or(most).max(16 * 1024).min(most),
        }
    }

    fn with_bucket<T>(&self, f: impl FnOnce(&mut Bucket) -> T) -> T {
        // a bucket is valid after every statement, so a poisoned lock holds a good one
        f(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn bytes(rate: Rate) -> u64 {
    rate.bytes_per_second().map_or(OPEN, |bytes| bytes.max(1))
}
