//! What is counted while a simulation runs.

use std::time::{Duration, Instant};

use narrows_assignment::{Decision, Refusal};

use super::calendar::Millis;

/// Counts while the simulation runs.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) started: Instant,
    pub(crate) announces: Vec<u32>,
    pub(crate) busy: Vec<f32>,
    pub(crate) histogram: Vec<u64>,
    pub(crate) announced: Duration,
    pub(crate) longest: Duration,
    pub(crate) plans: (u64, Duration, Duration),
    /// What announces wait for beside others: pictures, and plans that are put in force.
    pub(crate) held: (Duration, Duration),
    pub(crate) slow: (u64, Duration),
    pub(crate) sweeps: (u64, Duration, Duration),
    pub(crate) elected: u64,
    pub(crate) failovers: u64,
    pub(crate) escalated: u64,
    pub(crate) lost: [f64; 2],
    pub(crate) gateways_gone: usize,
    pub(crate) base_bytes: u64,
    pub(crate) path_bytes: u64,
    pub(crate) calendar_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// Eight classes for each doubling.
fn class(took: Duration) -> usize {
    let nanos = took.as_nanos().clamp(1, u128::from(u64::MAX)) as f64;
    (nanos.log2() * 8.0) as usize
}

impl Meter {
    pub(crate) fn new() -> Meter {
        Meter {
            started: Instant::now(),
            announces: Vec::new(),
            busy: Vec::new(),
            histogram: vec![0; 64 * 8],
            announced: Duration::ZERO,
            longest: Duration::ZERO,
            plans: Default::default(),
            held: Default::default(),
            slow: Default::default(),
            sweeps: Default::default(),
            elected: 0,
            failovers: 0,
            escalated: 0,
            lost: [0.0; 2],
            gateways_gone: 0,
            base_bytes: 0,
            path_bytes: 0,
            calendar_bytes: 0,
            peak_bytes: 0,
        }
    }

    /// Times an announce.
    pub(crate) fn announce(
        &mut self,
        now: Millis,
        announce: impl FnOnce() -> Result<Decision, Refusal>,
    ) -> Option<Decision> {
        let started = Instant::now();
        let decision = announce();
        let took = started.elapsed();
        self.spent(now, took);
        self.announces[(now / 1000) as usize] += 1;
        self.histogram[class(took)] += 1;
        self.announced += took;
        self.longest = self.longest.max(took);
        let decision = decision.ok()?;
        let outcome = &decision.outcome;
        self.elected += u64::from(outcome.elected);
        self.failovers += u64::from(outcome.failover);
        self.escalated += u64::from(outcome.escalated);
        if outcome.planned {
            self.planned(took);
        } else if took > Duration::from_millis(1) {
            self.slow = (self.slow.0 + 1, self.slow.1 + took);
        }
        Some(decision)
    }

    /// Times a plan that is made beside the announces.
    pub(crate) fn plan<R>(&mut self, plan: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let planned = plan();
        self.planned(started.elapsed());
        planned
    }

    fn planned(&mut self, took: Duration) {
        let (count, sum, max) = self.plans;
        self.plans = (count + 1, sum + took, max.max(took));
    }

    /// Times what announces wait for.
    pub(crate) fn hold<R>(&mut self, now: Millis, hold: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let held = hold();
        let took = started.elapsed();
        self.spent(now, took);
        self.held = (self.held.0 + took, self.held.1.max(took));
        held
    }

    /// Times a sweep.
    pub(crate) fn sweep(&mut self, now: Millis, sweep: impl FnOnce() -> usize) {
        let started = Instant::now();
        sweep();
        let took = started.elapsed();
        self.spent(now, took);
        let (count, sum, max) = self.sweeps;
        self.sweeps = (count + 1, sum + took, max.max(took));
    }

    fn spent(&mut self, now: Millis, took: Duration) {
        let second = (now / 1000) as usize;
        if self.busy.len() <= second {
            self.busy.resize(second + 1, 0.0);
            self.announces.resize(second + 1, 0);
        }
        self.busy[second] += took.as_secs_f32();
    }

    /// A site lost bytes with a client that vanished; others were left, or not.
    pub(crate) fn lost(&mut self, bytes: f64, others: bool) {
        self.lost[usize::from(!others)] += bytes;
    }

    /// Notes the process's size, without what the calendar has grown by.
    pub(crate) fn look_at_memory(&mut self, calendar: u64) {
        let own = calendar.saturating_sub(self.calendar_bytes);
        self.peak_bytes = self.peak_bytes.max(resident().saturating_sub(own));
    }

    /// How long an announce of this part of all takes at most, within a tenth.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let all: u64 = self.histogram.iter().sum();
        let rank = (all as f64 * part) as u64;
        let mut seen = 0;
        let class = self.histogram.iter().position(|count| {
            seen += count;
            seen > rank
        });
        ((class.unwrap_or(0) + 1) as f64 / 8.0).exp2() / 1000.0
    }
}

/// The CPU time of this thread, where the system tells.
pub(crate) fn cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = schedstat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok());
    nanos.unwrap_or(0) as f64 / 1e9
}

/// Resident memory in bytes, where the system tells.
pub(crate) fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
