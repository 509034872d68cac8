//! The admin port: the page with its parts, /metrics, /healthz, /status, /sd, /explain and /brake.

pub(crate) mod access;
pub(crate) mod brake;
mod explain;
mod exposition;
mod offenders;
mod page;
mod sd;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use prometheus::TEXT_FORMAT;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::admin::access::Access;
use crate::admin::brake::file::BrakeFile;
use crate::admin::page::feed::Feed;
use crate::net::body::{self, BodyError};
use crate::net::offences::Offence;
use crate::net::reply::{Answer, Refusal, Request, Response, answered, json, typed};
use crate::state::tracker::Tracker;

/// A request to the admin port may carry so many bytes.
const MAX_BODY: usize = 64 * 1024;

/// Walks over the swarms at a time, of those that people ask for, and of those that programs and the brake
/// need: announces wait for the locks that they take, and for a processor.
const MAX_WALKS: usize = 2;
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// The admin port: a tracker, and what it takes to look at it and to change it.
pub(crate) struct Admin {
    tracker: Arc<Tracker>,
    access: Access,
    brake_file: BrakeFile,
    feed: Feed,
    for_people: Arc<Semaphore>,
    for_programs: Arc<Semaphore>,
}

impl Admin {
    pub(crate) fn new(tracker: Arc<Tracker>, access: Access, brake_file: BrakeFile) -> Self {
        Self {
            tracker,
            access,
            brake_file,
            feed: Feed::default(),
            for_people: Arc::new(Semaphore::new(MAX_WALKS)),
            for_programs: Arc::new(Semaphore::new(MAX_WALKS)),
        }
    }

    /// What is answered to a request whose body is no body.
    fn no_body(&self, error: BodyError, what: &str, peer: SocketAddr) -> Response {
        let (offence, sentence) = match error {
            BodyError::TooLong { max } => (
                Offence::OversizedRequest,
                format!("{what} is longer than {} KiB", max / 1024),
            ),
            BodyError::Late => (
                Offence::SlowClient,
                format!("{what} did not arrive in time; send it again"),
            ),
        };
        self.offended(offence, peer);
        Refusal::new(error.status(), sentence).into_response()
    }

    fn offended(&self, offence: Offence, peer: SocketAddr) {
        let now = self.tracker.store.conditions().uptime();
        self.tracker.offences.record(offence, peer.ip(), None, now);
    }

    /// Ends streams of events, which would go on for ever.
    pub(crate) fn close(&self) {
        self.feed.close();
    }
}

/// Where a request came from, and to which port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: SocketAddr,
    /// Whether the port is bound to a loopback address.
    pub(crate) on_loopback: bool,
}

/// Answers one request, with headers that keep other pages out.
pub(crate) async fn respond(admin: Arc<Admin>, request: Request, caller: Caller) -> Response {
    let peer = caller.peer;
    let mut response = match admin.access.admit(request.method(), request.uri(), request.headers()) {
        Ok(()) => route(admin, request, caller).await,
        Err(refusal) => {
            admin.offended(Offence::ForeignHost, peer);
            refusal.into_response()
        }
    };
    page::headers::protect(response.headers_mut());
    response
}

/// What a client hears that asks the https port in the clear.
pub(crate) fn in_the_clear(_: &Request) -> Response {
    let mut response =
        Refusal::bad_request("this port speaks https; write https:// before its address").into_response();
    page::headers::protect(response.headers_mut());
    response
}

/// Walking the swarms may take a while, so it happens off the runtime's workers.
async fn route(admin: Arc<Admin>, request: Request, Caller { peer, on_loopback }: Caller) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    let changes = path == "/brake" && matches!(method, Method::POST | Method::DELETE);
    if changes && let Err(refusal) = admin.access.check(request.headers(), on_loopback) {
        return refusal.into_response();
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    match path.as_str() {
        "/brake" if changes => return brake(admin, request, query, (method == Method::POST, peer)).await,
        "/check" if method == Method::POST => {
            return match body::collect(request.into_body(), page::check::MAX_MAP).await {
                Ok(map) => answered(page::check::check(map).await),
                Err(error) => admin.no_body(error, "the site map", peer),
            };
        }
        "/events" if is_read => return admin.feed.subscribe(&admin.tracker, peer.ip()),
        "/brake" if !is_read => {
            return not_allowed("GET lists the brakes, POST puts one on, DELETE takes it off");
        }
        _ if !is_read => return not_allowed("only GET and HEAD are answered here"),
        _ => {}
    }
    if let Some(asset) = page::assets::asset(&path) {
        return asset;
    }
    let body: fn(&Admin, &str) -> Answer = match path.as_str() {
        "/healthz" => return typed(StatusCode::OK, "text/plain", Bytes::from_static(b"ok\n")),
        "/metrics" => |admin, _| {
            Ok((
                TEXT_FORMAT,
                exposition::metrics(&admin.tracker).ok_or_else(Refusal::broken)?,
            ))
        },
        "/status" => |admin, _| json(&status::status(&admin.tracker)),
        "/brake" => |admin, _| json(&brake::state(&admin.tracker, &admin.brake_file)),
        "/sd" => |admin, _| json(&sd::targets(&admin.tracker)),
        "/map" => |admin, _| json(&page::layout::map(&admin.tracker)),
        "/rollout" => |admin, query| json(&page::rollout::rollout(&admin.tracker, query)?),
        "/agents" => |admin, query| json(&page::roster::agents(&admin.tracker, query)?),
        "/explain" => |admin, query| json(&explain::explain(&admin.tracker, query)?),
        _ => {
            let sentence = "not found: this port serves a page at /, /metrics, /healthz, /status, /sd, /explain and /brake";
            return Refusal::not_found(sentence).into_response();
        }
    };
    let turns = match path.as_str() {
        "/metrics" | "/sd" | "/brake" => &admin.for_programs,
        _ => &admin.for_people,
    };
    let Ok(Ok(turn)) = timeout(TURN, Arc::clone(turns).acquire_owned()).await else {
        return Refusal::busy("too much is asked of this port just now; ask again").into_response();
    };
    let asked = Arc::clone(&admin);
    answer(move || {
        let made = body(&asked, &query);
        // not before: the walk goes on if the client goes
        drop(turn);
        made
    })
    .await
}

/// Puts brakes on or off.
async fn brake(
    admin: Arc<Admin>,
    request: Request,
    query: String,
    (on, peer): (bool, SocketAddr),
) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_json = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let body = match body::collect(request.into_body(), MAX_BODY).await {
        Ok(body) => body,
        Err(error) => return admin.no_body(error, "the body", peer),
    };
    let change = move || {
        let targets = brake::targets::read(&query, &body, is_json)?;
        json(&brake::change(&admin.tracker, &admin.brake_file, &targets, on)?)
    };
    answer(change).await
}

fn not_allowed(sentence: &'static str) -> Response {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, sentence).into_response()
}

/// What work leads to that may take a while.
async fn answer(make: impl FnOnce() -> Answer + Send + 'static) -> Response {
    let made = tokio::task::spawn_blocking(make).await;
    answered(made.unwrap_or_else(|_| Err(Refusal::broken())))
}
