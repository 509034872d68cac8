//! Token buckets: keeping to a rate.

use crate::Time;

/// Payload of a full TCP segment at MTU 1500: 1500 less 20 (IP), 20 (TCP) and 12 (the timestamps option, RFC
/// 7323).
const SEGMENT: u32 = 1448;
/// The same segment as a router counts it: the packet and 14 bytes of Ethernet header.
const FRAME: u32 = 1514;
/// What stands before a block in its message (BEP 3): length, id, piece, offset.
const BLOCK_HEADER: u32 = 13;

/// What a block of `payload` bytes costs on the wire: its message in full TCP segments, each in its frame.
/// For 16 KiB that is (16384 + 13) x 1514 / 1448 = 17144, 4.6 % more. A rate of the site map is what a router
/// counts, so a gateway pays this for what it asks for. Its requests and acknowledgements go the other way,
/// about 2 % of it; IPv6 adds 1.4 %.
pub fn wire(payload: u32) -> u32 {
    let bytes = u64::from(payload) + u64::from(BLOCK_HEADER);
    (bytes * u64::from(FRAME) / u64::from(SEGMENT)) as u32
}

/// A token bucket, refilled continuously. It may be overdrawn by one take of any size, so that a block is
/// always possible and a late timer costs no throughput.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Bytes per second; 0 = no limit.
    rate: u64,
    burst: f64,
    tokens: f64,
    at: Time,
}

impl Bucket {
    /// Full, for `rate` bytes/s (0 = no limit).
    pub fn new(rate: u64, now: Time) -> Bucket {
        let burst = burst(rate);
        Bucket {
            rate,
            burst,
            tokens: burst,
            at: now,
        }
    }

    /// Changes the rate; what was saved up or overdrawn stays, either up to the new burst: what a high rate
    /// would have paid in an instant is not waited for at a low one.
    pub fn set_rate(&mut self, rate: u64, now: Time) {
        if rate != self.rate {
            self.refill(now);
            self.rate = rate;
            self.burst = burst(rate);
            self.tokens = self.tokens.clamp(-self.burst, self.burst);
        }
    }

    /// Whether something may be sent or asked for now.
    pub fn is_open(&mut self, now: Time) -> bool {
        self.refill(now);
        self.rate == 0 || self.tokens >= 0.0
    }

    /// Takes tokens: of payload, or of what it costs by [`wire`].
    pub fn spend(&mut self, bytes: u32) {
        self.tokens -= f64::from(bytes);
    }

    /// Gives them back: the block will not come.
    pub fn refund(&mut self, bytes: u32) {
        self.tokens = (self.tokens + f64::from(bytes)).min(self.burst);
    }

    /// When it is open next; `None`: it is.
    pub fn opens_at(&self) -> Option<Time> {
        let lacking = (self.rate > 0 && self.tokens < 0.0).then_some(-self.tokens)?;
        // rounded up, so that the timer does not come too early and again
        Some(self.at + Time::from_nanos((lacking / self.rate as f64 * 1e9).ceil() as u64 + 1))
    }

    /// Bytes per second; 0 = no limit.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    fn refill(&mut self, now: Time) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = if self.rate == 0 {
            0.0
        } else {
            (self.tokens + passed * self.rate as f64).min(self.burst)
        };
    }
}

/// 50 ms of the rate, at least a block: other users of the link wait no longer than that behind us.
fn burst(rate: u64) -> f64 {
    (rate as f64 * 0.05).max(f64::from(wire(narrows_wire::BLOCK_LEN)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_wire_rate_is_kept_whatever_the_timer_does(
            rate in 2_000u64..200_000_000, lateness in proptest::collection::vec(0u64..15, 64),
        ) {
            let (mut now, mut sent, mut turn) = (Time::ZERO, 0u64, 0);
            let mut bucket = Bucket::new(rate, now);
            let enough = (rate * 20).max(40 * 16384);
            while sent < enough {
                while bucket.is_open(now) {
                    bucket.spend(wire(16384));
                    sent += u64::from(wire(16384));
                }
                turn += 1;
                now = bucket.opens_at().expect("closed") + Time::from_millis(lateness[turn % 64]);
            }
            let allowed = now.as_secs_f64() * rate as f64;
            prop_assert!(sent as f64 <= allowed + burst(rate) + f64::from(wire(16384)), "{sent} of {allowed}");
            prop_assert!(sent as f64 >= 0.97 * allowed, "{sent} of {allowed}");
        }
    }

    #[test]
    fn headers_cost_four_and_a_half_percent_of_a_full_block() {
        assert_eq!(wire(16384), 17144);
        assert!((1.046..1.047).contains(&(f64::from(wire(16384)) / 16384.0)));
    }

    #[test]
    fn what_was_overdrawn_at_a_high_rate_is_not_waited_for_at_a_low_one() {
        let mut bucket = Bucket::new(100_000_000, Time::ZERO);
        bucket.spend(10_000_000);
        bucket.set_rate(1_000_000, Time::ZERO);
        assert!(!bucket.is_open(Time::from_millis(49)));
        assert!(bucket.is_open(Time::from_millis(51)));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::new(0, Time::ZERO);
        for _ in 0..1000 {
            assert!(bucket.is_open(Time::ZERO));
            bucket.spend(16384);
        }
        assert_eq!(bucket.opens_at(), None);
    }
}
