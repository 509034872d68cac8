//! A reverse proxy that the configuration forgets: it is named, with the key that mends it. Without that key
//! every client behind the proxy counts at the proxy's own address, and so at its site.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_host::RepeatsBy;
use tracing::warn;

/// Any client may write such a header: so many addresses are named within an hour, the others only counted.
const MAX_NAMED: usize = 16;

/// Names each address that passes requests on, without being in `trusted_proxies`, once, then hourly with a
/// count.
#[derive(Debug)]
pub(crate) struct Relays(Mutex<RepeatsBy<IpAddr>>);

impl Default for Relays {
    fn default() -> Self {
        Self(Mutex::new(RepeatsBy::new(MAX_NAMED)))
    }
}

impl Relays {
    /// `proxy` passed an announce on at `now`, counted from the tracker's start.
    pub(crate) fn seen(&self, proxy: IpAddr, now: Duration) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = named.seen(proxy, now) {
            warn!(
                %proxy, times,
                "announces come through a proxy (X-Forwarded-For or Forwarded) that is not in `trusted_proxies`: all of its \
                 clients count at its own address; if it is your reverse proxy, write `trusted_proxies: [{proxy}]` in \
                 tracker.yaml and restart the tracker"
            );
        }
    }
}
