//! How long to wait before the next try.

use rand::RngExt;

use crate::Time;

/// Exponential back-off with jitter: tries that fail together do not come back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub first: Time,
    /// At most.
    pub max: Time,
}

/// For dialling a peer.
pub const DIAL: Backoff = Backoff {
    first: Time::from_secs(1),
    max: Time::from_secs(60),
};
/// For dialling an upstream while we are gateway: when a cut link is back, new connections follow within
/// seconds.
pub const UPSTREAM: Backoff = Backoff {
    first: Time::from_millis(400),
    max: Time::from_secs(4),
};
/// For announcing: a tracker that comes back is found within seconds.
pub const ANNOUNCE: Backoff = Backoff {
    first: Time::from_secs(1),
    max: Time::from_secs(15),
};
/// The same for a gateway, whose site waits for what it is told.
pub const ANNOUNCE_GATEWAY: Backoff = Backoff {
    first: Time::from_secs(1),
    max: Time::from_secs(5),
};
/// For saying that we are stalled.
pub const STALLED: Backoff = Backoff {
    first: Time::from_secs(3),
    max: Time::from_secs(30),
};

impl Backoff {
    /// The wait after the `failures`-th failure in a row (1 = the first): the doubled time, give or take 20
    /// %.
    pub fn wait<R: rand::Rng>(&self, failures: u32, rng: &mut R) -> Time {
        let doubled = self.first * (1 << (failures.clamp(1, 16) - 1));
        doubled.min(self.max).mul_f64(rng.random_range(0.8..1.2))
    }
}
