//! How many connections a port may have: as many as it has memory for, if there are descriptors for them. Else
//! clients would wait for one that another client has, while a place is taken from who has most of them.

use crate::net::places::Limits;

/// Connections at a time. Idle ones close after seconds, so this is a bound on memory, not on the fleet: 16 KiB
/// for requests, an answer that waits (16 KiB at most), and 4 KiB around them make 0.6 GB, if thousands of
/// addresses fill them all; one address alone gets `max_connections_per_address` of them.
const MAX_CONNECTIONS: usize = 16 * 1024;
/// Connections to the admin port at a time; apart, so that a busy tracker can still be looked at.
const MAX_ADMIN_CONNECTIONS: usize = 256;
/// Of these from one address, which may be a proxy's: as many pages as may be open, and others.
const MAX_ADMIN_CONNECTIONS_PER_ADDRESS: usize = 96;

/// Descriptors for all else: peers that are dialled (64 at a time), listeners, connections that were accepted and
/// for which another one is about to end, files, the runtime.
const OWN: u64 = 128;

/// With fewer connections at a time, a fleet that starts at once waits for each other.
pub(super) const FEW: usize = 1024;

/// What the ports of peers and of operators may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ports {
    pub(super) public: Limits,
    pub(super) admin: Limits,
}

/// Shares `descriptors` out; `max_per_address` is for the port of the peers.
pub(super) fn shared_out(descriptors: u64, max_per_address: usize) -> Ports {
    let rest = descriptors.saturating_sub(OWN.min(descriptors / 2));
    let rest = usize::try_from(rest).unwrap_or(usize::MAX);
    let admin = (rest / 4).clamp(1, MAX_ADMIN_CONNECTIONS);
    Ports {
        public: Limits {
            max: rest.saturating_sub(admin).clamp(1, MAX_CONNECTIONS),
            max_per_address,
        },
        admin: Limits {
            max: admin,
            max_per_address: MAX_ADMIN_CONNECTIONS_PER_ADDRESS,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_no_descriptor_that_is_needed_for_all_else_and_no_more_than_there_is_memory_for() {
        for (descriptors, public, admin) in [
            (u64::MAX, MAX_CONNECTIONS, MAX_ADMIN_CONNECTIONS),
            (1 << 20, MAX_CONNECTIONS, MAX_ADMIN_CONNECTIONS),
            (4096, 3712, 256),
            (1024, 672, 224),
            (128, 48, 16),
            (0, 1, 1),
        ] {
            let ports = shared_out(descriptors, 4096);
            assert_eq!(
                (ports.public.max, ports.admin.max),
                (public, admin),
                "{descriptors}"
            );
        }
    }
}
