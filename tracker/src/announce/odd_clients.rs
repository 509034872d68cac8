//! Odd clients are named in the log, with what mends it: once, then hourly with a count.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use narrows_host::RepeatsBy;
use tracing::warn;

/// Any client may announce any id and any port: so many are named within an hour, the others only counted.
const MAX_NAMED: usize = 256;

/// Any client may write the headers of a proxy: so many addresses are named within an hour.
const MAX_PROXIES_NAMED: usize = 16;

/// What was said of odd clients. Times are counted from the tracker's start.
#[derive(Debug)]
pub(crate) struct OddClients {
    doubles: RepeatsBy<String>,
    shared_addresses: RepeatsBy<SocketAddr>,
    proxies: RepeatsBy<IpAddr>,
}

impl Default for OddClients {
    fn default() -> Self {
        Self {
            doubles: RepeatsBy::new(MAX_NAMED),
            shared_addresses: RepeatsBy::new(MAX_NAMED),
            proxies: RepeatsBy::new(MAX_PROXIES_NAMED),
        }
    }
}

impl OddClients {
    /// Two machines with one id (cloned images, equal host names): `agent` announces from `addr` while
    /// another machine does so from `other`.
    pub(crate) fn double(&self, agent: &str, addr: SocketAddr, other: SocketAddr, now: Duration) {
        if let Some(times) = self.doubles.seen(agent.to_owned(), now) {
            warn!(
                agent, %addr, %other, times,
                "two machines use one id (a cloned image, equal host names?); each is a peer of its own: give one of them \
                 another `id` in agent.yaml"
            );
        }
    }

    /// Several machines at one address and port (a NAT, a VPN concentrator): one announces from `addr` beside
    /// others.
    pub(crate) fn shared_address(&self, addr: SocketAddr, now: Duration) {
        if let Some(times) = self.shared_addresses.seen(addr, now) {
            warn!(
                %addr, times,
                "several machines announce from one address and port (NAT?); each is a peer of its own and their site's budget \
                 holds, but neighbours reach one of them at most: give them ports of their own (`listen` in agent.yaml), \
                 forwarded to them, or a route to the tracker without NAT"
            );
        }
    }

    /// A reverse proxy that the configuration forgets passed an announce on. Every client behind it counts at
    /// the proxy's own address, and so at its site.
    pub(crate) fn untrusted_proxy(&self, proxy: IpAddr, now: Duration) {
        if let Some(times) = self.proxies.seen(proxy, now) {
            warn!(
                %proxy, times,
                "announces come through a proxy (X-Forwarded-For or Forwarded) that is not in `trusted_proxies`: all of its \
                 clients count at its own address; if it is your reverse proxy, write `trusted_proxies: [{proxy}]` in \
                 tracker.yaml and restart the tracker"
            );
        }
    }
}
