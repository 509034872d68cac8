//! `GET /events`: server-sent events (WHATWG HTML, 9.2). One computation a second for all listeners, none
//! without any.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Either;
use hyper::StatusCode;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use narrows_topology::Hop;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::rollout::Short;
use crate::admin::in_short;
use crate::announce::text;
use crate::metrics::link_bytes::{link_label, site_label};
use crate::metrics::link_use::Direction;
use crate::net::serve::Response;
use crate::state::tracker::Tracker;

/// How often something is said.
const EVERY: Duration = Duration::from_secs(1);

/// More listeners than this are sent away.
const LISTENERS_MAX: usize = 64;

/// A link is said to be above its budget when it has been above this much of it for so long.
const OVER: f64 = 1.05;
const OVER_FOR: Duration = Duration::from_secs(30);

/// Who listens, and what was said last.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// While somebody listens. The last word; empty at first.
    said: Option<watch::Sender<Bytes>>,
    closed: bool,
}

/// The body of an answer that goes on. It ends when the sender is dropped.
pub(crate) struct EventStream(mpsc::Receiver<Bytes>);

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(cx);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Feed {
    /// Ends all streams, for good.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        state.said = None;
    }

    /// An answer that goes on. Called within the runtime.
    pub(crate) fn subscribe(&self, tracker: &Arc<Tracker>) -> Response {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the tracker stops\n");
        }
        let heard = match &state.said {
            Some(said) if said.receiver_count() >= LISTENERS_MAX => {
                return text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "64 pages are open already; close one, or look at /status\n",
                );
            }
            Some(said) => said.subscribe(),
            None => {
                let (said, heard) = watch::channel(Bytes::new());
                state.said = Some(said);
                tokio::spawn(speak(Arc::clone(tracker)));
                heard
            }
        };
        // one event waits for a slow listener, who misses those meanwhile
        let (out, stream) = mpsc::channel(1);
        tokio::spawn(pass_on(heard, out));
        let mut response = Response::new(Either::Right(EventStream(stream)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response
    }

    /// Says something to all; `false`: nobody listens any more.
    fn say(&self, event: Bytes) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_heard = state.said.as_ref().is_some_and(|said| said.send(event).is_ok());
        if !is_heard {
            state.said = None;
        }
        is_heard
    }
}

/// Brings one listener what is said, until it goes or nothing more is said.
async fn pass_on(mut heard: watch::Receiver<Bytes>, out: mpsc::Sender<Bytes>) {
    if out.send(Bytes::from_static(b"retry: 2000\n\n")).await.is_err() {
        return;
    }
    heard.mark_changed();
    loop {
        tokio::select! {
            () = out.closed() => return,
            changed = heard.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        let event = heard.borrow_and_update().clone();
        if !event.is_empty() && out.send(event).await.is_err() {
            return;
        }
    }
}

/// Says once a second how things are, as long as somebody listens.
async fn speak(tracker: Arc<Tracker>) {
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
        if !tracker.feed.say(event.into()) {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
    // it cannot be said how things are: streams end, and pages ask again
    tracker.feed.state.lock().unwrap_or_else(PoisonError::into_inner).said = None;
}

#[derive(Serialize)]
struct Event {
    version: &'static str,
    map_generation: u64,
    map_valid: bool,
    /// Those that somebody waits for first.
    rollouts: Vec<Short>,
    links: Vec<Use>,
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
        let mut contents = in_short(tracker);
        contents.sort_by_key(|content| !content.status.sites.iter().any(|site| site.waiting));
        let world = tracker.store.world();
        let view = world.view();
        let (map, brakes) = (view.map(), world.ledger().brakes());
        let mut used = tracker.metrics.links.used(world.uptime());
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
            map_valid: tracker.metrics.map_is_valid(),
            rollouts: contents.iter().map(|content| Short::of(content, &brakes)).collect(),
            links,
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
