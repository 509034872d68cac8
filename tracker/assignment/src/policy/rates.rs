//! The numbers of rule 10, rates.

use std::time::Duration;

/// What a gateway may use of its path, and when it hears of changes (rule 10).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BudgetPolicy {
    /// How many times what arrives at its parent a flow may have, so that it is never behind for long.
    pub slack: f64,
    /// In how many seconds a flow may catch up with its parent.
    pub catch_up: f64,
    /// A capped flow has one part in so many of its path nevertheless: it must be able to notice that its
    /// parent became faster.
    pub least_cap: u64,
    /// When a gateway comes back that has less than its share: others hear within that time that they have
    /// less.
    pub unsettled: Duration,
    /// A gateway comes back so long after a schedule changes one of its links, so that the new rate is in
    /// force ...
    pub after_change: Duration,
    /// ... or up to so much later, not all gateways in the same moment.
    pub after_change_spread: Duration,
    /// How far ahead schedules are looked at, in minutes: each costs a look at the links. A gateway with a longer
    /// interval hears of a later change at its next announce.
    pub horizon_minutes: u64,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        BudgetPolicy {
            slack: 1.1,
            catch_up: 10.0,
            least_cap: 25,
            unsettled: Duration::from_millis(1500),
            after_change: Duration::from_millis(200),
            after_change_spread: Duration::from_millis(1800),
            horizon_minutes: 60,
        }
    }
}

/// When parents are planned (rule 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanningPolicy {
    /// On maps of up to so many sites the announce that changes what parents depend on plans them: it takes less
    /// time than handing it over. On larger ones it is done beside the announces.
    pub at_once: usize,
    /// When a peer comes back that waits for a plan, for it knows no other to fetch from.
    pub again: Duration,
}

impl Default for PlanningPolicy {
    fn default() -> Self {
        PlanningPolicy {
            at_once: 12,
            again: Duration::from_secs(1),
        }
    }
}

/// How the links are shared between flows, and what of the shares is granted (rule 10).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SharesPolicy {
    /// More flows than this are shared out once in [`SharesPolicy::fresh`] only, since it takes time, and
    /// beside the announces ([`crate::Ledger::share_out`]); a newer flow gets an estimate until then.
    pub eager: usize,
    /// An announce does it nevertheless if it was not done for so many times [`SharesPolicy::fresh`].
    pub overdue: u32,
    /// How old shares may get: schedules change rates.
    pub fresh: Duration,
    /// What a flow sends the other way, as a part of it: acknowledgements, one frame of 66 bytes for two full
    /// segments, and requests. 2.3 to 2.8 % by the lab's counters; a link that is offered even a little more
    /// than its rate has full queues.
    pub backwards: f64,
    /// Thousandths of a link that may be granted beyond its rate, so that a newcomer need not wait: what
    /// shaping and queues take without loss.
    pub headroom: u64,
    /// A newcomer gets at least one part in so many of a link ...
    pub floor: u64,
    /// ... but no more than so many twentieths of what is left of the headroom, so that there is some for the
    /// next one.
    pub floor_headroom: u64,
    /// A grant counts as all that is fair from so many parts in one more on (49 of 50): the rest is not worth
    /// another announce.
    pub settled: u32,
}

impl Default for SharesPolicy {
    fn default() -> Self {
        SharesPolicy {
            eager: 256,
            overdue: 4,
            fresh: Duration::from_secs(1),
            backwards: 0.03,
            headroom: 48,
            floor: 25,
            floor_headroom: 17,
            settled: 49,
        }
    }
}
