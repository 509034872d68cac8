//! Whether what a neighbour says it has comes from it. That it has a piece is a claim; that it brought one is
//! a fact. A claim counts for a term, as an advance; a neighbour that breaks its word counts again once it has
//! brought its share for a while, and the next one from its address has no advance for a time.
//!
//! What is remembered is kept by address, so that a new connection does not wash a liar clean. Several
//! machines may share an address (NAT): its past decides only whether a new connection has an advance and how
//! long it is on probation, and each connection proves itself by what it brings. None is refused, and all are
//! asked: an honest machine behind a liar's address costs at most that its pieces cross the link once more.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::Time;

/// How long a link may stand idle for what neighbours say they have, before each is judged by what it brought.
pub const TERM: Time = Time::from_secs(4);
/// Where no rate is granted, a link is taken to bring so many bytes/s: 1 Mbit/s.
const LITTLE: u64 = 125_000;
/// How long an address has no advance after its first broken word; doubled with each further one, at most.
const NO_ADVANCE: Time = Time::from_secs(60);
const MAX_NO_ADVANCE: Time = Time::from_secs(3600);
/// The longest probation of a connection that broke its word, and of one that only shares its address.
const MAX_PROBATION: Time = Time::from_secs(600);
const MAX_SHARED_PROBATION: Time = Time::from_secs(32);
/// After so long one broken word is forgiven.
const FORGIVEN: Time = Time::from_secs(600);
/// Addresses that are remembered, 64 bytes each; the one that broke its word longest ago is forgotten first.
pub const MAX_REMEMBERED: usize = 1024;
/// How long a link may stand idle in vain for newcomers, from whatever addresses: a liar that has many holds it
/// for so long, and then for a fifth of the time. Until then no newcomer has an advance.
const MAX_IN_VAIN: Time = Time::from_secs(12);
const PAYS_OFF: u32 = 5;

/// Bytes that neighbours have to bring together in `term` for a link of `rate` bytes/s (0: no limit) to stand
/// idle for them: half of what it would bring itself.
pub fn enough(rate: u64, term: Time) -> u64 {
    let rate = if rate == 0 { LITTLE } else { rate };
    (rate as f64 / 2.0 * term.as_secs_f64()) as u64
}

/// A neighbour whose word does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probation {
    /// Since when what it brings is measured, and what it had brought by then.
    pub since: Time,
    /// See above.
    pub brought: u64,
    /// How long it has to bring its share without a break.
    pub lasts: Time,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Broken words that are not forgiven.
    broken: u32,
    /// When the last one was, or when one of its connections was last waited for in vain.
    last: Time,
    /// How long connections that then ended were waited for in vain since the last broken word.
    waited: Time,
}

/// What is remembered of addresses.
#[derive(Clone, Debug, Default)]
pub struct Credit {
    records: BTreeMap<IpAddr, Record>,
    /// How long newcomers were waited for in vain, less what has been paid off by then.
    in_vain: (Time, Time),
}

impl Credit {
    /// A neighbour at `ip` did not bring what it said it has. `advance`: it had brought nothing yet. Returns
    /// how long it has to bring its share before it counts again.
    pub fn broke(&mut self, ip: IpAddr, advance: bool, now: Time) -> Time {
        if advance {
            self.in_vain = (self.in_vain_at(now) + TERM, now);
        }
        self.make_room(ip);
        let broken = self.broken(ip, now) + 1;
        let waited = Time::ZERO;
        let last = now;
        self.records.insert(ip, Record { broken, last, waited });
        doubled(TERM, broken, MAX_PROBATION)
    }

    /// A connection from `ip` ended that a link stood idle for, for so long, and that brought nothing. Such
    /// times add up: who goes before each term is over breaks its word, too.
    pub fn left(&mut self, ip: IpAddr, waited: Time, advance: bool, now: Time) {
        if advance {
            self.in_vain = (self.in_vain_at(now) + waited, now);
        }
        self.make_room(ip);
        let new = Record {
            broken: 0,
            last: now,
            waited: Time::ZERO,
        };
        let record = self.records.entry(ip).or_insert(new);
        let forgotten = now >= record.last + FORGIVEN;
        record.waited = waited + if forgotten { Time::ZERO } else { record.waited };
        if record.waited >= TERM {
            self.broke(ip, false, now);
        } else if record.broken == 0 {
            record.last = now;
        }
    }

    fn in_vain_at(&self, now: Time) -> Time {
        let (waited, then) = self.in_vain;
        waited.min(MAX_IN_VAIN).saturating_sub(now.saturating_sub(then) / PAYS_OFF)
    }

