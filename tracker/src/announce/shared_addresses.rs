//! Several machines at one address and port, named: a NAT, a VPN concentrator.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_host::RepeatsBy;
use tracing::warn;

/// Any client may announce any port: so many are named within an hour, the others only counted.
const MAX_NAMED: usize = 256;

/// Says of each address and port once, then hourly, that several machines announce from it.
#[derive(Debug)]
pub(crate) struct SharedAddresses(Mutex<RepeatsBy<SocketAddr>>);

impl Default for SharedAddresses {
    fn default() -> Self {
        Self(Mutex::new(RepeatsBy::new(MAX_NAMED)))
    }
}

impl SharedAddresses {
    /// A machine announces from `addr` beside others.
    pub(crate) fn seen(&self, addr: SocketAddr, now: Duration) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = named.seen(addr, now) {
            warn!(
                %addr, times,
                "several machines announce from one address and port (NAT?); each is a peer of its own and their site's budget \
                 holds, but neighbours reach one of them at most: give them ports of their own (`listen` in agent.yaml), \
                 forwarded to them, or a route to the tracker without NAT"
            );
        }
    }
}
