//! Who may hold a connection: a bound for each address and one for all, and whose connection ends when a
//! newcomer finds no place. Pure: connections are numbers and handles, their use a number that grows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use narrows_protocol::Host;

/// Who holds places together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Holder {
    /// A client, or several behind one NAT.
    Client(Host),
    /// A proxy of `trusted_proxies`: many clients come through it, so it has no bound of its own but half of
    /// all places.
    Proxy(IpAddr),
}

impl Holder {
    pub(crate) fn of(socket: IpAddr, trusted: &[IpNet]) -> Self {
        let address = socket.to_canonical();
        if trusted.iter().any(|network| network.contains(&address)) {
            return Self::Proxy(address);
        }
        Self::Client(Host::of(address))
    }

    const fn is_proxy(self) -> bool {
        matches!(self, Self::Proxy(_))
    }
}

/// How many places there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) max: usize,
    /// For a [client](Holder::Client).
    pub(crate) max_per_address: usize,
}

/// What holds a place.
pub(crate) trait Occupant {
    /// When it was last of use; the one with the least makes room first.
    fn last_used(&self) -> u64;
}

/// A place that is held, until it is [given back](Places::give_back) or taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    holder: Holder,
    number: u64,
}

/// Why a place was taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// Its holder had as many as one may have, and took another.
    OverBound,
    /// All were held, and its holder had more than others.
    Full,
}

/// Who had to go.
#[derive(Debug)]
pub(crate) struct Evicted<T> {
    pub(crate) occupant: T,
    pub(crate) reason: Reason,
    /// How many places its holder had.
    pub(crate) had: usize,
}

/// The places that are held. A newcomer always gets one: where there is none, the holder of most gives one
/// up, and of its own the one that has been of no use for longest.
pub(crate) struct Places<T> {
    limits: Limits,
    next: u64,
    held: usize,
    held_by_proxies: usize,
    by_holder: HashMap<Holder, BTreeMap<u64, T>>,
    /// Those with most places last; of equal ones those that began first.
    clients: BTreeSet<Rank>,
    proxies: BTreeSet<Rank>,
}

/// (number of places, the oldest of them, whose they are)
type Rank = (usize, Reverse<u64>, Holder);

impl<T: Occupant> Places<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            held: 0,
            held_by_proxies: 0,
            by_holder: HashMap::new(),
            clients: BTreeSet::new(),
            proxies: BTreeSet::new(),
        }
    }

    /// Takes a place, and says who had to give up theirs.
    pub(crate) fn take(&mut self, holder: Holder, occupant: T) -> (Place, Option<Evicted<T>>) {
        let own = self.by_holder.get(&holder).map_or(0, BTreeMap::len);
        let evicted = if !holder.is_proxy() && own >= self.limits.max_per_address {
            self.evict(holder, Reason::OverBound)
        } else if self.held >= self.limits.max {
            self.make_room(1)
        } else {
            None
        };
        let number = self.next;
        self.next += 1;
        self.change(holder, |places| {
            places.insert(number, occupant);
        });
        (Place { holder, number }, evicted)
    }

    /// Takes a place away from the holder of most; `None` if that one has not so many.
    pub(crate) fn make_room(&mut self, least: usize) -> Option<Evicted<T>> {
        let proxies_first = self.held_by_proxies > self.limits.max / 2;
        let last = |ranks: &BTreeSet<Rank>| ranks.last().map(|(_, _, holder)| *holder);
        let (proxy, client) = (last(&self.proxies), last(&self.clients));
        let holder = if proxies_first {
            proxy.or(client)
        } else {
            client.or(proxy)
        };
        let holder = holder.filter(|holder| self.by_holder.get(holder).map_or(0, BTreeMap::len) >= least);
        self.evict(holder?, Reason::Full)
    }

    /// Gives a place back; nothing happens if it was taken away meanwhile.
    pub(crate) fn give_back(&mut self, place: Place) {
        self.change(place.holder, |places| {
            places.remove(&place.number);
        });
    }

    fn evict(&mut self, holder: Holder, reason: Reason) -> Option<Evicted<T>> {
        let places = self.by_holder.get(&holder)?;
        let had = places.len();
        let (number, _) = places.iter().min_by_key(|(number, occupant)| (occupant.last_used(), **number))?;
        let number = *number;
        let occupant = self.change(holder, |places| places.remove(&number))?;
        Some(Evicted {
            occupant,
            reason,
            had,
        })
    }

    /// Changes what a holder has, and what follows from that.
    fn change<R>(&mut self, holder: Holder, change: impl FnOnce(&mut BTreeMap<u64, T>) -> R) -> R {
        let places = self.by_holder.entry(holder).or_default();
        let (before, changed, after) = (rank(holder, places), change(places), rank(holder, places));
        let ranks = if holder.is_proxy() {
            &mut self.proxies
        } else {
            &mut self.clients
        };
        let count = |rank: Option<Rank>| rank.map_or(0, |(places, ..)| places);
        let (had, has) = (count(before), count(after));
        self.held = self.held + has - had;
        if holder.is_proxy() {
            self.held_by_proxies = self.held_by_proxies + has - had;
        }
        if let Some(before) = before {
            ranks.remove(&before);
        }
        match after {
            Some(after) => {
                ranks.insert(after);
            }
            None => {
                self.by_holder.remove(&holder);
            }
        }
        changed
    }
}

