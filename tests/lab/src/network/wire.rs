//! What the kernel counted on each link over time.

use std::collections::VecDeque;

use narrows_topology::Hop;

use crate::timeline::Sample;

/// Between two samples, in seconds.
pub const PERIOD: f64 = 0.2;

/// How far back a rate looks, in seconds.
const WINDOW: f64 = 2.0;

/// Over how many seconds a peak is taken.
const PEAK: f64 = 5.0;

/// The counters of every link and direction since the clients' start.
#[derive(Debug, Default, Clone)]
pub struct WireCounters {
    hops: Vec<Hop>,
    /// What they were when the clients were started.
    zero: Vec<u64>,
    now: Vec<u64>,
    recent: VecDeque<(f64, Vec<u64>)>,
    /// One each [`PERIOD`].
    pub samples: Vec<Sample>,
}

impl WireCounters {
    /// Of these, in the order of their counters.
    pub fn new(hops: Vec<Hop>) -> WireCounters {
        WireCounters {
            hops,
            ..WireCounters::default()
        }
    }

    /// The clients are started now.
    pub fn begin(&mut self, counters: Vec<u64>) {
        self.now = vec![0; counters.len()];
        self.zero = counters;
        self.recent.clear();
    }

    /// Whether it is time for a sample.
    pub fn due(&self, at: f64) -> bool {
        self.samples.last().is_none_or(|last| at >= last.at + PERIOD)
    }

    /// Takes a sample: the second, each agent's progress, the kernel's counters.
    pub fn sample(&mut self, at: f64, progress: Vec<f64>, counters: &[u64]) {
        let since = |(now, zero): (&u64, &u64)| now.saturating_sub(*zero);
        let grown: Vec<u64> = counters.iter().zip(&self.zero).map(since).collect();
        // a counter that could not be read is as it was
        for (now, grown) in self.now.iter_mut().zip(grown) {
            *now = grown.max(*now);
        }
        self.recent.push_back((at, self.now.clone()));
        while self.recent.len() > 2 && self.recent.front().is_some_and(|(then, _)| *then + WINDOW < at) {
            self.recent.pop_front();
        }
        self.samples.push(Sample {
            at,
            progress,
            link_bytes: self.now.clone(),
        });
    }

    /// Every link and direction.
    pub fn hops(&self) -> impl Iterator<Item = Hop> {
        self.hops.iter().copied()
    }

    /// Bytes since the clients' start; `None` if nothing counts them.
    pub fn of(&self, hop: Hop) -> Option<u64> {
        let at = self.hops.iter().position(|other| *other == hop)?;
        Some(self.now.get(at).copied().unwrap_or(0))
    }

    /// The most bytes per second that crossed in any five seconds.
    pub fn peak(&self, hop: Hop) -> u64 {
        let Some(at) = self.hops.iter().position(|other| *other == hop) else {
            return 0;
        };
        let (mut from, mut peak) = (0, 0.0);
        for (to, sample) in self.samples.iter().enumerate() {
            while self.samples.get(from).is_some_and(|first| sample.at - first.at > PEAK + PERIOD) {
                from += 1;
            }
            let Some(first) = self.samples.get(from).filter(|_| from < to) else {
                continue;
            };
            let bytes = |sample: &Sample| sample.link_bytes.get(at).copied().unwrap_or(0);
            let seconds = sample.at - first.at;
            if seconds >= PEAK {
                peak = f64::max(peak, (bytes(sample) - bytes(first)) as f64 / seconds);
            }
        }
        peak as u64
    }

    /// Bytes per second over the last seconds.
    pub fn rate(&self, hop: Hop) -> u64 {
        let at = self.hops.iter().position(|other| *other == hop);
        let rate = || {
            let ((from, before), (to, now)) = (self.recent.front()?, self.recent.back()?);
            let bytes = now.get(at?)?.checked_sub(*before.get(at?)?)?;
            (to > from).then(|| (bytes as f64 / (to - from)) as u64)
        };
        rate().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrows_topology::LinkId;
    use proptest::prelude::*;

    const HOP: Hop = Hop {
        link: LinkId::Named(0),
        forward: true,
    };

    proptest! {
        /// Bytes never shrink, and what was before the start is not in them.
        #[test]
        fn bytes_count_from_the_start_and_never_shrink(
            zero in 0u64..1000, steps in proptest::collection::vec(prop::option::of(0u64..1000), 1..20)
        ) {
            let mut wires = WireCounters::new(vec![HOP]);
            wires.begin(vec![zero]);
            let (mut counter, mut last) = (zero, 0);
            for (i, step) in steps.iter().enumerate() {
                counter += step.unwrap_or(0);
                // a reading that failed is 0
                let read = if step.is_some() { counter } else { 0 };
                wires.sample(i as f64 * PERIOD, vec![], &[read]);
                let now = wires.of(HOP).unwrap();
                prop_assert!(now >= last && now <= counter - zero);
                last = now;
                if step.is_some() {
                    prop_assert_eq!(now, counter - zero);
                }
            }
        }
    }

    #[test]
    fn a_rate_is_over_the_last_seconds() {
        let mut wires = WireCounters::new(vec![HOP]);
        wires.begin(vec![0]);
        for i in 0..100u64 {
            wires.sample(i as f64 * PERIOD, vec![], &[i * 1000]);
        }
        assert_eq!(wires.rate(HOP), 5000);
        assert_eq!(wires.rate(HOP.reversed()), 0);
        assert!((4990..=5010).contains(&wires.peak(HOP)), "{}", wires.peak(HOP));
    }
}
