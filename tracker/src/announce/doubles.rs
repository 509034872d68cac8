//! Two machines with one id, named: cloned images, equal host names.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_host::RepeatsBy;
use tracing::warn;

/// Any client may announce any id: so many are named within an hour, the others only counted.
const MAX_NAMED: usize = 256;

/// Says of each id once, then hourly, that several machines use it.
#[derive(Debug)]
pub(crate) struct Doubles(Mutex<RepeatsBy<String>>);

impl Default for Doubles {
    fn default() -> Self {
        Self(Mutex::new(RepeatsBy::new(MAX_NAMED)))
    }
}

impl Doubles {
    /// `agent` announces from `addr` while another machine does so from `other`.
    pub(crate) fn seen(&self, agent: &str, addr: SocketAddr, other: SocketAddr, now: Duration) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = named.seen(agent.to_owned(), now) {
            warn!(
                agent, %addr, %other, times,
                "two machines use one id (a cloned image, equal host names?); each is a peer of its own: give one of them \
                 another `id` in agent.yaml"
            );
        }
    }
}
