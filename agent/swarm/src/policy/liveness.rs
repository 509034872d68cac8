//! When a peer that says nothing counts as gone.

use crate::Time;

/// How often an agent speaks to those that wait for it: a gateway to the agents of its site, an upstream to
/// the gateways that it serves.
pub const SPEAKS: Time = Time::from_secs(4);
/// A local agent that calls itself gateway, or an upstream that has nothing to send, is gone when it has said
/// nothing for this long: two keep-alives are missing.
pub const SILENT: Time = Time::from_secs(10);
/// A round of housekeeping that comes this much too late means that we were stopped, or the machine slept.
const SLEPT: Time = Time::from_secs(4);
/// How long an upstream that we know nothing of may take for its first block.
const FIRST_BLOCK: Time = Time::from_secs(5);
/// How long an upstream that we know may send nothing, at least and at most.
const MIN_PATIENCE: Time = Time::from_secs(3);
const MAX_PATIENCE: Time = Time::from_secs(10);
/// How long a gone peer is reported as such.
pub const GONE: Time = Time::from_secs(30);
/// The most gone peers an announce names.
pub const MAX_GONE: usize = 8;

/// Whether a peer that speaks every [`SPEAKS`] and was last heard of at `heard` is frozen or has vanished.
pub fn is_gone(heard: Time, now: Time) -> bool {
    now >= heard + SILENT
}

/// Whether we ourselves were stopped: housekeeping was due at `due`. Others' silence then says nothing.
pub fn have_slept(due: Time, now: Time) -> bool {
    now >= due + SLEPT
}

/// How long an upstream may send nothing while it owes `outstanding` bytes, having sent `rate` bytes/s: twice
/// what they take, 3 to 10 s; longer only where a single block takes longer.
pub fn upstream_patience(outstanding: u64, rate: u64) -> Time {
    if rate == 0 {
        return FIRST_BLOCK;
    }
    let seconds = |bytes: u64| Time::from_secs_f64((bytes as f64 / rate as f64).min(120.0));
    let max = MAX_PATIENCE.max(seconds(u64::from(narrows_wire::BLOCK_LEN)) * 3);
    (seconds(outstanding) * 2).clamp(MIN_PATIENCE, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_on_an_ordinary_link_is_given_up_within_three_to_ten_seconds() {
        assert_eq!(upstream_patience(512 << 10, 1_250_000), MIN_PATIENCE);
        assert_eq!(upstream_patience(512 << 10, 125_000).as_secs(), 8);
        assert_eq!(upstream_patience(4 << 20, 125_000), MAX_PATIENCE);
        assert_eq!(upstream_patience(4 << 20, 0), FIRST_BLOCK);
    }

    #[test]
    fn a_link_on_which_a_block_takes_seconds_is_given_time_for_three() {
        assert_eq!(upstream_patience(16384, 2048).as_secs(), 16);
        assert_eq!(upstream_patience(1 << 20, 2048).as_secs(), 24);
    }

    #[test]
    fn a_gateway_may_miss_one_keep_alive_but_not_two() {
        let at = Time::from_secs;
        assert!(!is_gone(at(0), SPEAKS * 2) && is_gone(at(0), at(10)));
        assert!(!have_slept(at(5), at(6)) && have_slept(at(5), at(9)));
    }
}
