//! When a peer is to come back, and when it is forgotten.

use std::time::Duration;

use rand::Rng;

use crate::state::peer::{Class, NonSharing, Peer, Tick};
use crate::{Context, Policy, Time};

/// An interval, up to 10 % shorter or longer, so that peers that started together spread.
pub(crate) fn jittered(policy: &Policy, interval: Duration, rng: &mut dyn Rng) -> Duration {
    let part = f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let jitter = policy.terms.jitter;
    interval.mul_f64(1.0 - jitter + 2.0 * jitter * part)
}

/// When a peer that announces now is forgotten: after two of its regular intervals with their jitter,
/// whatever shorter interval it is given now. Stock clients may insist on longer intervals.
pub(crate) fn expiry(policy: &Policy, class: Class, is_gateway: bool, is_stock: bool, now: Time) -> Tick {
    Tick::of(now + life(policy, class, is_gateway, is_stock))
}

/// When a peer that is no gateway last announced, by when it is forgotten.
pub(crate) fn announced(policy: &Policy, class: Class, is_stock: bool, expires: Tick) -> Time {
    expires.time().saturating_sub(life(policy, class, false, is_stock))
}

/// When a peer last announced; of a stock client as far as its term says.
pub(crate) fn last_announced(cx: &Context<'_>, class: Class, peer: &Peer) -> Time {
    match &peer.agent {
        Some(agent) => agent.second.seen.into_iter().max().unwrap_or_default().time(),
        None => announced(cx.policy, class, true, peer.expires),
    }
}

/// How long a record outlives an announce; stock clients insist on an interval of their own.
fn life(policy: &Policy, class: Class, is_gateway: bool, is_stock: bool) -> Duration {
    let regular = match class {
        Class::Seeder | Class::NonSharing(NonSharing::Complete) => policy.intervals.seeder,
        Class::Leecher | Class::NonSharing(NonSharing::Leecher) if is_gateway => policy.intervals.gateway,
        Class::Leecher | Class::NonSharing(NonSharing::Leecher) | Class::Partial => policy.intervals.leecher,
    };
    let regular = if is_stock {
        regular.max(policy.stock_interval)
    } else {
        regular
    };
    policy.lease(regular)
}
