//! Who is let in when more come than there are places: no address keeps the places that others need.
//!
//! A newcomer is always let in, and what gives way for it is the oldest entry *of the address that has most*:
//! a machine that opens thousands of connections pushes out its own. Some places are kept for addresses that
//! are known to belong here, so that many strange addresses cannot take all.

use std::net::IpAddr;

use narrows_protocol::Host;

/// How many places there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    /// For all together.
    pub(crate) all: usize,
    /// For one address.
    pub(crate) per_address: usize,
    /// Of all, how many strangers never take.
    pub(crate) kept: usize,
}

/// How an address stands to this agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// It is known to belong here: the tracker named it, or it is this machine's own.
    Named,
    /// Any other.
    Stranger,
}

impl Standing {
    /// Who counts as one; what is named is named by its address.
    pub(crate) fn host(self, ip: IpAddr) -> Host {
        match self {
            Self::Stranger => Host::of(ip),
            Self::Named => Host::at(ip),
        }
    }
}

/// Those who are in, at most [`Bounds::all`].
#[derive(Debug)]
pub(crate) struct Admission<T> {
    bounds: Bounds,
    /// The oldest first.
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    ip: IpAddr,
    /// See [`Standing::host`].
    host: Host,
    standing: Standing,
    held: T,
}

/// What had to go for a newcomer.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Evicted<T> {
    /// Its address.
    pub(crate) ip: IpAddr,
    /// How many entries that address had, the evicted one included.
    pub(crate) of: usize,
    /// What was let in.
    pub(crate) held: T,
}

impl<T> Admission<T> {
    /// With all places free.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: Vec::new(),
        }
    }

    /// Forgets those who left.
    pub(crate) fn retain(&mut self, mut is_in: impl FnMut(&T) -> bool) {
        self.entries.retain(|entry| is_in(&entry.held));
    }

    /// Lets a newcomer in. What comes back must be ended.
    pub(crate) fn admit(&mut self, ip: IpAddr, standing: Standing, held: T) -> Option<Evicted<T>> {
        let victim = self.victim(ip, standing);
        let evicted = victim.map(|index| {
            let of = self.entries.iter().filter(|entry| entry.host == self.entries[index].host).count();
            let Entry { ip, held, .. } = self.entries.remove(index);
            Evicted { ip, of, held }
        });
        self.entries.push(Entry {
            ip,
            host: standing.host(ip),
            standing,
            held,
        });
        evicted
    }

    /// Which entry gives way, if one has to.
    fn victim(&self, ip: IpAddr, standing: Standing) -> Option<usize> {
        let host = standing.host(ip);
        if self.entries.iter().filter(|entry| entry.host == host).count() >= self.bounds.per_address {
            return self.entries.iter().position(|entry| entry.host == host);
        }
        let is_stranger = |entry: &Entry<T>| entry.standing == Standing::Stranger;
        let strangers = self.entries.iter().filter(|entry| is_stranger(entry)).count();
        let for_strangers = self.bounds.all.saturating_sub(self.bounds.kept);
        let full = self.entries.len() >= self.bounds.all;
        let too_strange = standing == Standing::Stranger && strangers >= for_strangers;
        if !full && !too_strange {
            return None;
        }
        // strangers give way first; if there are none, all are named
        self.most_frequent(is_stranger).or_else(|| self.most_frequent(|_| true))
    }

    /// The oldest of the address that has most, among some; the oldest of all where several have as many.
    fn most_frequent(&self, among: impl Fn(&Entry<T>) -> bool) -> Option<usize> {
        let of = |host| self.entries.iter().filter(|entry| entry.host == host && among(entry)).count();
        let some = self.entries.iter().enumerate().filter(|(_, entry)| among(entry));
        some.map(|(index, entry)| (of(entry.host), std::cmp::Reverse(index)))
            .max()
            .map(|(_, index)| index.0)
    }

    /// How many are in.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        all: 8,
        per_address: 4,
        kept: 4,
    };

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_flood_from_one_address_pushes_out_its_own_and_no_slow_one_from_elsewhere() {
        let mut admission = Admission::new(BOUNDS);
        for slow in 1..=2 {
            assert_eq!(
                admission.admit(ip(slow), Standing::Stranger, u32::from(slow)),
                None
            );
        }
        for n in 100..10_000 {
            if let Some(evicted) = admission.admit(ip(66), Standing::Stranger, n) {
                assert_eq!(evicted.ip, ip(66));
            }
        }
        let mut left = Vec::new();
        admission.retain(|held| {
            left.push(*held);
            true
        });
        assert_eq!(left, [1, 2, 9998, 9999]);
    }

    #[test]
    fn a_flood_from_all_addresses_of_an_ipv6_network_is_one_machine() {
        let mut admission = Admission::new(BOUNDS);
        for n in 0..1000_u128 {
            let ip = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + n);
            admission.admit(ip.into(), Standing::Stranger, 0);
        }
        assert_eq!(admission.len(), BOUNDS.per_address);
        let named = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + 7);
        assert_eq!(admission.admit(named.into(), Standing::Named, 1), None);
    }

    #[test]
    fn strangers_of_many_addresses_leave_places_to_those_that_the_tracker_named() {
        let mut admission = Admission::new(BOUNDS);
        for n in 0..1000_u32 {
            admission.admit(IpAddr::from(n.to_be_bytes()), Standing::Stranger, n);
        }
        assert_eq!(admission.len(), BOUNDS.all - BOUNDS.kept);
        for named in 1..=8 {
            let evicted = admission.admit(ip(named), Standing::Named, u32::from(named));
            assert_eq!(evicted.is_some(), named > 4, "strangers give way, one by one");
        }
        let evicted = admission.admit(ip(66), Standing::Stranger, 66).expect("there are no places left");
        assert_eq!((evicted.ip, evicted.of), (ip(1), 1), "all are named: the oldest");
        assert_eq!(admission.len(), BOUNDS.all);
    }

    #[test]
    fn one_address_has_no_more_than_its_places_though_others_are_free() {
        let mut admission = Admission::new(BOUNDS);
        for n in 0..20_u32 {
            let evicted = admission.admit(ip(1), Standing::Named, n);
            let of = evicted.map(|evicted| (evicted.of, evicted.held));
            assert_eq!(of, n.checked_sub(4).map(|oldest| (4, oldest)));
        }
        assert_eq!(admission.len(), 4);
    }
}
