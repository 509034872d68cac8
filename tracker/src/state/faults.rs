//! Invariants of swarms that do not hold: faults of the tracker itself, named in its log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_assignment::Broken;
use narrows_host::Repeats;
use narrows_protocol::InfoHash;
use tracing::error;

/// Says of each invariant once, then hourly, that it is broken.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Repeats>);

impl Faults {
    /// An invariant of a swarm was found broken `count` times.
    pub(crate) fn seen(&self, hash: &InfoHash, broken: Broken, count: u32, now: Duration) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = said.failed(&broken.to_string(), now) {
            error!(
                info_hash = %hash, %broken, count, times,
                "a fault of the tracker: what it knows of a content does not fit together. The peers concerned were answered \
                 as members that come back soon, and announces mend most of it; please report this line"
            );
        }
    }
}
