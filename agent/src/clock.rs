//! The agent's clock: the time since its start, which all of its decisions are told.

use std::time::Instant;

use narrows_swarm::Time;

/// Counts from the agent's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub(crate) fn now(self) -> Time {
        self.0.elapsed()
    }

    /// The same point in time for timers.
    pub(crate) fn instant(self, time: Time) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.0 + time)
    }
}
