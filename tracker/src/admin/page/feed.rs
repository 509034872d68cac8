//! `GET /events`: server-sent events (WHATWG HTML, 9.2). One computation a second for all pages, none
//! without any.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use narrows_topology::Hop;
use serde::Serialize;

use crate::admin::offenders::{OffenderStatus, ReportedStatus, offenders, reported};
use crate::admin::page::rollout::Short;
use crate::metrics::labels::{Direction, link_label, site_label};
use crate::net::events::{Broadcast, Unavailable};
use crate::net::reply::{Refusal, Response, streamed};
use crate::state::tracker::Tracker;

/// How often an event is published.
const EVERY: Duration = Duration::from_secs(1);

/// So many pages may be open.
const MAX_PAGES: usize = 64;

/// So many offenders are shown; all are in `/status`.
const MAX_OFFENDERS: usize = 30;

/// A link is said to be above its budget when it has been above this much of it for so long.
const OVER: f64 = 1.05;
const OVER_FOR: Duration = Duration::from_secs(30);

/// The state of all rollouts and links, once a second, for the pages that are open.
pub(crate) struct Feed(Arc<Broadcast>);

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Broadcast::new(MAX_PAGES)))
    }
}

impl Feed {
    /// Ends all streams, for good.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// An answer that goes on, to a client at `address`. Called within the runtime.
    pub(crate) fn subscribe(&self, tracker: &Arc<Tracker>, address: IpAddr) -> Response {
        let subscription = match self.0.subscribe(address) {
            Ok(subscription) => subscription,
            Err(Unavailable::Closed) => return Refusal::stopping().into_response(),
            Err(Unavailable::Full) => {
                let sentence = format!("{MAX_PAGES} pages are open already; close one, or look at /status");
                return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
            }
        };
        if subscription.is_first {
            tokio::spawn(publish(Arc::clone(tracker), Arc::clone(&self.0)));
        }
        streamed("text/event-stream", subscription.stream)
    }
}

/// Publishes once a second how things are, as long as a page is open.
async fn publish(tracker: Arc<Tracker>, broadcast: Arc<Broadcast>) {
    let (mut number, mut meter) = (0u64, Meter::default());
    loop {
        number += 1;
        let watched = Arc::clone(&tracker);
        let made = tokio::task::spawn_blocking(move || {
            let event = meter.look(&watched, Instant::now());
            (serde_json::to_string(&event), meter)
        });
        let Ok((json, kept)) = made.await else { break };
        meter = kept;
        let Ok(json) = json else { break };
        let event = format!("id: {number}\nevent: state\ndata: {json}\n\n");
        if !broadcast.publish(event.into()) {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
    // how things are cannot be found out: streams end, and pages ask again
    broadcast.end_streams();
}

#[derive(Serialize)]
struct Event {
    version: &'static str,
    map_generation: u64,
    map_valid: bool,
    /// Those that a site waits for come first.
    rollouts: Vec<Short>,
    links: Vec<Use>,
    /// Those that did last first.
    offenders: Vec<OffenderStatus>,
    /// Those that most addresses name first.
    reported_offenders: Vec<ReportedStatus>,
}

/// One direction of a link.
#[derive(Serialize)]
struct Use {
    link: String,
    /// The site at whose end the bytes come out.
    to: String,
    /// Bytes per second, over the last seconds.
    used: f64,
    /// What it may carry; null: no limit.
    rate: Option<u64>,
    braked: bool,
    /// Whether it has been above its budget for half a minute: a moment is no news.
    over: bool,
}

/// Remembers since when links are above their budgets.
#[derive(Default)]
struct Meter {
    over: BTreeMap<Direction, Instant>,
}

impl Meter {
    fn look(&mut self, tracker: &Tracker, now: Instant) -> Event {
        let mut contents = tracker.described_in_short();
        contents.sort_by_key(|content| !content.status.sites.iter().any(|site| site.waiting));
        let conditions = tracker.store.conditions();
        let view = conditions.view();
        let (map, brakes) = (view.map(), conditions.ledger().brakes());
        let mut used = tracker.metrics.links.used(conditions.uptime());
        let mut links = Vec::new();
        for link in map.links() {
            let (one, other) = map.ends(link);
            for (forward, to) in [(true, other), (false, one)] {
                let key = (link_label(map, link), site_label(map, to));
                let rate = map.rate(Hop { link, forward }, jiff::Timestamp::now());
                let used = used.remove(&key).unwrap_or(0.0);
                links.push(Use {
                    used,
                    over: self.is_over(&key, used, rate.bytes_per_second(), now),
                    rate: rate.bytes_per_second(),
                    braked: brakes.stops_link(map, one, other),
                    link: key.0,
                    to: key.1,
                });
            }
        }
        Event {
            version: env!("CARGO_PKG_VERSION"),
            map_generation: view.generation(),
            map_valid: conditions.map_is_valid(),
            rollouts: contents.iter().map(|content| Short::of(content, &brakes)).collect(),
            links,
            offenders: offenders(tracker, MAX_OFFENDERS),
            reported_offenders: reported(tracker, MAX_OFFENDERS),
        }
    }

    /// Whether a direction has been above its budget all the time for [`OVER_FOR`].
    fn is_over(&mut self, key: &Direction, used: f64, rate: Option<u64>, now: Instant) -> bool {
        if rate.is_none_or(|rate| used <= OVER * rate as f64) {
            self.over.remove(key);
            return false;
        }
        now - *self.over.entry(key.clone()).or_insert(now) >= OVER_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_above_its_budget_only_when_it_has_been_so_for_half_a_minute() {
        let key = ("hq-b1".to_owned(), "b1".to_owned());
        let (start, mut meter) = (Instant::now(), Meter::default());
        let mut at =
            |second, used| meter.is_over(&key, used, Some(1000), start + Duration::from_secs(second));
        assert!(!at(0, 1500.0) && !at(29, 1060.0) && at(30, 1060.0));
        assert!(!at(31, 1040.0), "within the budget");
        assert!(!at(40, 1500.0) && !at(69, 1500.0) && at(70, 1500.0));
        assert!(!meter.is_over(&key, 1e9, None, start), "no limit");
    }
}
