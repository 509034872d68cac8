//! How many contents each host has begun at a tracker that tracks any: what a client says creates a swarm there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use narrows_protocol::Host;

/// Contents that are there and were first announced by one host.
const MAX_OF_HOST: u32 = 1024;

/// All contents of a tracker that tracks any: some 200 MB with a peer each.
pub(super) const MAX_SWARMS: usize = 65_536;

/// Counts by host. Its memory is bounded by the swarms that are there.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<HashMap<Host, u32>>);

impl Begun {
    /// Whether a host may begin one more.
    pub(super) fn has_room(&self, host: Host) -> bool {
        self.lock().get(&host).is_none_or(|count| *count < MAX_OF_HOST)
    }

    pub(super) fn add(&self, host: Host) {
        *self.lock().entry(host).or_default() += 1;
    }

    /// A content that this host began is no more.
    pub(super) fn remove(&self, host: Host) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&host);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Host, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_begins_so_many_and_one_more_when_one_has_gone_and_takes_no_others_room() {
        let begun = Begun::default();
        let of = |ip: &str| Host::of(ip.parse().unwrap());
        for host in 0..MAX_OF_HOST {
            let ip = format!("2001:db8::{host:x}");
            assert!(begun.has_room(of(&ip)));
            begun.add(of(&ip));
        }
        assert!(!begun.has_room(of("2001:db8::ffff:1")));
        assert!(begun.has_room(of("2001:db8:0:1::1")) && begun.has_room(of("10.0.0.1")));
        begun.remove(of("2001:db8::7"));
        assert!(begun.has_room(of("2001:db8::ffff:1")));
    }
}
