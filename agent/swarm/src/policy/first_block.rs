//! Whether an upstream that is asked brings anything, over all its chokes: one that chokes and unchokes drops what it
//! was asked for each time, so that no request gets old, and without a spare there is none to turn to instead.

use crate::Time;

/// How long it may owe blocks, chokes or not, before its first one.
const OWED: Time = Time::from_secs(5);
/// How long it may have what we lack and not let us ask: stock clients look whom to serve every 10 s.
pub const UNCHOKE: Time = Time::from_secs(12);
/// Of the time between two looks, what counts at most: a machine that slept waited for no upstream.
const MAX_PASSED: Time = Time::from_millis(500);

/// What an upstream lets us do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lets {
    /// It is asked, and owes us blocks.
    Wait,
    /// It has what we lack, and chokes us.
    Starve,
    /// It owes us nothing: it has nothing for us, or something of ours holds us up.
    Be,
}

/// How long an upstream that is asked has brought nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstBlock {
    looked: Option<Time>,
    owed: Time,
    choked: Time,
}

impl FirstBlock {
    /// Looks at what it lets us do now. Whether it has had as long as it could need for a first block.
    pub fn look(&mut self, lets: Lets, now: Time) -> bool {
        let passed = self.looked.replace(now).map_or(Time::ZERO, |then| now.saturating_sub(then));
        match lets {
            Lets::Wait => self.owed += passed.min(MAX_PASSED),
            Lets::Starve => self.choked += passed.min(MAX_PASSED),
            Lets::Be => {}
        }
        // one that did not let us ask so far may be busy
        self.owed >= OWED || self.owed + self.choked >= UNCHOKE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When an upstream is given up, in seconds, that lets us do so.
    fn given_up(lets: impl Fn(u64) -> Lets) -> Option<u64> {
        let mut first = FirstBlock::default();
        (0..600)
            .find(|tenth| first.look(lets(tenth / 10), Time::from_millis(tenth * 100)))
            .map(|tenth| tenth / 10)
    }

    #[test]
    fn an_upstream_that_toggles_choke_is_given_up_once_it_has_owed_us_blocks_for_five_seconds_in_all() {
        assert_eq!(given_up(|_| Lets::Wait), Some(5));
        let toggles = |every: u64| given_up(move |s| [Lets::Wait, Lets::Starve][(s / every % 2) as usize]);
        assert_eq!((toggles(1), toggles(2), toggles(4)), (Some(10), Some(9), Some(9)));
    }

    #[test]
    fn one_that_never_lets_us_ask_is_given_up_after_twelve_seconds_and_one_that_has_nothing_never() {
        assert_eq!(given_up(|_| Lets::Starve), Some(12));
        assert_eq!(given_up(|_| Lets::Be), None);
    }

    #[test]
    fn a_machine_that_slept_blames_no_upstream() {
        let mut first = FirstBlock::default();
        assert!(!first.look(Lets::Wait, Time::ZERO));
        assert!(!first.look(Lets::Wait, Time::from_secs(60)));
    }
}
