//! Whether a peer that owes us something is there: one that says nothing at all may be frozen, asleep or gone,
//! and is no liar; one that speaks and still brings nothing is.

use crate::Time;

/// What a peer says so long after it was asked, it says although it owes an answer: until then, what comes may
/// have been under way.
const QUIET: Time = Time::from_secs(1);
/// So long after its first word, one that was frozen has brought something.
const GRACE: Time = Time::from_secs(2);

/// What a peer says while it owes us something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owing {
    /// Since when it owes us blocks, or since its last block.
    since: Option<Time>,
    /// When it first spoke after that had lasted for a while.
    spoke: Option<Time>,
    withholds: bool,
}

impl Owing {
    /// Whether it owes us blocks that we asked for now.
    pub fn look(&mut self, owes: bool, now: Time) {
        if !owes {
            (self.since, self.spoke) = (None, None);
            return;
        }
        self.since.get_or_insert(now);
        self.withholds |= self.spoke.is_some_and(|spoke| now >= spoke + GRACE);
    }

    /// It said something, a block or anything else.
    pub fn hears(&mut self, now: Time) {
        if self.since.is_some_and(|since| now >= since + QUIET) {
            self.spoke.get_or_insert(now);
        }
    }

    /// It brought a block that is of use. Blocks in a row make up for a pause.
    pub fn brings(&mut self, now: Time) {
        self.hears(now);
        if let Some(since) = self.since.replace(now)
            && now < since + QUIET
        {
            (self.spoke, self.withholds) = (None, false);
        }
    }

    /// It had as long as it could need for what we asked for, and is asked no more for a while.
    pub fn disappoints(&mut self) {
        self.withholds |= self.spoke.is_some();
    }

    /// It refused all that we asked for.
    pub fn refuses(&mut self) {
        self.withholds = true;
    }

    /// Whether it has spoken and brought nothing, or hardly anything, since it last brought blocks in a row.
    pub fn withholds(&self) -> bool {
        self.withholds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn owing() -> Owing {
        let mut owing = Owing::default();
        owing.look(true, at(0));
        owing
    }

    #[test]
    fn one_that_says_nothing_may_be_frozen_and_one_that_speaks_is_not() {
        let mut owing = owing();
        owing.hears(at(900));
        owing.look(true, at(60_000));
        assert!(!owing.withholds(), "that was under way");
        owing.hears(at(64_000));
        owing.look(true, at(65_999));
        assert!(!owing.withholds());
        owing.look(true, at(66_000));
        assert!(owing.withholds());
    }

    #[test]
    fn one_that_was_frozen_and_brings_blocks_again_is_no_liar_and_one_that_drips_or_refuses_is() {
        let mut frozen = owing();
        frozen.hears(at(30_000));
        frozen.brings(at(30_200));
        frozen.brings(at(30_300));
        frozen.look(true, at(90_000));
        assert!(!frozen.withholds());
        let (mut drips, mut refuses) = (owing(), owing());
        for n in 1..3 {
            drips.brings(at(n * 3_900));
            drips.look(true, at(n * 3_900 + 2_000));
        }
        refuses.refuses();
        assert!(drips.withholds() && refuses.withholds());
    }
}
