//! The admin port: /metrics, /healthz and /status.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use narrows_assignment::SwarmStatus;
use prometheus::{Encoder as _, TEXT_FORMAT, TextEncoder};
use serde::Serialize;

use crate::gauges::{self, Described};
use crate::http::text;
use crate::serve::{Request, Response};
use crate::tracker::Tracker;

/// What /status says.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    uptime_seconds: u64,
    site_map: MapStatus,
    contents: Vec<ContentStatus>,
}

#[derive(Serialize)]
struct MapStatus {
    /// Whether the file on disk is the map in force.
    valid: bool,
    sites: usize,
    links: usize,
    loaded_seconds_ago: u64,
}

#[derive(Serialize)]
struct ContentStatus {
    name: String,
    /// Bytes; null if any info hash is tracked, as nobody says then.
    size: Option<u64>,
    #[serde(flatten)]
    swarm: SwarmStatus,
}

/// A content type and what it is the type of.
type Body = (&'static str, Vec<u8>);

/// Answers one request. Walking the swarms may take a while, so it happens off the runtime's workers.
pub(crate) async fn respond(tracker: Arc<Tracker>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD are answered here\n",
        );
    }
    let body: fn(&Tracker) -> Option<Body> = match request.uri().path() {
        "/healthz" => return text(StatusCode::OK, "ok\n"),
        "/metrics" => |tracker| Some((TEXT_FORMAT, metrics(tracker)?)),
        "/status" => |tracker| Some(("application/json", serde_json::to_vec(&status(tracker)).ok()?)),
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "not found: this port serves /metrics, /healthz and /status\n",
            );
        }
    };
    match tokio::task::spawn_blocking(move || body(&tracker)).await {
        Ok(Some((kind, body))) => {
            let mut response = Response::new(Full::new(Bytes::from(body)));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        _ => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer could not be written\n",
        ),
    }
}

fn status(tracker: &Tracker) -> Status {
    let world = tracker.store.world();
    let view = world.view();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: world.uptime().as_secs(),
        site_map: MapStatus {
            valid: tracker.metrics.map_is_valid(),
            sites: view.map().sites().count(),
            links: view.map().links().count(),
            loaded_seconds_ago: view.map_age().as_secs(),
        },
        contents: described(tracker)
            .into_iter()
            .map(|Described { name, size, status }| ContentStatus {
                name,
                size,
                swarm: status,
            })
            .collect(),
    }
}

fn metrics(tracker: &Tracker) -> Option<Vec<u8>> {
    let contents = described(tracker);
    let mut families = tracker.metrics.gather();
    families.extend(gauges::gather(tracker.store.world().view().map(), &contents).ok()?);
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut out = Vec::new();
    TextEncoder::new().encode(&families, &mut out).ok()?;
    Some(out)
}

fn described(tracker: &Tracker) -> Vec<Described> {
    let contents = tracker.contents.as_ref().map(|contents| contents.load_full());
    let describe = |(hash, status)| {
        let content = contents.as_ref().and_then(|contents| contents.of(&hash));
        Described {
            name: content.map_or_else(|| hash.to_string(), |content| content.name.to_string()),
            size: content.map(|content| content.size),
            status,
        }
    };
    tracker.store.statuses().into_iter().map(describe).collect()
}
