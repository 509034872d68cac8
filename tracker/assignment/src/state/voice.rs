//! Who speaks, as far as a socket tells: ids, keys and ports are what a client says.

use crate::endpoint::Endpoint;
use crate::policy::IdentityPolicy;

/// An IPv4 address, or an IPv6 network (/64), in which one machine has as many addresses as it likes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Voice([u8; 16]);

impl Voice {
    pub(crate) fn of(at: Endpoint) -> Voice {
        let mut ip = at.ip_bytes();
        if !at.is_ipv4() {
            ip[8..].fill(0);
        }
        Voice(ip)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Voice {
        Voice(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Of how many peers something is kept, for each of which it may speak.
    pub(crate) fn most(self, policy: &IdentityPolicy) -> usize {
        match self.0 {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..] => policy.max_at_address,
            _ => policy.max_at_network,
        }
    }
}
