//! How many bytes to have asked for at a time, and when a silent peer is given up.

use crate::Time;

/// The most blocks asked of one peer, whatever the bandwidth: what agents announce as `reqq`.
pub const MAX_REQUESTS: u32 = 512;
/// For peers that do not announce a queue length (libtorrent's own default for others).
pub const STOCK_REQUESTS: u32 = 250;

const MAX_BYTES: u64 = 8 << 20;

/// Bytes to have asked of a local peer: a quarter second of its rate, at least two pieces (the second is
/// hashed and queued while the first comes), at most eight or 8 MiB.
pub fn local(rate: u64, piece: u32) -> u64 {
    let piece = u64::from(piece);
    (rate / 4).clamp(floor(piece), (8 * piece).max(MAX_BYTES))
}

/// Bytes to have asked of a local peer that did not bring what it said it has: what it brings in a quarter
/// second, so that it keeps no pieces from others.
pub fn doubted(rate: u64) -> u64 {
    (rate / 4).clamp(u64::from(narrows_wire::BLOCK_LEN), MAX_BYTES)
}

/// Bytes to have asked of an upstream: twice bandwidth x delay, at least two pieces so that its round robin
/// by whole pieces does not skip us. No more, for what is on its way when a gateway dies crosses the WAN in
/// vain.
pub fn upstream(rate: u64, rtt: Option<Time>, piece: u32) -> u64 {
    let product = rtt.map_or(0.0, |rtt| 2.0 * rate as f64 * rtt.as_secs_f64());
    let piece = u64::from(piece);
    (product as u64).clamp(floor(piece), (8 * piece).max(MAX_BYTES))
}

/// Two pieces; less of large ones, more of tiny ones.
fn floor(piece: u64) -> u64 {
    (2 * piece).clamp(256 << 10, 2 << 20)
}

/// How long a peer may be silent while `outstanding` bytes are asked of it at `rate` bytes/s: four times as
/// long as they take, at least `least`.
pub fn patience(outstanding: u64, rate: u64, least: Time) -> Time {
    let expected = outstanding.checked_div(rate).map_or(0.0, |_| outstanding as f64 / rate as f64);
    // a rate that has all but faded away must not mean to wait for ever
    least.max(Time::from_secs_f64((4.0 * expected).min(120.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_local_peer_is_asked_for_megabytes_at_a_time() {
        assert_eq!(local(1 << 30, 1 << 20), 8 << 20);
        assert_eq!(local(0, 1 << 20), 2 << 20);
    }

    #[test]
    fn a_long_fat_link_is_kept_full_and_a_slow_one_is_not_queued_up() {
        let rtt = Some(Time::from_millis(100));
        assert_eq!(upstream(12_500_000, rtt, 256 << 10), 2_500_000);
        assert_eq!(upstream(250_000, rtt, 256 << 10), 512 << 10);
    }

    #[test]
    fn patience_grows_with_what_is_expected() {
        let least = Time::from_secs(5);
        assert_eq!(patience(0, 0, least), least);
        assert_eq!(patience(1_000_000, 100_000, least), Time::from_secs(40));
    }
}
