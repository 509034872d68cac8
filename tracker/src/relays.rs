//! A reverse proxy that the configuration forgets: it is named, with the key that mends it. Without that key every client
//! behind the proxy counts at the proxy's own address, and so at its site.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

/// How often a proxy is named again.
const AGAIN: Duration = Duration::from_secs(3600);

/// Any client may write such a header: so many addresses are named within [`AGAIN`], the others only counted.
const MAX_NAMED: usize = 16;

/// Names each address that passes requests on, without being in `trusted_proxies`, once, then hourly with a count.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    named: Mutex<BTreeMap<IpAddr, Named>>,
}

#[derive(Debug)]
struct Named {
    last: Duration,
    unsaid: u64,
}

impl Relays {
    /// `proxy` passed an announce on at `now`, counted from the tracker's start.
    pub(crate) fn seen(&self, proxy: IpAddr, now: Duration) {
        if let Some(times) = self.worth_a_line(proxy, now) {
            warn!(
                %proxy, times,
                "announces come through a proxy (X-Forwarded-For or Forwarded) that is not in `trusted_proxies`: all of its \
                 clients count at its own address; if it is your reverse proxy, write `trusted_proxies: [{proxy}]` in \
                 tracker.yaml and restart the tracker"
            );
        }
    }

    /// How many announces came through since the last line, if it is time for one.
    fn worth_a_line(&self, proxy: IpAddr, now: Duration) -> Option<u64> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get_mut(&proxy) {
            known.unsaid += 1;
            if now < known.last + AGAIN {
                return None;
            }
            known.last = now;
            return Some(std::mem::take(&mut known.unsaid));
        }
        if named.len() >= MAX_NAMED {
            named.retain(|_, known| now < known.last + AGAIN);
        }
        if named.len() >= MAX_NAMED {
            return None;
        }
        named.insert(proxy, Named { last: now, unsaid: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_once_then_hourly_with_a_count() {
        let relays = Relays::default();
        let minute = |n: u64| Duration::from_secs(60 * n);
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let said: Vec<(u64, u64)> = (0..130)
            .filter_map(|n| Some((n, relays.worth_a_line(proxy, minute(n))?)))
            .collect();
        assert_eq!(said, [(0, 1), (60, 60), (120, 60)]);
    }

    #[test]
    fn a_flood_of_addresses_fills_neither_log_nor_memory_and_a_proxy_is_named_after_it() {
        let relays = Relays::default();
        let flood = |now| {
            (0..1000u32)
                .filter(|n| {
                    relays
                        .worth_a_line(std::net::Ipv4Addr::from(*n).into(), now)
                        .is_some()
                })
                .count()
        };
        assert_eq!(flood(Duration::ZERO), MAX_NAMED);
        assert_eq!(flood(AGAIN / 2), 0);
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(relays.worth_a_line(proxy, AGAIN), Some(1));
        assert_eq!(relays.named.lock().unwrap().len(), 1);
    }
}
