//! Two machines with one id, named: cloned images, equal host names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_host::Repeats;
use tracing::warn;

/// The most ids of which is remembered when they were last said.
const MAX_IDS: usize = 256;

/// Says of each id once, then hourly, that several machines use it.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    said: Mutex<BTreeMap<String, Repeats>>,
}

impl Doubles {
    /// `agent` announces from `addr` while another machine does so from `other`.
    pub(crate) fn seen(&self, agent: &str, addr: SocketAddr, other: SocketAddr, now: Duration) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains_key(agent) && said.len() >= MAX_IDS {
            said.pop_first();
        }
        let repeats = said.entry(agent.to_owned()).or_default();
        if let Some(times) = repeats.failed("", now) {
            warn!(
                agent, %addr, %other, times,
                "two machines use one id (a cloned image, equal host names?); each is a peer of its own: give one of them \
                 another `id` in agent.yaml"
            );
        }
    }
}
