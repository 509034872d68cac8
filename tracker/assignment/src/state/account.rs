//! What one of several gateways of a site says that it fetched, beside what others there say that they had from
//! it. The one is a claim of the gateway's own; the other is said by those to whom it was brought.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use narrows_protocol::Host;

use crate::Time;
use crate::endpoint::Endpoint;

/// The most peers whose totals are kept for a gateway: of further ones nothing is known.
const MAX_TOTALS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Account {
    /// When the present period began.
    since: Time,
    /// What the gateway had fetched by then, as it says; `None`: it has not said.
    wan: Option<u64>,
    /// What it said that it fetched in the period before: it has gone round by the end of this one.
    due: u64,
    /// What others had from it in this period.
    brought: u64,
    /// The first that said so, or that they had nothing, and whether another one did.
    heard: Option<(Host, bool)>,
    /// What each peer had from it in all, as it last said.
    totals: HashMap<Endpoint, u64, RandomState>,
    /// In the last period others had next to nothing of what it said that it had fetched.
    pub(crate) is_short: bool,
}

impl Account {
    pub(crate) fn new(now: Time) -> Account {
        Account {
            since: now,
            wan: None,
            due: 0,
            brought: 0,
            heard: None,
            totals: HashMap::default(),
            is_short: false,
        }
    }

    /// What a peer, which says that it had so much from the gateway in all, had since it last said so.
    pub(crate) fn growth(&self, by: Endpoint, total: u64) -> u64 {
        match self.totals.get(&by) {
            Some(known) if *known <= total => total - known,
            _ => total,
        }
    }

    /// A peer had so much from the gateway, in all and since it last said so.
    pub(crate) fn note(&mut self, by: Endpoint, total: Option<u64>, growth: u64) {
        if let Some(total) = total
            && (self.totals.len() < MAX_TOTALS || self.totals.contains_key(&by))
        {
            self.totals.insert(by, total);
        }
        self.brought = self.brought.saturating_add(growth);
        let host = by.host();
        let (first, several) = self.heard.get_or_insert((host, false));
        *several |= *first != host;
    }

    /// The gateway says that it has fetched `wan` bytes. After `term` the period ends, if two machines have spoken
    /// in it: then they had at least one part in `part` of what it fetched in the one before, or it is short.
    pub(crate) fn claim(&mut self, wan: u64, term: Duration, part: u64, now: Time) {
        let Some(before) = self.wan else {
            (self.wan, self.since) = (Some(wan), now);
            return;
        };
        if now < self.since + term || !self.heard.is_some_and(|(_, several)| several) {
            return;
        }
        self.is_short = self.brought.saturating_mul(part) < self.due;
        (self.due, self.brought, self.heard) = (wan.saturating_sub(before), 0, None);
        (self.wan, self.since) = (Some(wan), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(66);

    fn peer(last: u8) -> Endpoint {
        Endpoint::of(([10, 2, 0, last], 6881).into())
    }

    #[test]
    fn a_gateway_is_short_of_which_two_machines_have_next_to_nothing_of_what_it_said_in_the_period_before() {
        for (had, is_short) in [(0, true), (124, true), (125, false), (1000, false)] {
            let mut account = Account::new(Time::ZERO);
            account.claim(500, TERM, 4, Time::ZERO);
            for period in 1..=2 {
                let brought = if period == 1 { 0 } else { had };
                for last in [1, 2] {
                    let growth = account.growth(peer(last), brought);
                    account.note(peer(last), Some(brought), growth);
                }
                account.claim(500 + 1000 * period, TERM, 4, TERM * period as u32);
                assert_eq!(account.is_short, period == 2 && is_short, "{had}, {period}");
            }
        }
    }

    #[test]
    fn what_one_machine_says_ends_no_period_and_totals_that_begin_anew_count_as_they_are() {
        let mut account = Account::new(Time::ZERO);
        account.claim(0, TERM, 4, Time::ZERO);
        for n in 1..10 {
            account.note(peer(1), Some(0), 0);
            account.claim(1000 * n, TERM, 4, TERM * n as u32);
            assert!(!account.is_short);
        }
        account.note(peer(2), Some(700), 700);
        assert_eq!(
            (account.growth(peer(2), 900), account.growth(peer(2), 30)),
            (200, 30)
        );
    }
}
