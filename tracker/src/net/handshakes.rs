//! How often a client may have a handshake over TLS, which takes a processor some twenty times as long as an announce does.
//! Pure: time is passed in.

use std::collections::HashMap;
use std::time::Duration;

use crate::net::places::Holder;

/// So many a second, on the long run, of one address: a fifth of a processor. A NAT of 15,000 clients that announce every
/// 30 s needs no more.
const RATE: f64 = 512.0;
/// And so many at once: as many as an address has connections by default.
const BURST: f64 = 4096.0;
/// How long one may wait for its turn; who asks for more than that is sent away.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Above so many holders those are forgotten that may have a burst again.
const MAX_HOLDERS: usize = 4096;

/// When a holder may have the next one.
#[derive(Debug)]
pub(crate) struct Handshakes {
    rate: f64,
    burst: f64,
    by_holder: HashMap<Holder, Used>,
    /// How many holders there are when it is looked again which ones may be forgotten.
    look_at: usize,
}

/// What a holder has used of its burst, at a time.
#[derive(Clone, Copy, Debug)]
struct Used {
    count: f64,
    at: Duration,
}

impl Used {
    fn now(self, now: Duration, rate: f64) -> f64 {
        (self.count - now.saturating_sub(self.at).as_secs_f64() * rate).max(0.0)
    }
}

impl Default for Handshakes {
    fn default() -> Self {
        Self::with(RATE, BURST)
    }
}

impl Handshakes {
    /// With so many a second, and so many at once.
    pub(crate) fn with(rate: f64, burst: f64) -> Self {
        Self {
            rate,
            burst,
            by_holder: HashMap::new(),
            look_at: 0,
        }
    }

    /// How long a handshake of this holder has to wait at `now`; `None`: too long, and it does not count. A trusted proxy, through
    /// which many clients come, waits for none.
    pub(crate) fn turn(&mut self, holder: Holder, now: Duration) -> Option<Duration> {
        if matches!(holder, Holder::Proxy(_)) {
            return Some(Duration::ZERO);
        }
        let used = self.by_holder.get(&holder).map_or(0.0, |used| used.now(now, self.rate)) + 1.0;
        let wait = Duration::from_secs_f64((used - self.burst).max(0.0) / self.rate);
        if wait > MAX_WAIT {
            return None;
        }
        self.by_holder.insert(holder, Used { count: used, at: now });
        if self.by_holder.len() > self.look_at.max(MAX_HOLDERS) {
            let rate = self.rate;
            self.by_holder.retain(|_, used| used.now(now, rate) > 0.0);
            // not again for each one
            self.look_at = 2 * self.by_holder.len();
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn holder(n: u32) -> Holder {
        Holder::of(IpAddr::from(n.to_be_bytes()), &["10.0.0.0/24".parse().unwrap()])
    }

    #[test]
    fn a_site_that_starts_at_once_waits_for_nothing_and_a_flood_from_one_address_is_paced_and_then_sent_away()
    {
        let mut handshakes = Handshakes::default();
        let flood = holder(0x7f00_0001);
        for _ in 0..BURST as u32 {
            assert_eq!(handshakes.turn(flood, Duration::ZERO), Some(Duration::ZERO));
        }
        let paced = (0..100_000).filter_map(|_| handshakes.turn(flood, Duration::ZERO)).collect::<Vec<_>>();
        assert_eq!(paced.len(), (RATE * MAX_WAIT.as_secs_f64()) as usize);
        assert!(paced.is_sorted() && paced.last() == Some(&MAX_WAIT));
        assert_eq!(
            handshakes.turn(holder(0x7f00_0002), Duration::ZERO),
            Some(Duration::ZERO)
        );
        // a minute later it is as any other one
        assert_eq!(
            handshakes.turn(flood, Duration::from_secs(60)),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_trusted_proxy_waits_for_nothing() {
        let mut handshakes = Handshakes::default();
        let turns = (0..100_000).map(|_| handshakes.turn(holder(0x0a00_0001), Duration::ZERO));
        assert!(turns.into_iter().all(|turn| turn == Some(Duration::ZERO)));
        assert!(handshakes.by_holder.is_empty());
    }

    #[test]
    fn however_many_addresses_come_those_that_are_gone_are_forgotten() {
        let mut handshakes = Handshakes::default();
        for n in 0..200_000 {
            handshakes.turn(holder(0x0b00_0000 + n), Duration::from_micros(100) * n);
        }
        assert!(
            handshakes.by_holder.len() <= 2 * MAX_HOLDERS,
            "{}",
            handshakes.by_holder.len()
        );
    }
}
