//! Peers that the tracker names and that no connection can be made to: which, since when, and why. A firewall
//! between two sites shows nowhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use crate::Time;

/// The most peers that are remembered: a large site that is switched off fills no memory.
pub const MAX: usize = 16;
/// A peer that the tracker has not named for this long is forgotten.
const FORGOTTEN: Time = Time::from_secs(600);
/// The longest time between two looks at which peers the tracker names.
const LATELY: Time = Time::from_secs(5);

/// Why a dial came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DialError {
    /// The connection was refused: nothing listens there, or a firewall rejects.
    Refused,
    /// Nothing came back: a firewall drops, or the machine is off.
    TimedOut,
    /// The network has no way there, or a router says that it may not be gone.
    NoRoute,
    /// The other side took the connection and closed it instead of shaking hands.
    Closed,
    /// The other side took the connection and said nothing.
    Silent,
    /// What answered does not speak BitTorrent, or of another content.
    Foreign,
    /// The address is banned here, and was not dialled.
    Banned,
    /// The address is in no network of the tracker's map, and was not dialled.
    Unmapped,
    /// This machine could not dial, for this reason of its system.
    Local(String),
}

impl DialError {
    /// What a person may look at; `port` is the peer's.
    pub fn help(&self, port: u16) -> String {
        match self {
            DialError::Refused => format!("does a client run there, and is port {port} open?"),
            DialError::TimedOut | DialError::NoRoute => {
                format!("is port {port} open (TCP, both directions between sites)?")
            }
            DialError::Closed => "perhaps it requires encryption, or does not serve this content".to_owned(),
            DialError::Silent => "is its process or machine frozen?".to_owned(),
            DialError::Foreign => format!("does another program use port {port} there?"),
            DialError::Banned => "it sent pieces with wrong hashes".to_owned(),
            DialError::Unmapped => {
                "if it is to be served, name its network in the site map, or set `serve: any`".to_owned()
            }
            DialError::Local(_) => "that is for this machine to mend".to_owned(),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DialError::Refused => "connection refused",
            DialError::TimedOut => "timed out",
            DialError::NoRoute => "no route, or a firewall rejects it",
            DialError::Closed => "it closes the connection before the handshake",
            DialError::Silent => "it takes the connection and says nothing",
            DialError::Foreign => "what answers there is no BitTorrent client with this content",
            DialError::Banned => "banned",
            DialError::Unmapped => "its address is in no network of the site map",
            DialError::Local(error) => error,
        })
    }
}

/// A peer that cannot be connected to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreachable {
    /// Where the tracker says that it listens.
    pub addr: SocketAddr,
    /// When a dial failed first, with none since that did not.
    pub since: Time,
    /// When it was tried last.
    pub tried: Time,
    /// Why that failed.
    pub why: DialError,
    /// When the tracker last named it.
    named: Time,
}

/// All of them, at most [`MAX`].
#[derive(Clone, Debug, Default)]
pub struct Unreachables(BTreeMap<SocketAddr, Unreachable>);

impl Unreachables {
    /// A dial of a peer that the tracker names came to nothing.
    pub fn failed(&mut self, addr: SocketAddr, why: DialError, now: Time) {
        if let Some(known) = self.0.get_mut(&addr) {
            (known.tried, known.why) = (now, why);
            return;
        }
        if why == DialError::Banned {
            return;
        }
        if self.0.len() >= MAX {
            // one that is named no more gives way; else those that are there stay, so that the list does not
            // flicker
            let oldest = self.0.values().min_by_key(|known| known.named);
            match oldest.filter(|known| known.named + LATELY < now).map(|known| known.addr) {
                Some(oldest) => self.0.remove(&oldest),
                None => return,
            };
        }
        let new = Unreachable {
            addr,
            since: now,
            tried: now,
            why,
            named: now,
        };
        self.0.insert(addr, new);
    }

    /// There is a connection.
    pub fn connected(&mut self, addr: SocketAddr) {
        self.0.remove(&addr);
    }

    /// Forgets those that the tracker has not named for long.
    pub fn look(&mut self, now: Time, is_named: impl Fn(SocketAddr) -> bool) {
        for known in self.0.values_mut() {
            if is_named(known.addr) {
                known.named = now;
            }
        }
        self.0.retain(|_, known| now < known.named + FORGOTTEN);
    }

    /// They, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Unreachable> {
        self.0.values()
    }

    /// What is known of this one.
    pub fn of(&self, addr: SocketAddr) -> Option<&Unreachable> {
        self.0.get(&addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(last: u16) -> SocketAddr {
        SocketAddr::from(([10, 1, 0, 2], last))
    }

    const fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    #[test]
    fn a_peer_is_remembered_since_the_first_dial_with_the_latest_reason_until_it_connects() {
        let mut list = Unreachables::default();
        list.failed(addr(1), DialError::TimedOut, at(5));
        list.failed(addr(1), DialError::Refused, at(45));
        let known = list.of(addr(1)).expect("known");
        assert_eq!(
            (known.since, known.tried, &known.why),
            (at(5), at(45), &DialError::Refused)
        );
        list.connected(addr(1));
        assert_eq!(list.iter().count(), 0);
    }

    #[test]
    fn a_peer_that_the_tracker_names_stays_and_another_is_forgotten_ten_minutes_later() {
        let mut list = Unreachables::default();
        list.failed(addr(1), DialError::TimedOut, at(0));
        list.failed(addr(2), DialError::TimedOut, at(0));
        for now in 0..599 {
            list.look(at(now), |named| named == addr(1));
        }
        assert_eq!(list.iter().count(), 2);
        list.look(at(600), |named| named == addr(1));
        assert!(list.of(addr(1)).is_some() && list.of(addr(2)).is_none());
    }

    #[test]
    fn the_list_is_bounded_and_those_named_no_more_give_way() {
        let mut list = Unreachables::default();
        for port in 0..1000 {
            list.failed(addr(port), DialError::TimedOut, at(0));
        }
        assert!(list.iter().map(|known| known.addr.port()).eq(0..16));
        list.look(at(9), |named| named != addr(3));
        list.failed(addr(77), DialError::TimedOut, at(9));
        assert!(list.of(addr(77)).is_some() && list.of(addr(3)).is_none());
        assert_eq!(list.iter().count(), MAX);
    }

    #[test]
    fn a_banned_address_is_no_unreachable_one() {
        let mut list = Unreachables::default();
        list.failed(addr(1), DialError::Banned, at(0));
        assert_eq!(list.iter().count(), 0);
    }
}
