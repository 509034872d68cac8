//! A token bucket: keeping to a rate.

use std::time::Duration;

/// The least a full bucket holds, so that a block always fits through in one go.
const MIN_BURST: f64 = 64.0 * 1024.0;

/// How long an idle bucket saves up.
const BURST: Duration = Duration::from_millis(50);

/// A token bucket. A taker pays when it is let through and may overdraw once, so takes larger than the bucket
/// work and the average is exact. Pure: time is passed in.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// Bytes per second; 0 = no limit.
    rate: u64,
    /// Bytes that may go now; negative after an overdraft.
    balance: f64,
    /// When `balance` was computed.
    at: Duration,
}

impl Bucket {
    /// A full bucket; a `rate` of 0 is no limit.
    pub(crate) fn new(rate: u64, now: Duration) -> Self {
        let mut bucket = Self {
            rate,
            balance: 0.0,
            at: now,
        };
        bucket.balance = bucket.burst();
        bucket
    }

    /// Another rate from now on; what was overdrawn stays so.
    pub(crate) fn set_rate(&mut self, rate: u64, now: Duration) {
        self.refill(now);
        self.rate = rate;
        self.balance = self.balance.min(self.burst());
    }

    /// Takes `bytes` if nothing is owed, else says how long to wait before asking again.
    ///
    /// # Errors
    /// The time after which the debt is paid, at most a second (the rate may change meanwhile).
    pub(crate) fn take(&mut self, bytes: u64, now: Duration) -> Result<(), Duration> {
        if self.rate == 0 {
            return Ok(());
        }
        self.refill(now);
        if self.balance >= 0.0 {
            self.balance -= bytes as f64;
            return Ok(());
        }
        let wait = Duration::from_secs_f64(-self.balance / self.rate as f64);
        Err(wait.clamp(Duration::from_millis(1), Duration::from_secs(1)))
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.balance = (self.balance + passed * self.rate as f64).min(self.burst());
    }

    fn burst(&self) -> f64 {
        (self.rate as f64 * BURST.as_secs_f64()).max(MIN_BURST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn over_time_no_more_passes_than_the_rate_and_hardly_less(
            rate in 10_000u64..100_000_000,
            sizes in proptest::collection::vec(1u64..300_000, 20..200),
        ) {
            let mut bucket = Bucket::new(rate, Duration::ZERO);
            let (mut now, mut passed) = (Duration::ZERO, 0);
            for size in &sizes {
                while let Err(wait) = bucket.take(*size, now) {
                    now += wait;
                }
                passed += size;
            }
            let allowed = rate as f64 * now.as_secs_f64() + bucket.burst() + 300_000.0;
            prop_assert!(passed as f64 <= allowed, "{passed} of {allowed}");
            let waits = sizes.len() as f64 * 0.001;
            prop_assert!(now.as_secs_f64() <= passed as f64 / rate as f64 + waits + 0.1);
        }
    }

    #[test]
    fn without_a_rate_everything_passes() {
        let mut bucket = Bucket::new(0, Duration::ZERO);
        assert_eq!(bucket.take(u64::MAX, Duration::ZERO), Ok(()));
    }

    #[test]
    fn a_new_rate_applies_at_once_to_those_who_wait() {
        let mut bucket = Bucket::new(1000, Duration::ZERO);
        assert_eq!(bucket.take(1_000_000, Duration::ZERO), Ok(()));
        assert!(bucket.take(1, Duration::from_secs(1)).is_err());
        bucket.set_rate(0, Duration::from_secs(1));
        assert_eq!(bucket.take(1, Duration::from_secs(1)), Ok(()));
    }
}
