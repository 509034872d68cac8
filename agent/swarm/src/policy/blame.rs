//! Which addresses sent pieces with wrong hashes, and what follows: first the piece is not asked of that
//! address for a while, then the address is banned for a while. Nothing is for ever, since a machine whose
//! disk was at fault is mended one day, and no peer's word is taken against ourselves: only our own disk and
//! memory can tell that they are at fault.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::backoff::Backoff;
use crate::Time;

/// How long a piece is not asked of an address that sent it wrong.
const SHUN: Backoff = Backoff {
    first: Time::from_secs(10),
    max: Time::from_secs(600),
};
/// How long an address is banned that sent several pieces wrong.
const BAN: Backoff = Backoff {
    first: Time::from_secs(300),
    max: Time::from_secs(3600),
};
/// An address with this many wrong pieces since its last ban is banned.
const OFFENCES: u32 = 3;
/// So many pieces that an address sent a part of may be wrong before it sends pieces alone: then what it sends
/// is its own, and a block of rubbish spoils nothing that another sent.
const MIXED: u32 = 2;
/// So many right pieces that it sent alone make up for each of those; and so much time for all.
const RIGHT_FOR_ONE: u32 = 8;
const MIXED_FORGIVEN: Time = Time::from_secs(600);
/// The most addresses and pieces that are remembered: what liars can make us keep is bounded.
const MAX_REMEMBERED: usize = 4096;

/// What follows from a wrong piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The piece is not asked of this address until then.
    Shun(Time),
    /// Nothing is asked of it until then.
    Ban(Time),
}

#[derive(Clone, Copy, Debug, Default)]
struct Offender {
    /// Wrong pieces since the last ban.
    wrong: u32,
    bans: u32,
    until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Shunned {
    times: u32,
    until: Time,
    /// It may be asked again, and is remembered so that the next wait is longer.
    over: bool,
}

/// An address that sent a part of pieces that were wrong.
#[derive(Clone, Copy, Debug)]
struct Mixed {
    wrong: u32,
    /// Right pieces that it sent alone since.
    right: u32,
    last: Time,
}

/// What is remembered of wrong pieces.
#[derive(Clone, Debug, Default)]
pub struct Blame {
    mixed: BTreeMap<IpAddr, Mixed>,
    offenders: BTreeMap<IpAddr, Offender>,
    shunned: BTreeMap<(u32, IpAddr), Shunned>,
}

impl Blame {
    /// `piece` came from `ip` alone, and its hash is wrong.
    pub fn wrong<R: rand::Rng>(&mut self, piece: u32, ip: IpAddr, now: Time, rng: &mut R) -> Verdict {
        self.forget(now);
        let new = Shunned {
            times: 0,
            until: now,
            over: false,
        };
        let shunned = self.shunned.entry((piece, ip)).or_insert(new);
        // the same piece again, when it was asked again, says nothing new; offered anew before that it does
        let offence = shunned.times == 0 || !shunned.over;
        shunned.times += 1;
        shunned.until = now + SHUN.wait(shunned.times, rng);
        shunned.over = false;
        let until = shunned.until;
        let offender = self.offenders.entry(ip).or_default();
        offender.wrong += u32::from(offence);
        if offender.wrong < OFFENCES {
            return Verdict::Shun(until);
        }
        offender.wrong = 0;
        offender.bans += 1;
        offender.until = now + BAN.wait(offender.bans, rng);
        Verdict::Ban(offender.until)
    }

    /// A piece is wrong that `ip` sent a part of.
    pub fn mixed(&mut self, ip: IpAddr, now: Time) {
        if self.mixed.len() >= MAX_REMEMBERED
            && !self.mixed.contains_key(&ip)
            && let Some(oldest) = self.mixed.iter().min_by_key(|(_, mixed)| mixed.last).map(|(ip, _)| *ip)
        {
            self.mixed.remove(&oldest);
        }
        let new = Mixed {
            wrong: 0,
            right: 0,
            last: now,
        };
        let mixed = self.mixed.entry(ip).or_insert(new);
        mixed.wrong += 1;
        mixed.last = now;
    }

    /// A piece is right that `ip` sent alone. Whether that changes anything.
    pub fn right_alone(&mut self, ip: IpAddr) -> bool {
        let Some(mixed) = self.mixed.get_mut(&ip) else {
            return false;
        };
        mixed.right += 1;
        if mixed.right >= RIGHT_FOR_ONE * mixed.wrong {
            self.mixed.remove(&ip);
        }
        true
    }

    /// Whether `ip` sends pieces alone: parts of several were wrong lately.
    pub fn sends_alone(&self, ip: IpAddr, now: Time) -> bool {
        self.mixed.get(&ip).is_some_and(|mixed| mixed.wrong >= MIXED && now < mixed.last + MIXED_FORGIVEN)
    }

    fn forget(&mut self, now: Time) {
        if self.shunned.len() >= MAX_REMEMBERED {
            self.shunned.retain(|_, shunned| now < shunned.until);
        }
        if self.offenders.len() >= MAX_REMEMBERED {
            self.offenders.retain(|_, offender| now < offender.until);
        }
        while self.shunned.len() >= MAX_REMEMBERED && self.shunned.pop_first().is_some() {}
        while self.offenders.len() >= MAX_REMEMBERED && self.offenders.pop_first().is_some() {}
    }

    /// Whether connections with `ip` are refused.
    pub fn is_banned(&self, ip: IpAddr, now: Time) -> bool {
        self.offenders.get(&ip).is_some_and(|offender| now < offender.until)
    }

