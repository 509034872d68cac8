//! How many contents there are, and how many of them each host has begun at a tracker that tracks any: what a client
//! says creates a swarm there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use narrows_protocol::Host;

/// Contents that are there and were first announced by one host.
pub(super) const MAX_OF_HOST: u32 = 1024;

/// All contents of a tracker that tracks any: some 200 MB with a peer each.
pub(super) const MAX_SWARMS: u32 = 65_536;

/// Why no other content may be begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// This host has begun as many as one may.
    OfHost,
    /// There are as many as are kept.
    OfAll,
}

/// Counts of the contents that are there. Memory is bounded by these.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    by_host: HashMap<Host, u32>,
}

impl Begun {
    /// Counts one more, which this host begins; without a host, which the operator lists.
    ///
    /// # Errors
    /// If there is no room for it; the counts are then as before.
    pub(super) fn begin(&self, by: Option<Host>) -> Result<(), Full> {
        let mut counts = self.lock();
        if let Some(host) = by {
            if counts.by_host.get(&host).is_some_and(|count| *count >= MAX_OF_HOST) {
                return Err(Full::OfHost);
            }
            if counts.all >= MAX_SWARMS {
                return Err(Full::OfAll);
            }
        }
        counts.add(by);
        Ok(())
    }

    /// Counts one that was there before a restart, whatever room there is.
    pub(super) fn restore(&self, by: Option<Host>) {
        self.lock().add(by);
    }

    /// One that this host began is no more.
    pub(super) fn end(&self, by: Option<Host>) {
        let mut counts = self.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(host) = by
            && let Some(count) = counts.by_host.get_mut(&host)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_host.remove(&host);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, by: Option<Host>) {
        self.all = self.all.saturating_add(1);
        by.into_iter().for_each(|host| *self.by_host.entry(host).or_default() += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Option<Host> {
        Some(Host::of(ip.parse().unwrap()))
    }

    #[test]
    fn a_host_begins_so_many_and_one_more_when_one_has_gone_and_takes_no_others_room() {
        let begun = Begun::default();
        for n in 0..MAX_OF_HOST {
            assert_eq!(begun.begin(of(&format!("2001:db8::{n:x}"))), Ok(()));
        }
        assert_eq!(begun.begin(of("2001:db8::ffff:1")), Err(Full::OfHost));
        assert_eq!(begun.begin(of("2001:db8:0:1::1")), Ok(()));
        assert_eq!(begun.begin(of("10.0.0.1")), Ok(()));
        begun.end(of("2001:db8::7"));
        assert_eq!(begun.begin(of("2001:db8::ffff:1")), Ok(()));
        assert_eq!(begun.begin(of("2001:db8::ffff:1")), Err(Full::OfHost));
    }

    #[test]
    fn all_hosts_together_begin_so_many_and_what_the_operator_lists_always_has_room() {
        let begun = Begun::default();
        let host = |n: u32| Some(Host::of(std::net::IpAddr::from(n.to_be_bytes())));
        for n in 0..MAX_SWARMS {
            assert_eq!(begun.begin(host(n)), Ok(()));
        }
        assert_eq!(begun.begin(host(u32::MAX)), Err(Full::OfAll));
        assert_eq!(begun.begin(None), Ok(()));
        begun.end(None);
        begun.end(host(7));
        assert_eq!(begun.begin(host(u32::MAX)), Ok(()));
        for n in (0..MAX_SWARMS).filter(|n| *n != 7).chain([u32::MAX]) {
            begun.end(host(n));
        }
        let counts = begun.lock();
        assert_eq!(
            (counts.all, counts.by_host.len()),
            (0, 0),
            "nothing is left behind"
        );
    }
}
