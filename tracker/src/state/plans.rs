//! Which swarms wait to have their parents planned beside the announces.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use narrows_protocol::InfoHash;
use tokio::sync::Notify;

/// The swarms whose parents are to be planned, each once, in the order in which they asked.
#[derive(Default)]
pub(crate) struct Plans {
    waiting: Mutex<VecDeque<InfoHash>>,
    asked: Notify,
}

impl Plans {
    /// Waits until a swarm waits.
    pub(crate) async fn asked(&self) {
        while self.lock().is_empty() {
            self.asked.notified().await;
        }
    }

    pub(super) fn ask(&self, hash: InfoHash) {
        self.lock().push_back(hash);
        self.asked.notify_one();
    }

    /// The swarm that has waited longest waits no more.
    pub(super) fn next(&self) -> Option<InfoHash> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<InfoHash>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
