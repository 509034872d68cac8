//! The admin port: the page with its parts, /metrics, /healthz, /status, /sd, /explain and /brake.

pub(crate) mod access;
pub(crate) mod brake;
mod explain;
pub(crate) mod page;
mod sd;

use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use narrows_assignment::SwarmStatus;
use narrows_protocol::InfoHash;
use prometheus::{Encoder as _, TEXT_FORMAT, TextEncoder};
use serde::Serialize;

use crate::announce::{text, typed};
use crate::metrics::gauges::{self, Described};
use crate::net::serve::{Request, Response};
use crate::state::tracker::{Tracker, label};
use brake::BrakeError;

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

/// A request to the admin port may carry so many bytes.
const BODY_MAX: usize = 64 * 1024;

/// Answers one request, with headers that keep other pages out.
pub(crate) async fn respond(tracker: Arc<Tracker>, request: Request) -> Response {
    let mut response = match tracker.access.admit(request.method(), request.uri(), request.headers()) {
        Ok(()) => route(tracker, request).await,
        Err((status, reason)) => text(status, reason),
    };
    page::protect(response.headers_mut());
    response
}

/// Walking the swarms may take a while, so it happens off the runtime's workers.
async fn route(tracker: Arc<Tracker>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    let changes = path == "/brake" && matches!(method, Method::POST | Method::DELETE);
    if changes && let Err((status, reason)) = tracker.access.check(request.headers()) {
        return text(status, reason);
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    match path.as_str() {
        "/brake" if changes => return brake(tracker, request, query, method == Method::POST).await,
        "/check" if method == Method::POST => return page::check(request).await,
        "/events" if is_read => return tracker.feed.subscribe(&tracker),
        "/brake" if !is_read => {
            return text(
                StatusCode::METHOD_NOT_ALLOWED,
                "GET lists the brakes, POST puts one on, DELETE takes it off\n",
            );
        }
        _ if !is_read => {
            return text(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered here\n",
            );
        }
        _ => {}
    }
    if let Some(asset) = page::asset(&path) {
        return asset;
    }
    let body: fn(&Tracker, &str) -> Answer = match path.as_str() {
        "/healthz" => return text(StatusCode::OK, "ok\n"),
        "/metrics" => |tracker, _| Ok((TEXT_FORMAT, metrics(tracker).ok_or_else(broken)?)),
        "/status" => |tracker, _| json(&status(tracker)),
        "/brake" => |tracker, _| json(&brake::state(tracker)),
        "/sd" => |tracker, _| json(&sd::targets(tracker)),
        "/map" => |tracker, _| json(&page::map(tracker)),
        "/rollout" => |tracker, query| json(&page::rollout(tracker, query)?),
        "/agents" => |tracker, query| json(&page::agents(tracker, query)?),
        "/explain" => |tracker, query| json(&explain::explain(tracker, query)?),
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "not found: this port serves a page at /, /metrics, /healthz, /status, /sd, /explain and /brake\n",
            );
        }
    };
    answer(tokio::task::spawn_blocking(move || body(&tracker, &query)).await)
}

/// Puts brakes on or off.
async fn brake(tracker: Arc<Tracker>, request: Request, query: String, on: bool) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_json = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
        return text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 64 KiB, or did not arrive\n",
        );
    };
    let body = body.to_bytes();
    let change = move || {
        let targets = brake::targets(&query, &body, is_json)?;
        json(&brake::change(&tracker, &targets, on)?)
    };
    answer(tokio::task::spawn_blocking(change).await)
}

/// A content type and what it is the type of, or a status and a sentence.
type Answer = Result<Body, (StatusCode, String)>;

impl From<BrakeError> for (StatusCode, String) {
    fn from(error: BrakeError) -> Self {
        let status = match error {
            BrakeError::Wrong(_) => StatusCode::BAD_REQUEST,
            BrakeError::Unwritten { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, error.to_string())
    }
}

fn broken() -> (StatusCode, String) {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the answer could not be written".to_owned(),
    )
}

fn json(value: &impl Serialize) -> Answer {
    Ok((
        "application/json",
        serde_json::to_vec(value).map_err(|_| broken())?,
    ))
}

fn answer(made: Result<Answer, tokio::task::JoinError>) -> Response {
    let (status, kind, body) = match made.unwrap_or_else(|_| Err(broken())) {
        Ok((kind, body)) => (StatusCode::OK, kind, body),
        Err((status, sentence)) => (
            status,
            "text/plain; charset=utf-8",
            format!("{sentence}\n").into_bytes(),
        ),
    };
    typed(status, kind, body.into())
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
        contents: described(tracker, tracker.store.statuses())
            .into_iter()
            .map(
                |Described {
                     name, size, status, ..
                 }| ContentStatus {
                    name,
                    size,
                    swarm: status,
                },
            )
            .collect(),
    }
}

fn metrics(tracker: &Tracker) -> Option<Vec<u8>> {
    let contents = in_short(tracker);
    let mut families = tracker.metrics.gather();
    let world = tracker.store.world();
    let view = world.view();
    let links = tracker.metrics.links.by_content();
    let used = tracker.metrics.links.used(world.uptime());
    families.extend(gauges::gather(&view.context(), &contents, &links, &used).ok()?);
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut out = Vec::new();
    TextEncoder::new().encode(&families, &mut out).ok()?;
    Some(out)
}

/// All contents, without the ways of their bytes.
pub(crate) fn in_short(tracker: &Tracker) -> Vec<Described> {
    described(tracker, tracker.store.statuses_in_short())
}

fn described(tracker: &Tracker, statuses: Vec<(InfoHash, SwarmStatus)>) -> Vec<Described> {
    let contents = tracker.contents.as_ref().map(|contents| contents.load_full());
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
