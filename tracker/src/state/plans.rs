//! Which swarms wait to have their parents planned beside the announces.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use narrows_protocol::InfoHash;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long causes for a plan are gathered: sites that join one right after the other are planned together.
const TERM: Duration = Duration::from_millis(100);

/// The swarms whose parents are to be planned, each once, in the order in which they asked.
#[derive(Default)]
pub(crate) struct Plans {
    waiting: Mutex<VecDeque<(Instant, InfoHash)>>,
    asked: Notify,
}

impl Plans {
    /// Waits until a swarm has waited for its causes to be gathered. Swarms gather at the same time, so that many
    /// of them do not wait for each other's term.
    pub(crate) async fn asked(&self) {
        let since = loop {
            let first = self.lock().front().map(|(since, _)| *since);
            match first {
                Some(since) => break since,
                None => self.asked.notified().await,
            }
        };
        tokio::time::sleep_until(since + TERM).await;
    }

    pub(super) fn ask(&self, hash: InfoHash) {
        self.lock().push_back((Instant::now(), hash));
        self.asked.notify_one();
    }

    /// The swarm that has waited longest waits no more.
    pub(super) fn next(&self) -> Option<InfoHash> {
        self.lock().pop_front().map(|(_, hash)| hash)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, InfoHash)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn swarms_gather_their_causes_at_the_same_time_and_are_planned_in_turn() {
        let (plans, begun) = (Plans::default(), Instant::now());
        for n in 1..=3 {
            plans.ask(InfoHash([n; 20]));
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let mut planned = Vec::new();
        for _ in 0..3 {
            plans.asked().await;
            planned.push((plans.next(), begun.elapsed().as_millis()));
        }
        let expected = [(1, 100), (2, 110), (3, 120)].map(|(n, at)| (Some(InfoHash([n; 20])), at));
        assert_eq!(planned, expected);
        assert_eq!(plans.next(), None);
    }
}
