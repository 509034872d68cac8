//! Who has a place among a content's connections, when there are fewer places than peers that want one.
//!
//! An address has a few places for sure, and more while most are free: several agents may be behind one
//! address (NAT), and a site behind one that does not share needs a place for each. When places are short, a
//! newcomer takes that of an address that has more than it, or one that has been of no use, and the address
//! with most gives first. Addresses that the tracker named come before all others: half of the places are
//! kept for those that are not connected yet. A connection that we dialled never gives way, and one with an address
//! that was named does so for that address alone: what is left of an agent that lost its power is in no other's way.

use std::collections::BTreeMap;
use std::net::IpAddr;

use narrows_protocol::Host;

use crate::{PeerKey, Time};

/// The places that every address has, if there are that many: one agent needs one, a second while roles
/// change or for its own dial, and as many for another agent behind the same address.
pub const SURE: usize = 4;
/// The most places of one address, while fewer than half of all are taken.
pub const MAX_PER_ADDRESS: usize = 16;
/// A connection on which no payload went either way for so long, and on which none is owed, is of no use.
pub const USELESS: Time = Time::from_secs(20);

/// How an address stands to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// We dialled it, since the tracker named it.
    Dialled,
    /// The tracker named it in its last reply.
    Named,
    /// Any other: also a gateway of another site, which is in no reply to us.
    Stranger,
}

/// A connection that has a place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which one.
    pub peer: PeerKey,
    /// The other end.
    pub ip: IpAddr,
    /// Of that.
    pub standing: Standing,
    /// When payload last went either way, or was owed.
    pub used: Time,
}

/// What becomes of a newcomer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There is a place.
    Enters,
    /// It takes the place of this one.
    InPlaceOf(PeerKey),
    /// All places are taken, by others with as good a right.
    AllTaken,
    /// Its address has enough.
    AddressHasEnough,
}

