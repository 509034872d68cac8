//! Notices that this machine's address has changed (DHCP, a VPN, a dock), so that all contents announce at
//! once: a tracker goes by the address that an announce comes from, and a seeder's next regular one may be a
//! quarter of an hour away.
//!
//! What counts is the address that packets to a tracker leave from, which the system tells of a connected UDP
//! socket without sending anything.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many trackers' addresses are followed at most; a fleet has one or two.
const MAX_TRACKERS: usize = 16;

/// The addresses that announces leave from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By the tracker's address; `None` if no route leads there.
    known: Mutex<BTreeMap<SocketAddr, Option<IpAddr>>>,
}

/// How the address that packets to a tracker leave from has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moved {
    /// To this one; also if there was none before.
    To(IpAddr),
    /// No route leads to the tracker any more.
    Away,
}

impl Sources {
    /// Notes that an announce to this tracker begins.
    pub(crate) fn announcing_to(&self, tracker: SocketAddr, from: IpAddr) {
        let mut known = self.lock();
        if known.len() < MAX_TRACKERS && !known.contains_key(&tracker) {
            known.insert(tracker, source(from, tracker));
        }
    }

    /// Asks the system again, for announces from the listen address `from`: what has changed, by tracker.
    pub(crate) fn look(&self, from: IpAddr) -> Vec<(SocketAddr, Moved)> {
        let mut known = self.lock();
        let moved = |(tracker, before): (&SocketAddr, &mut Option<IpAddr>)| {
            let now = source(from, *tracker);
            Some((*tracker, moved(std::mem::replace(before, now), now)?))
        };
        known.iter_mut().filter_map(moved).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Option<IpAddr>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn moved(before: Option<IpAddr>, now: Option<IpAddr>) -> Option<Moved> {
    (before != now).then_some(match now {
        Some(address) => Moved::To(address),
        None => Moved::Away,
    })
}

/// Where packets to `to` leave from, for a socket that is bound to `from` unless that is a wildcard.
fn source(from: IpAddr, to: SocketAddr) -> Option<IpAddr> {
    let from = match (from.is_unspecified() || from.is_ipv4() != to.is_ipv4(), to) {
        (false, _) => from,
        (true, SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (true, SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((from, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn another_address_one_that_is_back_and_none_are_told_once() {
        let mut before = Some(ip("10.0.0.1"));
        for (now, told) in [
            (Some("10.0.0.1"), None),
            (Some("10.0.0.2"), Some(Moved::To(ip("10.0.0.2")))),
            (Some("10.0.0.2"), None),
            (None, Some(Moved::Away)),
            (None, None),
            (Some("10.0.0.2"), Some(Moved::To(ip("10.0.0.2")))),
            (Some("2001:db8::1"), Some(Moved::To(ip("2001:db8::1")))),
        ] {
            let now = now.map(ip);
            assert_eq!(moved(std::mem::replace(&mut before, now), now), told);
        }
    }

    #[test]
    fn the_system_tells_the_source_address_and_that_of_a_listen_address_is_itself() {
        let tracker = "127.0.0.9:6969".parse().unwrap();
        let any = ip("0.0.0.0");
        assert!(source(any, tracker).is_some_and(|ip| ip.is_loopback()));
        assert_eq!(source(ip("127.0.0.3"), tracker), Some(ip("127.0.0.3")));
        assert_eq!(
            source(ip("192.0.2.77"), tracker),
            None,
            "no address of this machine"
        );
        let sources = Sources::default();
        sources.announcing_to(tracker, any);
        assert_eq!(sources.look(any), []);
        assert_eq!(
            sources.look(ip("127.0.0.3")),
            [(tracker, Moved::To(ip("127.0.0.3")))]
        );
    }

    #[test]
    fn however_many_addresses_a_trackers_name_has_a_few_are_looked_at() {
        let sources = Sources::default();
        for port in 1..1000 {
            sources.announcing_to(SocketAddr::from(([127, 0, 0, 1], port)), ip("0.0.0.0"));
        }
        assert_eq!(sources.lock().len(), MAX_TRACKERS);
    }
}
