//! When a run began, when its clients were started, and how long it may take.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The times of a run.
#[derive(Debug)]
pub(crate) struct Clock {
    pub(crate) started: Instant,
    /// Second 0 of all that is reported; `None` before.
    pub(crate) clients_started: Option<Instant>,
    /// The same by the calendar, which schedules go by.
    pub(crate) clients_started_at: Timestamp,
    /// How long the clients may take.
    pub(crate) timeout: Duration,
}

impl Clock {
    /// The run begins now.
    pub(crate) fn new(timeout: Duration) -> Clock {
        Clock {
            started: Instant::now(),
            clients_started: None,
            clients_started_at: Timestamp::now(),
            timeout,
        }
    }

    /// The clients are started now.
    pub(crate) fn start_clients(&mut self) {
        (self.clients_started, self.clients_started_at) = (Some(Instant::now()), Timestamp::now());
    }

    /// Since the clients were started; zero before.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clients_started.map_or(Duration::ZERO, |started| started.elapsed())
    }
}