/// Whether a connection with `ip` gets one of `limit` places; `awaited` addresses that the tracker named have
/// none yet.
pub fn verdict(
    ip: IpAddr,
    standing: Standing,
    taken: &[Place],
    limit: usize,
    awaited: usize,
    now: Time,
) -> Verdict {
    let mut counts: BTreeMap<Host, usize> = BTreeMap::new();
    for place in taken {
        *counts.entry(Host::of(place.ip)).or_default() += 1;
    }
    let of_host = |ip| counts.get(&Host::of(ip)).copied().unwrap_or(0);
    let (own, of_address) = (of_host(ip), taken.iter().filter(|place| place.ip == ip).count());
    let is_useless = |place: &&Place| now >= place.used + USELESS;
    let gives = |place: &&Place| place.standing == Standing::Stranger;
    let enough = match taken.len() < limit / 2 {
        true => MAX_PER_ADDRESS,
        false => SURE.min(limit.div_ceil(2)),
    };
    if of_address >= enough {
        let theirs = taken.iter().filter(|place| place.ip == ip && place.standing != Standing::Dialled);
        let theirs = theirs.filter(is_useless);
        let oldest = theirs.min_by_key(|place| (place.used, place.peer));
        return oldest.map_or(Verdict::AddressHasEnough, |place| Verdict::InPlaceOf(place.peer));
    }
    let room = match standing {
        Standing::Dialled | Standing::Named => limit,
        Standing::Stranger => limit - awaited.min(limit / 2),
    };
    if taken.len() < room {
        return Verdict::Enters;
    }
    let strangers = taken.iter().filter(gives).count();
    let has_more = |place: &&Place| {
        let count = of_host(place.ip);
        let owed = standing != Standing::Stranger && strangers > limit / 2;
        count > own + 1 || (is_useless(place) && count > own) || owed
    };
    let most = taken.iter().filter(gives).filter(has_more);
    let first = most.max_by_key(|place| {
        let count = of_host(place.ip);
        (count, std::cmp::Reverse((place.used, place.peer)))
    });
    first.map_or(Verdict::AllTaken, |place| Verdict::InPlaceOf(place.peer))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const NOW: Time = Time::from_secs(1000);
    const LIMIT: usize = 512;

    fn ip(number: usize) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number as u32).to_be_bytes())
    }

    #[derive(Default)]
    struct Door {
        taken: Vec<Place>,
        peers: u64,
    }

    impl Door {
        fn place(&mut self, ip: IpAddr, standing: Standing, used: Time) {
            self.peers += 1;
            let peer = PeerKey(self.peers);
            self.taken.push(Place {
                peer,
                ip,
                standing,
                used,
            });
        }

        fn comes(&mut self, ip: IpAddr, standing: Standing, awaited: usize) -> Verdict {
            let verdict = verdict(ip, standing, &self.taken, LIMIT, awaited, NOW);
            if let Verdict::InPlaceOf(peer) = verdict {
                self.taken.retain(|place| place.peer != peer);
            }
            if matches!(verdict, Verdict::Enters | Verdict::InPlaceOf(_)) {
                self.place(ip, standing, NOW);
            }
            verdict
        }

        fn of(&self, ip: IpAddr) -> usize {
            self.taken.iter().filter(|place| place.ip == ip).count()
        }
    }

    #[test]
    fn one_machine_never_fills_a_seeder() {
        let mut door = Door::default();
        for _ in 0..2000 {
            door.comes(ip(66), Standing::Stranger, 0);
        }
        assert_eq!(door.of(ip(66)), MAX_PER_ADDRESS);
        for honest in 1000..1500 {
            let verdict = door.comes(ip(honest), Standing::Stranger, 0);
            assert!(
                matches!(verdict, Verdict::Enters | Verdict::InPlaceOf(_)),
                "{verdict:?}"
            );
        }
        assert_eq!((door.taken.len(), door.of(ip(66))), (LIMIT, 12));
    }

    #[test]
    fn a_machine_with_many_addresses_gives_way_place_by_place_to_those_that_have_fewer() {
        let mut door = Door::default();
        for n in 0..4000 {
            door.comes(ip(n % 128), Standing::Stranger, 0);
        }
        assert_eq!((door.taken.len(), door.of(ip(5))), (LIMIT, SURE));
        for honest in 1000..1200 {
            let verdict = door.comes(ip(honest), Standing::Stranger, 0);
            assert!(matches!(verdict, Verdict::InPlaceOf(_)), "{verdict:?}");
        }
        assert_eq!(
            door.taken.iter().filter(|place| place.ip >= ip(1000)).count(),
            200
        );
    }

    #[test]
    fn a_machine_with_all_addresses_of_an_ipv6_network_is_one() {
        let mut door = Door::default();
        for n in 0..2000_u128 {
            let ip = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + n);
            door.comes(ip.into(), Standing::Stranger, 0);
        }
        assert_eq!(door.taken.len(), LIMIT);
        for honest in 1000..1200 {
            let verdict = door.comes(ip(honest), Standing::Stranger, 0);
            assert!(matches!(verdict, Verdict::InPlaceOf(_)), "{verdict:?}");
        }
    }

    #[test]
    fn a_connection_without_use_gives_way_and_one_that_is_served_does_not() {
        let mut door = Door::default();
        for n in 0..LIMIT {
            let used = if n == 77 { NOW - USELESS } else { NOW };
            door.place(ip(n), Standing::Stranger, used);
        }
        assert_eq!(
            door.comes(ip(1000), Standing::Stranger, 0),
            Verdict::InPlaceOf(PeerKey(78))
        );
        assert_eq!(door.comes(ip(1001), Standing::Stranger, 0), Verdict::AllTaken);
    }

    #[test]
    fn half_of_the_places_are_kept_for_peers_that_the_tracker_named() {
        let mut door = Door::default();
        let strangers = (0..1000).filter(|n| door.comes(ip(*n), Standing::Stranger, 1000) == Verdict::Enters);
        assert_eq!(strangers.count(), LIMIT / 2);
        for named in 0..LIMIT / 2 {
            assert_eq!(door.comes(ip(2000 + named), Standing::Named, 0), Verdict::Enters);
        }
        assert_eq!(door.comes(ip(5000), Standing::Named, 0), Verdict::AllTaken);
        assert_eq!(door.comes(ip(5000), Standing::Stranger, 0), Verdict::AllTaken);
    }

    #[test]
    fn named_peers_get_the_kept_half_also_from_strangers_that_came_before_they_were_named() {
        let mut door = Door::default();
        for n in 0..LIMIT {
            assert_eq!(door.comes(ip(n), Standing::Stranger, 0), Verdict::Enters);
        }
        let displaced = (0..LIMIT).filter(|n| {
            matches!(
                door.comes(ip(2000 + n), Standing::Named, 0),
                Verdict::InPlaceOf(_)
            )
        });
        assert_eq!(displaced.count(), LIMIT / 2);
    }

    #[test]
    fn agents_behind_one_address_all_have_a_place_while_most_are_free() {
        let mut door = Door::default();
        for _ in 0..MAX_PER_ADDRESS {
            assert_eq!(door.comes(ip(1), Standing::Stranger, 0), Verdict::Enters);
        }
        assert_eq!(
            door.comes(ip(1), Standing::Stranger, 0),
            Verdict::AddressHasEnough
        );
        // an agent behind it that came again takes the place of what is left of itself
        door.taken[3].used = NOW - USELESS;
        assert_eq!(
            door.comes(ip(1), Standing::Stranger, 0),
            Verdict::InPlaceOf(PeerKey(4))
        );
    }

    #[test]
    fn a_named_agent_that_comes_again_and_again_takes_the_place_of_what_is_left_of_it() {
        let mut door = Door::default();
        for _ in 0..MAX_PER_ADDRESS - 1 {
            door.place(ip(1), Standing::Named, NOW - USELESS);
        }
        door.place(ip(1), Standing::Dialled, NOW - 2 * USELESS);
        assert_eq!(
            door.comes(ip(1), Standing::Named, 0),
            Verdict::InPlaceOf(PeerKey(1)),
            "and not of the one that we dialled"
        );
        assert_eq!(door.comes(ip(2), Standing::Named, 0), Verdict::Enters);
    }

    #[test]
    fn with_the_fewest_places_there_is_still_one_for_another_address() {
        let places = |n: u64| -> Vec<Place> {
            let place = |peer| Place {
                peer: PeerKey(peer),
                ip: ip(1),
                standing: Standing::Stranger,
                used: NOW,
            };
            (1..=n).map(place).collect()
        };
        assert_eq!(
            verdict(ip(1), Standing::Stranger, &places(2), 4, 0, NOW),
            Verdict::AddressHasEnough
        );
        assert_eq!(
            verdict(ip(2), Standing::Stranger, &places(4), 4, 0, NOW),
            Verdict::InPlaceOf(PeerKey(1))
        );
    }
}
