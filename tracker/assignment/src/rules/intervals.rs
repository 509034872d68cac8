//! When a peer is to come back, and when it is forgotten.

use std::time::Duration;

use rand::Rng;

use crate::state::peer::{Class, Tick};
use crate::{Policy, Time};

/// An interval, up to 10 % shorter or longer, so that peers that started together spread.
pub(crate) fn jittered(interval: Duration, rng: &mut dyn Rng) -> Duration {
    let part = f64::from(rng.next_u32()) / f64::from(u32::MAX);
    interval.mul_f64(0.9 + 0.2 * part)
}

/// When a peer that announces now is forgotten: after two of its regular intervals with their jitter,
/// whatever shorter interval it is told now. Stock clients may insist on longer intervals.
pub(crate) fn expiry(policy: &Policy, class: Class, is_gateway: bool, is_stock: bool, now: Time) -> Tick {
    Tick::of(now + life(policy, class, is_gateway, is_stock))
}

/// When a peer that is no gateway last announced, by when it is forgotten.
pub(crate) fn announced(policy: &Policy, class: Class, is_stock: bool, expires: Tick) -> Time {
    expires.time().saturating_sub(life(policy, class, false, is_stock))
}

fn life(policy: &Policy, class: Class, is_gateway: bool, is_stock: bool) -> Duration {
    let regular = match class {
        Class::Seeder | Class::Sated => policy.intervals.seeder,
        Class::Leecher | Class::Guest if is_gateway => policy.intervals.gateway,
        Class::Leecher | Class::Guest | Class::Partial => policy.intervals.leecher,
    };
    let regular = if is_stock {
        regular.max(policy.stock_interval)
    } else {
        regular
    };
    lease(regular)
}

/// How long a lease or a record lasts whose holder comes every `interval`.
pub(crate) fn lease(interval: Duration) -> Duration {
    interval * 2 + interval / 5
}
