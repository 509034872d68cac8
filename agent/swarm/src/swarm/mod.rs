//! The state machine.

use narrows_wire::Bitfield;

use crate::{Action, Config, Event, Report, Status, Time};

/// One content's swarm.
#[derive(Debug)]
pub struct Swarm {
    config: Config,
}

impl Swarm {
    /// A swarm at its start. Asks for nothing yet: the first [`Event::Tick`] begins with an announce.
    pub fn new(config: Config, _now: Time) -> Swarm {
        Swarm { config }
    }

    /// Takes an event, appends what is to be done to `out`.
    pub fn handle(&mut self, _event: Event, _now: Time, _out: &mut Vec<Action>) {}

    /// When a [`Event::Tick`] is wanted next; `None`: only after another event.
    pub fn next_wakeup(&self, _now: Time) -> Option<Time> {
        None
    }

    /// What an announce says now.
    pub fn report(&self) -> Report {
        Report { left: 0, downloaded: 0, uploaded: 0, role: Default::default(), wan: 0, stalled: false, lost: None, gateway: None }
    }

    /// A snapshot.
    pub fn status(&self, _now: Time) -> Status {
        unreachable!("written in the next minutes")
    }

    /// The verified pieces.
    pub fn have(&self) -> &Bitfield {
        &self.config.have
    }
}
