//! Whether an agent got its bytes soon after it could: a bound from the plan, and how near each came. Pure.

use crate::events::{Deed, What};

/// What the slowest path takes, over the bytes alone: headers, and the pieces that came in vain.
const OVERHEAD: f64 = 1.25;

/// On top, in seconds: the first verification and announce, and whatever a liar may cost, which is a lease that brings
/// nothing until rule 8 (nobody starves) gives another one, and upstreams or neighbours that are judged in turn.
pub const ALLOWANCE: f64 = 30.0;

/// Each further liar may cost so much more, in seconds: one that says it is a seeder is measured for 12 s (tracker/assignment
/// tests/supply.rs), and only then is it seen that another one has the lease and brings nothing, which takes 24 s
/// (tests/cases/idlers.rs). Seeds 1156, 3010, 4001, 5002.
pub const EACH_FURTHER: f64 = 15.0;

/// What an agent or its gateway needs after something has ended that befell it, in seconds: to notice, to connect
/// and to announce.
const RECOVERY: f64 = 6.0;

/// A gateway or an upstream that falls silent is followed by another one after so long at the most.
const TAKEOVER: f64 = 20.0;

/// A tracker that was killed has to learn again who lies (seed 1123).
const LEARNED_AGAIN: f64 = 20.0;

/// A brake and its end are heard with the next announce.
const HEARD: f64 = 10.0;

/// So many times as long takes a site that shares a link with a glutton: each seeder shares what it may send to a site among
/// all that ask from there, by whole pieces, and does not know which of them is the gateway (issue 17: tickets).
pub const BESIDE_A_GLUTTON: f64 = 4.0;

/// An agent that waited for all contents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wait {
    /// Its id.
    pub id: String,
    /// When it had them all, in seconds since the clients' start; `None`: it never had.
    pub took: Option<f64>,
    /// What the slowest link of its path takes for all contents, in seconds.
    pub least: f64,
    /// So many times as long: [`BESIDE_A_GLUTTON`], else 1.
    pub times: f64,
    /// How many liars that could hold it up are at its site, or at one that it is fed through.
    pub liars: usize,
    /// When something held it up that was no liar: from, until.
    pub hindered: Vec<(f64, f64)>,
}

/// How long an agent was at it while nothing but liars could hold it up.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Seconds in which nothing held it up.
    pub free: f64,
    /// As many are the most.
    pub most: f64,
}

impl Wait {
    /// How it compares; `None` for one that never had everything, which is a finding of its own.
    pub fn pace(&self) -> Option<Pace> {
        let took = self.took?;
        let mut spans = self.hindered.clone();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut free, mut reached) = (0.0, 0.0_f64);
        for (from, until) in spans.into_iter().chain([(took, took)]) {
            free += (from.min(took) - reached).max(0.0);
            reached = reached.max(until.min(took));
        }
        Some(Pace {
            free,
            most: self.least * OVERHEAD * self.times + self.allowance(),
        })
    }
}

impl Wait {
    /// What liars may cost.
    fn allowance(&self) -> f64 {
        ALLOWANCE + EACH_FURTHER * self.liars.saturating_sub(1) as f64
    }
}

impl Pace {
    /// Over one is too slow.
    pub fn ratio(&self) -> f64 {
        self.free / self.most
    }
}

/// Whom something that happens holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Near {
    /// The agent itself.
    Itself,
    /// Those that its site is fed by, or the path to it.
    Supply,
}

/// From when until when what begins at `at` and lasts so long (`None`: it does not last) holds an agent up.
pub fn hindrance(what: &What, near: Near, at: f64, lasts: Option<f64>) -> Option<(f64, f64)> {
    let lasts = lasts.unwrap_or(0.0);
    let costs = match (what, near) {
        (What::Agents(Deed::Clock(_), _), _) => return None,
        (What::Agents(..), Near::Itself) => lasts + RECOVERY,
        // one that ends is seen to end, one that falls silent is not
        (What::Agents(Deed::Freeze | Deed::Vanish | Deed::Move, _), Near::Supply) => {
            lasts.clamp(RECOVERY, TAKEOVER) + RECOVERY
        }
        (What::Agents(..), Near::Supply) => RECOVERY,
        // a connection tries again after up to as long as nothing came
        (What::Cut(_), _) => lasts * 1.5 + RECOVERY,
        (What::Slow(..) | What::FreezeTracker, _) => lasts + RECOVERY,
        (What::RestartTracker(_), _) => lasts + LEARNED_AGAIN,
        (What::Http(..), _) => lasts + HEARD,
        _ => return None,
    };
    Some((at, at + costs))
}

