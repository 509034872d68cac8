//! The state of a tracker, shared by everything that serves.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use narrows_assignment::SwarmStatus;
use narrows_protocol::InfoHash;
use tokio::sync::Notify;

use crate::metrics::Metrics;
use crate::metrics::described::Described;
use crate::metrics::labels::ContentLabel;
use crate::net::offences::Offences;
use crate::state::reported::Reported;
use crate::state::store::{Store, Swept};
use crate::state::torrents::{Content, Contents};

/// Swarms, contents and counters. It knows no port: what one of them alone needs is kept there.
pub(crate) struct Tracker {
    pub(crate) store: Store,
    /// `None`: any info hash is tracked.
    pub(crate) contents: Option<ArcSwap<Contents>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) offences: Arc<Offences>,
    pub(crate) reported: Reported,
    /// Another number in each run.
    pub(crate) epoch: u32,
    /// How many agents there were at the last sweep, about.
    pub(crate) agents: AtomicU64,
    /// Something happened that is to outlive a restart sooner than other things: who has a lease, or is last in line.
    pub(crate) worth_keeping: Notify,
}

/// How often agents look whether the tracker has restarted: so often that seeders are heard of within 20 s...
const WATCH: u64 = 15;
/// ... but for fleets of which more than so many would look each second.
const LOOKS: u64 = 2000;

/// What is known of an info hash beforehand.
pub(crate) enum Listing {
    /// Everything is tracked.
    Open,
    /// The allow-list has it, with so many bytes.
    Listed(u64),
    /// The allow-list does not have it.
    Unlisted,
}

impl Tracker {
    pub(crate) fn listing(&self, hash: &InfoHash) -> Listing {
        match &self.contents {
            None => Listing::Open,
            Some(contents) => match contents.load().of(hash) {
                Some(content) => Listing::Listed(content.size),
                None => Listing::Unlisted,
            },
        }
    }

    /// A content's labels.
    pub(crate) fn label(&self, hash: &InfoHash) -> ContentLabel {
        let contents = self.contents.as_ref().map(|contents| contents.load());
        label(hash, contents.as_ref().and_then(|contents| contents.of(hash)))
    }

    /// Names and info hashes of all contents: those listed, or else those with a swarm.
    pub(crate) fn contents_named(&self) -> impl Iterator<Item = (String, InfoHash)> {
        let named: Vec<(String, InfoHash)> = match &self.contents {
            Some(contents) => {
                let contents = contents.load();
                let named = contents.iter();
                named.map(|(hash, content)| (content.name.to_string(), *hash)).collect()
            }
            None => self.store.hashes().into_iter().map(|hash| (hash.to_string(), hash)).collect(),
        };
        named.into_iter()
    }

    /// The states of all swarms, with their contents' names.
    pub(crate) fn described(&self) -> Vec<Described> {
        self.describe(self.store.statuses())
    }

    /// The same without the ways of their bytes.
    pub(crate) fn described_in_short(&self) -> Vec<Described> {
        self.describe(self.store.statuses_in_short())
    }

    fn describe(&self, statuses: Vec<(InfoHash, SwarmStatus)>) -> Vec<Described> {
        let contents = self.contents.as_ref().map(|contents| contents.load_full());
        let describe = |(hash, status)| {
            let content = contents.as_ref().and_then(|contents| contents.of(&hash));
            Described {
                name: content.map_or_else(|| hash.to_string(), |content| content.name.to_string()),
                label: label(&hash, content),
                size: content.map(|content| content.size),
                status,
            }
        };
        statuses.into_iter().map(describe).collect()
    }

    /// The number of this run, and after how many seconds an agent is to look whether it still is: it looks
    /// once for all its contents.
    pub(crate) fn watched(&self) -> (u32, u16) {
        let seconds = (self.agents.load(Ordering::Relaxed) / LOOKS).clamp(WATCH, 3600);
        (self.epoch, u16::try_from(seconds).unwrap_or(u16::MAX))
    }

    /// Tells the metrics how many contents there are.
    pub(crate) fn count_contents(&self) {
        if let Some(contents) = &self.contents {
            let contents = contents.load();
            self.metrics.torrents.set(contents.len() as i64);
            self.metrics.torrents_broken.set(contents.broken as i64);
            let tracked: HashSet<String> = contents.iter().map(|(hash, _)| hash.to_string()).collect();
            self.metrics.links.keep(|hash| tracked.contains(hash));
        }
    }

    /// Forgets peers that did not come back, empty swarms of an open tracker, and swarms that are not listed
    /// any more. A listed swarm stays even if it is empty: it counts completions.
    pub(crate) fn sweep(&self) {
        let swept = match &self.contents {
            None => self.store.sweep(|_, is_empty| !is_empty),
            Some(contents) => {
                let contents = contents.load_full();
                self.store.sweep(|hash, _| contents.of(hash).is_some())
            }
        };
        self.metrics.expired_peers.inc_by(swept.peers as u64);
        self.metrics.broken_invariants.inc_by(swept.broken);
        self.agents.store(self.store.agents(), Ordering::Relaxed);
        if swept != Swept::default() {
            tracing::debug!(peers = swept.peers, swarms = swept.swarms, "swept");
        }
    }
}

/// The labels of a content; of an open tracker only the info hash is known.
fn label(hash: &InfoHash, content: Option<&Content>) -> ContentLabel {
    let info_hash = hash.to_string();
    ContentLabel {
        name: content.map_or_else(|| info_hash.clone(), |content| content.own_name.to_string()),
        info_hash,
    }
}