    fn make_room(&mut self, ip: IpAddr) {
        if self.records.len() >= MAX_REMEMBERED
            && !self.records.contains_key(&ip)
            && let Some(oldest) = self.records.iter().min_by_key(|(_, record)| record.last)
        {
            let oldest = *oldest.0;
            self.records.remove(&oldest);
        }
    }

    /// Whether what a newcomer from `ip` says it has counts before it brought anything; else how long it has
    /// to bring its share first.
    pub fn advance(&self, ip: IpAddr, now: Time) -> Result<(), Time> {
        let crowded = self.in_vain_at(now) + TERM > MAX_IN_VAIN;
        match self.records.get(&ip) {
            Some(record)
                if record.broken > 0
                    && now < record.last + doubled(NO_ADVANCE, record.broken, MAX_NO_ADVANCE) =>
            {
                Err(doubled(TERM, self.broken(ip, now).max(1), MAX_SHARED_PROBATION))
            }
            _ if crowded => Err(TERM),
            _ => Ok(()),
        }
    }

    /// Broken words that are not forgiven yet.
    fn broken(&self, ip: IpAddr, now: Time) -> u32 {
        let Some(record) = self.records.get(&ip) else {
            return 0;
        };
        let forgiven = now.saturating_sub(record.last).as_secs() / FORGIVEN.as_secs();
        record.broken.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }

    /// How many addresses are remembered.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// `first`, doubled for each after the first of `times`, at most `max`.
fn doubled(first: Time, times: u32, max: Time) -> Time {
    (first * (1 << times.clamp(1, 16).saturating_sub(1))).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    fn ip(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn an_address_that_broke_its_word_has_no_advance_for_a_minute_then_for_two() {
        let mut credit = Credit::default();
        assert_eq!(credit.advance(ip(1), at(0)), Ok(()));
        assert_eq!(credit.broke(ip(1), true, at(0)), TERM);
        assert_eq!(credit.advance(ip(1), at(59)), Err(TERM));
        assert_eq!(credit.advance(ip(1), at(60)), Ok(()));
        assert_eq!(credit.broke(ip(1), true, at(60)), TERM * 2);
        assert_eq!(credit.advance(ip(1), at(179)), Err(TERM * 2));
        assert_eq!(credit.advance(ip(1), at(180)), Ok(()));
    }

    #[test]
    fn probation_doubles_to_ten_minutes_and_half_a_minute_for_those_that_share_the_address() {
        let mut credit = Credit::default();
        let longest = (0..20).map(|n| credit.broke(ip(1), false, at(n))).max();
        assert_eq!(longest, Some(MAX_PROBATION));
        assert_eq!(credit.advance(ip(1), at(20)), Err(MAX_SHARED_PROBATION));
    }

    #[test]
    fn an_address_that_keeps_its_word_is_forgiven_with_time() {
        let mut credit = Credit::default();
        for second in 0..3 {
            credit.broke(ip(1), false, at(second));
        }
        assert_eq!(credit.broke(ip(1), false, at(3 + 2 * 600)), TERM * 2);
        assert_eq!(credit.broke(ip(1), false, at(90_000)), TERM);
    }

    #[test]
    fn a_liar_with_many_addresses_holds_a_link_for_a_fifth_of_the_time_and_fills_no_memory() {
        let mut credit = Credit::default();
        let mut in_vain = 0;
        for number in 0..20_000 {
            let now = Time::from_millis(u64::from(number) * 100);
            if credit.advance(ip(number), now).is_ok() {
                in_vain += 1;
                credit.broke(ip(number), true, now);
            }
        }
        assert!(in_vain * 4 <= 2000 / 5 + 12, "{in_vain} terms in 2,000 seconds");
        for number in 0..20_000 {
            credit.broke(ip(number), false, at(3000 + u64::from(number)));
        }
        assert_eq!(credit.len(), MAX_REMEMBERED);
        assert!(
            credit.advance(ip(19_999), at(23_000)).is_err(),
            "the latest is remembered"
        );
    }

    #[test]
    fn a_liar_that_goes_before_each_term_is_over_breaks_its_word_all_the_same() {
        let mut credit = Credit::default();
        credit.left(ip(1), Time::from_secs(3), true, at(3));
        assert_eq!(credit.advance(ip(1), at(3)), Ok(()));
        credit.left(ip(1), Time::from_secs(1), true, at(5));
        assert_eq!(credit.advance(ip(1), at(5)), Err(TERM));
        assert_eq!(credit.advance(ip(2), at(5)), Ok(()));
    }

    #[test]
    fn a_link_without_a_granted_rate_waits_for_neighbours_that_bring_half_a_megabit() {
        assert_eq!(enough(0, TERM), 250_000);
        assert_eq!(enough(2_500_000, TERM), 5_000_000);
    }
}