/// `None`: it has none.
fn rank<T>(holder: Holder, places: &BTreeMap<u64, T>) -> Option<Rank> {
    let (oldest, _) = places.first_key_value()?;
    Some((places.len(), Reverse(*oldest), holder))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// A connection with a name, and when it was last of use.
    #[derive(Clone, Debug)]
    struct Named(&'static str, Rc<Cell<u64>>);

    impl Occupant for Named {
        fn last_used(&self) -> u64 {
            self.1.get()
        }
    }

    fn named(name: &'static str, used: u64) -> Named {
        Named(name, Rc::new(Cell::new(used)))
    }

    fn client(text: &str) -> Holder {
        Holder::of(text.parse().unwrap(), &["10.0.0.0/24".parse().unwrap()])
    }

    fn places(max: usize, max_per_address: usize) -> Places<Named> {
        Places::new(Limits { max, max_per_address })
    }

    fn who(evicted: Option<Evicted<Named>>) -> Option<(&'static str, Reason, usize)> {
        evicted.map(|evicted| (evicted.occupant.0, evicted.reason, evicted.had))
    }

    #[test]
    fn a_machine_with_more_connections_than_it_may_have_loses_its_own_idlest() {
        let mut places = places(10, 2);
        let (busy, idle) = (named("busy", 1), named("idle", 2));
        places.take(client("10.9.0.1"), busy.clone());
        places.take(client("10.9.0.1"), idle);
        places.take(client("10.9.0.2"), named("other", 0));
        busy.1.set(7);
        let (_, evicted) = places.take(client("10.9.0.1"), named("newcomer", 8));
        assert_eq!(who(evicted), Some(("idle", Reason::OverBound, 2)));
        assert_eq!(places.held, 3);
    }

    #[test]
    fn when_all_places_are_held_who_holds_most_gives_up_the_one_that_is_idle_for_longest() {
        let mut places = places(4, 3);
        places.take(client("10.9.0.2"), named("honest", 0));
        for (name, used) in [("rogue 1", 5), ("rogue 2", 1), ("rogue 3", 6)] {
            places.take(client("10.9.0.1"), named(name, used));
        }
        let (_, evicted) = places.take(client("10.9.0.3"), named("newcomer", 9));
        assert_eq!(who(evicted), Some(("rogue 2", Reason::Full, 3)));
        assert_eq!(places.held, 4);
    }

    #[test]
    fn where_it_is_not_known_that_a_newcomer_waits_who_has_one_place_alone_keeps_it() {
        let mut places = places(4, 3);
        places.take(client("10.9.0.1"), named("only", 0));
        assert!(places.make_room(2).is_none());
        places.take(client("10.9.0.2"), named("first of two", 1));
        places.take(client("10.9.0.2"), named("second of two", 2));
        assert_eq!(who(places.make_room(2)), Some(("first of two", Reason::Full, 2)));
        assert!(places.make_room(2).is_none());
    }

    #[test]
    fn of_machines_with_equally_many_the_one_that_came_first_makes_room() {
        let mut places = places(3, 3);
        for name in ["10.9.0.7", "10.9.0.1", "10.9.0.9"] {
            places.take(client(name), named("one each", 4));
        }
        let (_, evicted) = places.take(client("10.9.0.3"), named("newcomer", 9));
        assert!(evicted.is_some());
        let gone = client("10.9.0.7");
        assert!(!places.by_holder.contains_key(&gone) && places.clients.len() == 3);
    }

    #[test]
    fn a_trusted_proxy_may_have_half_of_all_places_whatever_others_do() {
        let mut places = places(8, 2);
        for _ in 0..4 {
            assert!(places.take(client("10.0.0.1"), named("relayed", 0)).1.is_none());
        }
        for host in ["10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"] {
            assert!(places.take(client(host), named("direct", 1)).1.is_none());
        }
        let (_, evicted) = places.take(client("10.9.0.5"), named("direct", 1));
        assert_eq!(who(evicted).map(|(name, ..)| name), Some("direct"));
        // what it takes beyond that, it takes from others only while there is room
        let (_, evicted) = places.take(client("10.0.0.1"), named("relayed", 2));
        assert_eq!(who(evicted).map(|(name, ..)| name), Some("direct"));
        let (_, evicted) = places.take(client("10.9.0.6"), named("direct", 1));
        assert_eq!(who(evicted).map(|(name, ..)| name), Some("relayed"));
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_holder_and_a_mapped_address_the_ipv4_one_it_is() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1:2:3"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(
            client("::ffff:10.0.0.7"),
            Holder::Proxy("10.0.0.7".parse().unwrap())
        );
    }

    #[test]
    fn places_that_are_given_back_leave_nothing_behind() {
        let mut places = places(2, 2);
        let (first, _) = places.take(client("10.9.0.1"), named("first", 0));
        let (second, _) = places.take(client("10.9.0.2"), named("second", 1));
        let (third, evicted) = places.take(client("10.9.0.3"), named("third", 1));
        assert_eq!(who(evicted), Some(("first", Reason::Full, 1)));
        // it was taken away before it is given back
        for place in [first, second, third] {
            places.give_back(place);
        }
        assert_eq!((places.held, places.held_by_proxies), (0, 0));
        assert!(places.by_holder.is_empty() && places.clients.is_empty() && places.proxies.is_empty());
        assert!(places.make_room(1).is_none());
    }
}