    /// The pieces that are not asked of `ip` now.
    pub fn shunned_of(&self, ip: IpAddr) -> impl Iterator<Item = u32> {
        let theirs = self.shunned.iter().filter(move |((_, other), shunned)| *other == ip && !shunned.over);
        theirs.map(|((piece, _), _)| *piece)
    }

    /// Pieces that may be asked again of an address from now on, each told once.
    pub fn forgiven(&mut self, now: Time) -> Vec<(u32, IpAddr)> {
        let mut forgiven = Vec::new();
        for (key, shunned) in &mut self.shunned {
            if !shunned.over && now >= shunned.until {
                shunned.over = true;
                forgiven.push(*key);
            }
        }
        forgiven
    }

    /// A right piece came: what was wrong before is settled. Returns the addresses that had sent it wrong and
    /// were not asked.
    pub fn right(&mut self, piece: u32) -> Vec<IpAddr> {
        let settled: Vec<(u32, IpAddr)> = self.of(piece).map(|(key, _)| *key).collect();
        let waiting = settled.iter().filter(|key| self.shunned.get(key).is_some_and(|s| !s.over));
        let waiting = waiting.map(|(_, ip)| *ip).collect();
        for key in settled {
            self.shunned.remove(&key);
        }
        waiting
    }

    fn of(&self, piece: u32) -> impl Iterator<Item = (&(u32, IpAddr), &Shunned)> {
        let ends = (piece.saturating_add(1), IpAddr::from([0, 0, 0, 0]));
        let starts = (piece, IpAddr::from([0, 0, 0, 0]));
        self.shunned.range(starts..ends)
    }

    /// The first piece that is not asked of some address now: which, of how many addresses, and when it is
    /// asked again.
    pub fn blocked(&self) -> Option<(u32, usize, Time)> {
        let ((piece, _), _) = self.shunned.iter().find(|(_, shunned)| !shunned.over)?;
        let waiting = || self.of(*piece).filter(|(_, shunned)| !shunned.over);
        let again = waiting().map(|(_, shunned)| shunned.until).min()?;
        Some((*piece, waiting().count(), again))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 1, 0, last])
    }

    #[test]
    fn a_piece_is_shunned_at_one_address_for_ever_longer_and_never_for_good() {
        let (mut blame, mut rng) = (Blame::default(), SmallRng::seed_from_u64(1));
        let mut now = Time::ZERO;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let Verdict::Shun(until) = blame.wrong(7, ip(1), now, &mut rng) else {
                panic!("one piece is no reason for a ban");
            };
            assert!(blame.shunned_of(ip(1)).eq([7]) && blame.shunned_of(ip(2)).next().is_none());
            assert!(blame.forgiven(until - Time::from_millis(1)).is_empty());
            assert_eq!(blame.forgiven(until), [(7, ip(1))]);
            assert!(blame.forgiven(until).is_empty(), "told once");
            waits.push(until - now);
            now = until;
        }
        assert!(waits[0] <= Time::from_secs(12) && waits[1] > waits[0]);
        assert!(waits.iter().all(|wait| *wait <= Time::from_secs(720)));
    }

    #[test]
    fn three_wrong_pieces_get_an_address_banned_for_a_while_and_longer_the_next_time() {
        let (mut blame, mut rng) = (Blame::default(), SmallRng::seed_from_u64(1));
        let mut now = Time::ZERO;
        let mut before = Time::ZERO;
        for round in 0..3 {
            for piece in 0..2 {
                let verdict = blame.wrong(round * 10 + piece, ip(1), now, &mut rng);
                assert!(matches!(verdict, Verdict::Shun(_)));
            }
            let Verdict::Ban(until) = blame.wrong(round * 10 + 2, ip(1), now, &mut rng) else {
                panic!("three are enough");
            };
            assert!(blame.is_banned(ip(1), now) && !blame.is_banned(ip(2), now));
            assert!(!blame.is_banned(ip(1), until) && until - now > before);
            (before, now) = (until - now, until);
        }
    }

    #[test]
    fn a_right_piece_settles_what_was_wrong_before() {
        let (mut blame, mut rng) = (Blame::default(), SmallRng::seed_from_u64(1));
        blame.wrong(7, ip(1), Time::ZERO, &mut rng);
        blame.wrong(7, ip(2), Time::ZERO, &mut rng);
        let (piece, addresses, again) = blame.blocked().expect("blocked");
        assert!((piece, addresses) == (7, 2) && again >= Time::from_secs(8));
        assert_eq!(blame.right(7), [ip(1), ip(2)]);
        assert_eq!(blame.blocked(), None);
    }

    #[test]
    fn what_liars_make_us_remember_is_bounded() {
        let (mut blame, mut rng) = (Blame::default(), SmallRng::seed_from_u64(1));
        for number in 0..20_000_u32 {
            blame.wrong(number, IpAddr::from(number.to_be_bytes()), Time::ZERO, &mut rng);
        }
        assert!(blame.shunned.len() <= MAX_REMEMBERED && blame.offenders.len() <= MAX_REMEMBERED);
    }

    #[test]
    fn an_address_with_a_part_in_two_wrong_pieces_sends_alone_until_it_sent_sixteen_right_ones() {
        const NOW: Time = Time::from_secs(100);
        let (mut blame, ip) = (Blame::default(), IpAddr::from([10, 0, 0, 1]));
        blame.mixed(ip, NOW);
        assert!(!blame.sends_alone(ip, NOW));
        blame.mixed(ip, NOW);
        assert!(blame.sends_alone(ip, NOW) && !blame.sends_alone(ip, NOW + MIXED_FORGIVEN));
        for _ in 0..15 {
            blame.right_alone(ip);
        }
        assert!(blame.sends_alone(ip, NOW));
        blame.right_alone(ip);
        assert!(!blame.sends_alone(ip, NOW));
    }
}
