//! Measured rates.

use crate::Time;

/// Bytes per second, smoothed over about a second; from the first bytes on it is their plain average.
#[derive(Clone, Debug)]
pub struct Meter {
    per_second: f64,
    pending: u64,
    since: Time,
    born: Time,
}

const STEP: Time = Time::from_millis(50);

impl Meter {
    /// Nothing measured.
    pub fn new(now: Time) -> Meter {
        Meter {
            per_second: 0.0,
            pending: 0,
            since: now,
            born: now,
        }
    }

    /// Counts bytes. The first after a silence do not count the silence.
    pub fn add(&mut self, bytes: u32, now: Time) {
        if self.pending == 0 && self.per_second < 1.0 {
            (self.born, self.since) = (now, now);
        }
        self.pending += u64::from(bytes);
        self.fold(now);
    }

    /// Takes the bytes since the last time in.
    pub fn fold(&mut self, now: Time) {
        let passed = now.saturating_sub(self.since);
        if passed < STEP {
            return;
        }
        let age = now.saturating_sub(self.born).as_secs_f64();
        let share = (passed.as_secs_f64() / age.min(1.0)).min(1.0);
        let present = self.pending as f64 / passed.as_secs_f64();
        self.per_second += (present - self.per_second) * share;
        if self.pending == 0 && self.per_second < 16.0 {
            self.per_second = 0.0;
        }
        self.pending = 0;
        self.since = now;
    }

    /// Bytes per second.
    pub fn rate(&self) -> u64 {
        self.per_second as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_measured_within_a_tenth_second_and_a_stop_within_seconds() {
        let mut meter = Meter::new(Time::ZERO);
        for ms in 0..100 {
            meter.add(1000, Time::from_millis(ms));
        }
        assert!((900_000..1_100_000).contains(&meter.rate()), "{}", meter.rate());
        for tenth in 1..100 {
            meter.fold(Time::from_millis(100 + 100 * tenth));
        }
        assert!(meter.rate() < 1000, "{}", meter.rate());
    }
}
