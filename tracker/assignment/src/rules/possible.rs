//! What can have crossed links: bytes are what an agent says, and are booked as far as the links can have
//! carried them.

use crate::Time;
use crate::policy::TotalsPolicy;

/// The most that an agent can have fetched since its last report, at `rate` bytes per second. What one said
/// that is not known, as a tracker that restarted has to take it, is at most twice the content.
pub(crate) fn since(
    policy: &TotalsPolicy,
    size: Option<u64>,
    rate: u64,
    since: Option<Time>,
    now: Time,
) -> u64 {
    let twice = size.map_or(policy.most_unknown, |size| size.saturating_mul(2));
    match since {
        Some(since) => carried(policy, rate, since, now).min(twice),
        None => twice,
    }
}

/// The most that all agents of a site can have fetched since it came, with what they had fetched before.
pub(crate) fn in_all(policy: &TotalsPolicy, size: Option<u64>, rate: u64, since: Time, now: Time) -> u64 {
    let before = size.map_or(policy.most_unknown, |size| size.saturating_mul(2));
    before.saturating_add(carried(policy, rate, since, now))
}

fn carried(policy: &TotalsPolicy, rate: u64, since: Time, now: Time) -> u64 {
    let seconds = (now.saturating_sub(since) + policy.slack).as_secs();
    rate.saturating_add(rate / 2).saturating_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_by_what_the_link_carries_and_twice_the_content_whatever_the_numbers() {
        let policy = TotalsPolicy::default();
        let at = Time::from_secs;
        let minute = since(&policy, Some(u64::MAX / 4), 1000, Some(at(100)), at(160));
        assert_eq!(minute, 1500 * (60 + policy.slack.as_secs()));
        assert_eq!(since(&policy, Some(700), 1000, Some(at(100)), at(160)), 1400);
        assert_eq!(since(&policy, Some(700), 1000, None, at(160)), 1400);
        for size in [None, Some(0), Some(u64::MAX)] {
            since(&policy, size, u64::MAX, Some(Time::ZERO), Time::MAX / 2);
            in_all(&policy, size, u64::MAX, Time::ZERO, Time::MAX / 2);
        }
    }
}
