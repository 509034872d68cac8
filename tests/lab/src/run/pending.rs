//! What has been ordered for a run and has not happened yet.

use std::time::Duration;

use crate::args::options::{Options, Probe};
use crate::events::Schedule;
use crate::events::run::Undo;
use crate::run::kills::{Kill, PendingKills};

/// Kills, events, probes and contents that wait for their time.
pub(crate) struct Pending {
    pub(crate) kills: PendingKills,
    pub(crate) schedule: Schedule,
    /// What events with `for TIME` leave to be undone.
    pub(crate) undo: Vec<Undo>,
    /// All probes that were ordered; those that run are the first ones.
    pub(crate) probes: Vec<Probe>,
    /// Between the beginnings of two contents, if they do not begin at once.
    pub(crate) stagger: Option<Duration>,
}

impl Pending {
    /// Of these, nothing has happened.
    pub(crate) fn new(kills: Vec<Kill>, options: &Options) -> Pending {
        Pending {
            kills: PendingKills::new(kills),
            schedule: Schedule::new(options.event.clone()),
            undo: Vec::new(),
            probes: options.probe.clone(),
            stagger: options.stagger.map(|stagger| stagger.0),
        }
    }
}
