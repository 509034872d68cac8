//! When to announce. Pure: time is passed in.

use std::time::Duration;

use narrows_protocol::AnnounceEvent;
use narrows_swarm::{AnnounceReason, Time};

/// The least between two announces for a cause: defends the tracker against a fault of this program.
const FLOOR: Duration = Duration::from_millis(250);

/// Reconciles when the swarm wants to announce with when the tracker allows it: one announce at a time,
/// regular ones not within the minimum interval, and no `started` or `completed` lost because a tracker was
/// down.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    in_flight: Option<AnnounceEvent>,
    wanted: Option<AnnounceReason>,
    owes_started: bool,
    owes_completed: bool,
    owes_stopped: bool,
    /// No regular announce sooner.
    not_before: Time,
    last: Option<Time>,
}

impl Schedule {
    /// The swarm wants to announce.
    pub(crate) fn ask(&mut self, reason: AnnounceReason) {
        match reason {
            AnnounceReason::Started => (self.owes_started, self.owes_stopped) = (true, false),
            AnnounceReason::Completed => self.owes_completed = true,
            AnnounceReason::Stopped => {
                (self.owes_started, self.owes_completed, self.owes_stopped) = (false, false, true);
            }
            _ => {}
        }
        if self.wanted.is_none_or(|wanted| urgent(reason) || !urgent(wanted)) {
            self.wanted = Some(reason);
        }
    }

    /// If an announce is due, with which event; the caller then sends it and reports back.
    pub(crate) fn begin(&mut self, now: Time) -> Option<AnnounceEvent> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.wanted = None;
        self.last = Some(now);
        let event = match () {
            () if self.owes_started => AnnounceEvent::Started,
            () if self.owes_stopped => AnnounceEvent::Stopped,
            () if self.owes_completed => AnnounceEvent::Completed,
            () => AnnounceEvent::None,
        };
        self.in_flight = Some(event);
        Some(event)
    }

    /// When to call [`begin`](Self::begin); `None` while nothing is wanted.
    pub(crate) fn due(&self) -> Option<Time> {
        let wanted = self.wanted.filter(|_| self.in_flight.is_none())?;
        let floor = self.last.map_or(Time::ZERO, |last| last + FLOOR);
        Some(match wanted {
            AnnounceReason::Started | AnnounceReason::Completed | AnnounceReason::Stopped => Time::ZERO,
            AnnounceReason::Lost(_)
            | AnnounceReason::Stalled
            | AnnounceReason::Gone
            | AnnounceReason::Ability
            | AnnounceReason::Rates
            | AnnounceReason::Doubt => floor,
            AnnounceReason::Regular | AnnounceReason::MorePeers => floor.max(self.not_before),
        })
    }

    /// The tracker has answered well.
    pub(crate) fn succeeded(&mut self, now: Time, min_interval: Time) {
        self.not_before = now + min_interval;
        match self.in_flight.take() {
            Some(AnnounceEvent::Started) => self.owes_started = false,
            Some(AnnounceEvent::Completed) => self.owes_completed = false,
            Some(AnnounceEvent::Stopped) => self.owes_stopped = false,
            _ => {}
        }
        if self.owes_completed && self.wanted.is_none() {
            self.wanted = Some(AnnounceReason::Completed);
        }
    }

    /// No tracker has answered well; the swarm will ask again. A `stopped` is not repeated.
    pub(crate) fn failed(&mut self) {
        if self.in_flight.take() == Some(AnnounceEvent::Stopped) {
            self.owes_stopped = false;
        }
        self.not_before = Time::ZERO;
    }

    /// Whether the trackers know of us, or may.
    pub(crate) fn is_known(&self) -> bool {
        self.last.is_some()
    }
}

fn urgent(reason: AnnounceReason) -> bool {
    !matches!(reason, AnnounceReason::Regular | AnnounceReason::MorePeers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Time = Time::from_secs(10);

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    #[test]
    fn regular_announces_keep_the_minimum_interval_and_urgent_ones_do_not() {
        let mut schedule = Schedule::default();
        schedule.ask(AnnounceReason::Started);
        assert_eq!(schedule.begin(at(0)), Some(AnnounceEvent::Started));
        schedule.succeeded(at(0), MIN);
        schedule.ask(AnnounceReason::MorePeers);
        assert_eq!(schedule.begin(at(9)), None);
        assert_eq!(schedule.due(), Some(at(10)));
        schedule.ask(AnnounceReason::Stalled);
        assert_eq!(schedule.begin(at(9)), Some(AnnounceEvent::None));
    }

    #[test]
    fn started_is_said_until_a_tracker_heard_it() {
        let mut schedule = Schedule::default();
        schedule.ask(AnnounceReason::Started);
        assert!(schedule.begin(at(0)).is_some());
        schedule.failed();
        schedule.ask(AnnounceReason::Regular);
        assert_eq!(schedule.begin(at(5)), Some(AnnounceEvent::Started));
    }

    #[test]
    fn completed_follows_a_started_that_was_still_in_flight() {
        let mut schedule = Schedule::default();
        schedule.ask(AnnounceReason::Started);
        assert!(schedule.begin(at(0)).is_some());
        schedule.ask(AnnounceReason::Completed);
        assert_eq!(schedule.begin(at(0)), None, "one at a time");
        schedule.succeeded(at(1), MIN);
        assert_eq!(schedule.begin(at(1)), Some(AnnounceEvent::Completed));
    }

    #[test]
    fn a_regular_wish_does_not_displace_an_urgent_one() {
        let mut schedule = Schedule::default();
        schedule.ask(AnnounceReason::Started);
        assert!(schedule.begin(at(0)).is_some());
        schedule.ask(AnnounceReason::Stalled);
        schedule.ask(AnnounceReason::Regular);
        schedule.succeeded(at(1), MIN);
        assert_eq!(schedule.begin(at(1)), Some(AnnounceEvent::None));
    }
}
