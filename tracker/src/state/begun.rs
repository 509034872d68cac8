//! How many contents each machine has begun at a tracker that tracks any: what a client says creates a swarm there.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Contents that are there and were first announced by one IPv4 address or IPv6 /64.
const MAX_OF_MACHINE: u32 = 1024;

/// All contents of a tracker that tracks any: some 200 MB with a peer each.
pub(super) const MAX_SWARMS: usize = 65_536;

/// Counts by machine. Its memory is bounded by the swarms that are there.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<HashMap<Machine, u32>>);

/// An IPv4 address, or an IPv6 network (/64), in which one machine has as many addresses as it likes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Machine(IpAddr);

impl Machine {
    pub(super) fn of(ip: IpAddr) -> Machine {
        Machine(match ip.to_canonical() {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        })
    }
}

impl Begun {
    /// Whether a machine may begin one more.
    pub(super) fn has_room(&self, machine: Machine) -> bool {
        self.lock().get(&machine).is_none_or(|count| *count < MAX_OF_MACHINE)
    }

    pub(super) fn add(&self, machine: Machine) {
        *self.lock().entry(machine).or_default() += 1;
    }

    /// A content that this machine began is no more.
    pub(super) fn remove(&self, machine: Machine) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(&machine) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&machine);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Machine, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_begins_so_many_and_one_more_when_one_has_gone_and_takes_no_others_room() {
        let begun = Begun::default();
        let of = |ip: &str| Machine::of(ip.parse().unwrap());
        for host in 0..MAX_OF_MACHINE {
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
