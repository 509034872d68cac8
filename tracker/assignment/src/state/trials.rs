//! What is tried when a site's gateway brings a trickle.

use std::time::Duration;

use crate::Time;
use crate::policy::TricklePolicy;

/// What a gateway had brought when its rate was last measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    pub(crate) since: Time,
    pub(crate) wan: u64,
}

/// The trials of a site.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trials {
    next: Time,
    wait: Duration,
    /// How many there were in a row.
    turn: u32,
}

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trial {
    /// Other upstreams.
    Upstreams,
    /// Another gateway.
    Gateway,
    /// The other gateways alone, without this one of the starvation ladder.
    Others,
}

impl Trials {
    /// What is tried next, if it is time; after a long calm it begins anew. `tried`: the gateway has tried
    /// several upstreams by itself, or there are no others.
    pub(crate) fn begin(&mut self, policy: &TricklePolicy, tried: bool, now: Time) -> Option<Trial> {
        if now < self.next {
            return None;
        }
        let calm = self.wait.is_zero() || now >= self.next + policy.wait_max;
        (self.wait, self.turn) = match calm {
            true => (policy.wait_min, 0),
            false => (
                (self.wait * 2).clamp(policy.wait_min, policy.wait_max),
                self.turn + 1,
            ),
        };
        self.next = now + self.wait;
        Some(match self.turn.is_multiple_of(2) == tried {
            true => Trial::Gateway,
            false => Trial::Upstreams,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_take_turns_and_become_rare() {
        for (spares, first) in [(false, Trial::Upstreams), (true, Trial::Gateway)] {
            let (mut trials, mut seen) = (Trials::default(), Vec::new());
            for second in (0..3600).step_by(20) {
                seen.extend(trials.begin(&TricklePolicy::default(), spares, Duration::from_secs(second)));
            }
            assert!(
                seen[0] == first && seen[1] != first && seen[2] == first,
                "{seen:?}"
            );
            assert!((6..=9).contains(&seen.len()), "{} in an hour", seen.len());
            let later = trials.begin(&TricklePolicy::default(), spares, Duration::from_secs(20_000));
            assert_eq!(later, Some(first), "after a calm it begins anew");
        }
    }
}
