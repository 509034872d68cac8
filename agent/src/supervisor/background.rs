//! What an agent does on its own beside its contents: torrents that could not be read, trackers that restart,
//! an address that changes, files that are not read any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::Agent;
use crate::announce::Moved;

/// While no tracker says how often to look at it: one may have answered its first announce meanwhile.
const IDLE: Duration = Duration::from_secs(2);
/// Agents announce to a restarted tracker within this time, not all at once.
const SPREAD: Duration = Duration::from_secs(3);
/// How far apart, on average, the contents of an agent announce when all do.
const APART: Duration = Duration::from_millis(10);
/// A tracker that does not answer may be restarting: how often it is asked again soon, and how soon.
const MAX_HASTY: u32 = 3;
const AGAIN: Duration = Duration::from_secs(4);
/// How often a torrent that cannot be read is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// A file that is not read or written for one to two of these is closed.
const UNUSED: Duration = Duration::from_secs(30);

/// How often to look whether this machine's address has changed.
const ADDRESS: Duration = Duration::from_secs(3);

/// Starts all of it; each ends by itself once the agent is gone or stopped.
pub(super) fn spawn(agent: &Arc<Agent>) {
    tokio::spawn(retry_unread(Arc::downgrade(agent)));
    tokio::spawn(follow_trackers(Arc::downgrade(agent)));
    tokio::spawn(follow_address(Arc::downgrade(agent)));
    tokio::spawn(close_unused(Arc::downgrade(agent)));
}

async fn retry_unread(agent: Weak<Agent>) {
    loop {
        tokio::time::sleep(RETRY).await;
        let Some(agent) = agent.upgrade() else { return };
        if agent.is_stopped() {
            return;
        }
        agent.retry_unread().await;
    }
}

/// Looks whether trackers have restarted, and then has all contents announce.
async fn follow_trackers(agent: Weak<Agent>) {
    let Some(mut restarts) = agent.upgrade().map(|agent| agent.services.trackers.restarts()) else {
        return;
    };
    let mut failures = 0_u32;
    loop {
        let due = match agent.upgrade() {
            Some(agent) if !agent.is_stopped() => agent.services.trackers.look_due(),
            _ => return,
        };
        let wait = due.as_ref().map_or(IDLE, |(_, after)| *after);
        let wait = if (1..=MAX_HASTY).contains(&failures) {
            wait.min(AGAIN)
        } else {
            wait
        };
        // those that started together do not look together
        let wait = wait.mul_f64(rand::random_range(0.7..1.0));
        tokio::select! {
            () = tokio::time::sleep(wait) => {
                let Some(agent) = agent.upgrade() else { return };
                let mut failed = false;
                for url in due.into_iter().flat_map(|(urls, _)| urls) {
                    if let Err(error) = agent.services.trackers.look(&url).await {
                        // it is away: announces say so
                        failed = true;
                        tracing::debug!(url, %error, "cannot look at a tracker");
                    }
                }
                failures = if failed { failures.saturating_add(1) } else { 0 };
            }
            changed = restarts.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(SPREAD.mul_f64(rand::random_range(0.0..1.0))).await;
                let Some(agent) = agent.upgrade() else { return };
                tracing::info!("a tracker has restarted; announcing all content again");
                agent.announce_in_turn(true, APART).await;
            }
        }
    }
}

/// Looks whether this machine has another address, and then has all contents announce.
async fn follow_address(agent: Weak<Agent>) {
    loop {
        tokio::time::sleep(ADDRESS).await;
        let agent = match agent.upgrade() {
            Some(agent) if !agent.is_stopped() => agent,
            _ => return,
        };
        let mut announce = false;
        for (tracker, moved) in agent.services.trackers.moved() {
            match moved {
                Moved::Away => {
                    tracing::warn!(%tracker, "no address of this machine leads to the tracker any more")
                }
                Moved::To(address) => {
                    tracing::info!(%tracker, %address, "the tracker is reached from another address; announcing again");
                    announce = true;
                }
            }
        }
        if announce {
            agent.services.network.has_moved();
            agent.announce_in_turn(false, APART).await;
        }
    }
}

/// A file that was deleted must not hold its bytes for ever, nor an idle one keep its volume from being
/// unmounted.
async fn close_unused(agent: Weak<Agent>) {
    loop {
        tokio::time::sleep(UNUSED).await;
        let files = match agent.upgrade() {
            Some(agent) if !agent.is_stopped() => Arc::clone(&agent.services.resources.files),
            _ => return,
        };
        let _ = spawn_blocking(move || files.close_unused()).await;
    }
}