/// Agents that were too slow.
pub(super) fn late(waits: &[Wait]) -> impl Iterator<Item = String> {
    let paces = waits.iter().filter_map(|wait| Some((wait, wait.pace()?)));
    paces.filter(|(_, pace)| pace.ratio() > 1.0).map(|(wait, pace)| {
        format!(
            "{} had everything after {:.1} s only: in {:.1} s of these nothing held it up but liars, and {:.1} s are the \
             most ({:.1} s for the bytes at its path's rate, x {:.2}, and {} s)",
            wait.id,
            wait.took.unwrap_or_default(),
            pace.free,
            pace.most,
            wait.least,
            OVERHEAD * wait.times,
            wait.allowance()
        )
    })
}

/// The slowest agent, for people.
pub fn slowest(waits: &[Wait]) -> String {
    let paces = waits.iter().filter_map(|wait| Some((wait, wait.pace()?)));
    match paces.max_by(|(_, a), (_, b)| a.ratio().total_cmp(&b.ratio())) {
        None => "no agent had everything".to_owned(),
        Some((wait, pace)) => format!(
            "slowest: {} with all after {:.1} s, {:.1} s of them free, {:.1} s for the bytes: {:.2} of the most",
            wait.id,
            wait.took.unwrap_or_default(),
            pace.free,
            wait.least,
            pace.ratio()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Who;
    use proptest::prelude::*;

    fn wait(took: f64, hindered: &[(f64, f64)]) -> Wait {
        Wait {
            id: "b1-0".to_owned(),
            took: Some(took),
            least: 24.0,
            times: 1.0,
            liars: 1,
            hindered: hindered.to_vec(),
        }
    }

    #[test]
    fn time_in_which_something_held_an_agent_up_does_not_count_and_overlaps_count_once() {
        let free = |hindered: &[(f64, f64)]| wait(50.0, hindered).pace().unwrap().free;
        assert_eq!(free(&[]), 50.0);
        assert_eq!(free(&[(10.0, 20.0)]), 40.0);
        assert_eq!(free(&[(15.0, 20.0), (10.0, 16.0), (11.0, 12.0)]), 40.0);
        assert_eq!(free(&[(45.0, 60.0), (70.0, 80.0)]), 45.0);
        assert_eq!(free(&[(0.0, 60.0)]), 0.0);
    }

    /// Seed 101: a site stood still beside a liar that had its lease.
    #[test]
    fn a_site_that_stands_still_for_a_minute_beside_a_liar_is_found_and_one_that_faults_hold_up_is_not() {
        assert_eq!(late(&[wait(30.0, &[]), wait(54.0, &[(3.0, 20.0)])]).count(), 0);
        let found: Vec<String> = late(&[wait(30.0 + 60.0, &[(3.0, 20.0)])]).collect();
        assert!(found.len() == 1 && found[0].contains("b1-0"), "{found:?}");
        // the same minute, of which a fault explains most
        assert_eq!(late(&[wait(30.0 + 60.0, &[(3.0, 55.0)])]).count(), 0);
        // three liars take turns at it
        let beside = |liars| Wait {
            liars,
            ..wait(30.0 + 60.0, &[(3.0, 20.0)])
        };
        assert_eq!((late(&[beside(2)]).count(), late(&[beside(3)]).count()), (0, 0));
        assert_eq!(late(&[beside(0)]).count(), 1);
        // what never came is found otherwise
        let never = Wait {
            took: None,
            ..wait(1.0, &[])
        };
        assert_eq!(late(&[never]).count(), 0);
    }

    #[test]
    fn a_fault_holds_up_whom_it_hits_for_longer_than_those_who_find_another_supplier() {
        let who = || Who::Number("b1".to_owned(), 0);
        let kill = What::Agents(Deed::Kill { forever: false }, who());
        assert_eq!(
            hindrance(&kill, Near::Itself, 10.0, Some(12.0)),
            Some((10.0, 22.0 + RECOVERY))
        );
        assert_eq!(
            hindrance(&kill, Near::Supply, 10.0, Some(12.0)),
            Some((10.0, 10.0 + RECOVERY))
        );
        let frozen = What::Agents(Deed::Freeze, who());
        assert_eq!(
            hindrance(&frozen, Near::Supply, 10.0, Some(100.0)),
            Some((10.0, 30.0 + RECOVERY))
        );
        let clock = What::Agents(Deed::Clock(9), who());
        assert_eq!(hindrance(&clock, Near::Itself, 10.0, Some(12.0)), None);
        assert_eq!(hindrance(&What::MistypeMap, Near::Supply, 10.0, Some(12.0)), None);
    }

    proptest! {
        #[test]
        fn no_agent_is_free_for_longer_than_it_took_nor_for_less_than_all_spans_leave(
            took in 0.0..200.0f64, spans in proptest::collection::vec((0.0..200.0f64, 0.0..50.0f64), 0..10)
        ) {
            let spans: Vec<(f64, f64)> = spans.into_iter().map(|(from, lasts)| (from, from + lasts)).collect();
            let sum: f64 = spans.iter().map(|(from, until)| until - from).sum();
            let free = wait(took, &spans).pace().unwrap().free;
            prop_assert!(free <= took && free >= took - sum - 1e-6 && free >= 0.0, "{}", free);
        }
    }
}
