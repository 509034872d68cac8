//! What has been ordered for a run and has not happened yet.

use std::time::{Duration, Instant};

use crate::args::options::{Options, Probe};
use crate::events::kills::{Kill, PendingKills};
use crate::events::{Schedule, What};

/// Kills, events, probes and contents that wait for their time.
pub(crate) struct Pending {
    pub(crate) kills: PendingKills,
    pub(crate) schedule: Schedule,
    /// What events with `for TIME` leave to be undone.
    pub(crate) undo: Vec<Undo>,
    /// How many requests were sent again, because the tracker did not take them.
    pub(crate) asked_again: u32,
    /// All probes that were ordered; those that run are the first ones.
    pub(crate) probes: Vec<Probe>,
    /// Between the beginnings of two contents, if they do not begin at once.
    pub(crate) stagger: Option<Duration>,
    /// Clients that have not been told to read their new configuration yet.
    pub(crate) untold: Vec<usize>,
}

/// What is to be undone.
#[derive(Debug, Clone)]
pub(crate) struct Undo {
    pub(crate) at: Instant,
    pub(crate) what: What,
    pub(crate) agents: Vec<usize>,
}

impl Pending {
    /// Of these, nothing has happened.
    pub(crate) fn new(kills: Vec<Kill>, options: &Options) -> Pending {
        Pending {
            kills: PendingKills::new(kills),
            schedule: Schedule::new(options.event.clone()),
            undo: Vec::new(),
            asked_again: 0,
            probes: options.probe.clone(),
            stagger: options.stagger.map(|stagger| stagger.0),
            untold: Vec::new(),
        }
    }
}
