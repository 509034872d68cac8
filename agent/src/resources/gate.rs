//! A rate that tasks wait at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_config::Rate;
use narrows_swarm::policy::pacing::Bucket;
use tokio::time::Instant;

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

/// What timers can do, and for how long a rate that has just risen may go unnoticed.
const MIN_WAIT: Duration = Duration::from_millis(1);
const MAX_WAIT: Duration = Duration::from_secs(1);

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

    /// Waits until `bytes` may pass: until what passed before is paid for. So takes larger than the bucket
    /// work and the average is exact.
    pub(crate) async fn pass(&self, bytes: u32) {
        if self.rate.load(Ordering::Relaxed) == OPEN {
            return;
        }
        let _turn = self.turn.lock().await;
        while let Some(wait) = self.take(bytes) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes `bytes` if nothing is owed, else says how long to wait: a second at most, for the rate may
    /// change meanwhile.
    fn take(&self, bytes: u32) -> Option<Duration> {
        self.with_bucket(|bucket| {
            let now = self.start.elapsed();
            if bucket.is_open(now) {
                bucket.spend(bytes);
                return None;
            }
            let wait = bucket.opens_at().map_or(Duration::ZERO, |at| at.saturating_sub(now));
            Some(wait.clamp(MIN_WAIT, MAX_WAIT))
        })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn without_a_rate_everything_passes() {
        let gate = Gate::new(Rate::UNLIMITED);
        for _ in 0..1000 {
            gate.pass(u32::MAX).await;
        }
        assert_eq!(gate.step(1 << 20), 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_keeps_to_the_rate() {
        let rate = Rate::from_bytes_per_second(2_000_000);
        let (gate, start) = (Gate::new(rate), Instant::now());
        for _ in 0..20 {
            gate.pass(50_000).await;
        }
        // a million bytes, less the last ones and what was saved up
        let seconds = start.elapsed().as_secs_f64();
        assert!((0.425..0.43).contains(&seconds), "{seconds}");
        assert_eq!(gate.step(1 << 20), 100_000);
    }

    #[tokio::test(start_paused = true)]
    async fn takes_larger_than_the_bucket_pass_at_the_rate_on_average() {
        let rate = Rate::from_bytes_per_second(1_000_000);
        let (gate, start) = (Gate::new(rate), Instant::now());
        for _ in 0..20 {
            gate.pass(300_000).await;
        }
        // 19 of them, less the 50 ms that were saved up
        let seconds = start.elapsed().as_secs_f64();
        assert!((5.65..5.66).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_applies_soon_to_those_who_wait() {
        let gate = Arc::new(Gate::new(Rate::from_bytes_per_second(1000)));
        gate.pass(1_000_000).await;
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass(1).await }
        });
        tokio::task::yield_now().await;
        gate.set_rate(Rate::UNLIMITED);
        tokio::time::timeout(5 * MAX_WAIT, waiting).await.expect("in time").expect("passed");
    }
}
