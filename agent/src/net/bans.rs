//! Addresses that this agent does not talk to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use narrows_swarm::Time;

/// The addresses that no content of this agent talks to, and until when.
#[derive(Debug, Default)]
pub(super) struct Bans {
    until: Mutex<HashMap<IpAddr, Time>>,
}

impl Bans {
    /// Bans `ip`; without an end as long as the agent runs.
    pub(super) fn add(&self, ip: IpAddr, until: Option<Time>) {
        self.with(|bans| bans.insert(ip.to_canonical(), until.unwrap_or(Time::MAX)));
    }

    /// Whether `ip` is banned at `now`.
    pub(super) fn holds(&self, ip: IpAddr, now: Time) -> bool {
        self.with(|bans| {
            bans.retain(|_, until| *until > now);
            bans.contains_key(&ip.to_canonical())
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<IpAddr, Time>) -> T) -> T {
        f(&mut self.until.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
