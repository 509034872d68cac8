//! What is served on the tracker's port.

mod answer;
pub(crate) mod doubles;
pub(crate) mod proxies;
pub(crate) mod relays;
pub(crate) mod shared_addresses;

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};

use crate::net::serve::{Request, Response};
use crate::state::tracker::Tracker;
use answer::Source;

/// What proxies add to what they pass on; the second is RFC 7239.
const PROXY_HEADERS: [&str; 2] = ["x-forwarded-for", "forwarded"];

/// Answers one request: bencode with status 200, whatever is wrong with it; only an unknown path is 404.
pub(crate) fn respond(tracker: &Tracker, request: &Request, peer: SocketAddr) -> Response {
    let started = std::time::Instant::now();
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let body = match (uri.path(), request.method()) {
        ("/announce", &Method::GET) => {
            let headers = request.headers().get_all("x-forwarded-for");
            let forwarded = headers.iter().map(HeaderValue::as_bytes);
            answer::announce(
                tracker,
                Source {
                    socket: peer.ip(),
                    relayed: PROXY_HEADERS.iter().any(|name| request.headers().contains_key(*name)),
                    forwarded,
                    query,
                },
            )
        }
        ("/scrape", &Method::GET) => answer::scrape(tracker, query),
        // asked often: whether the tracker is the one that agents announced to
        ("/epoch", &Method::GET) => Bytes::from(tracker.epoch.to_string()),
        // HEAD too: it promises to change nothing, and an announce is a change
        ("/announce" | "/scrape", _) => answer::refuse("only GET is answered here"),
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "not found: this tracker serves /announce, /scrape and /epoch\n",
            );
        }
    };
    tracker.metrics.request_duration.observe(started.elapsed().as_secs_f64());
    typed(StatusCode::OK, "text/plain", body)
}

/// A response for a person or a program that reads text.
pub(crate) fn text(status: StatusCode, body: &'static str) -> Response {
    typed(status, "text/plain", Bytes::from_static(body.as_bytes()))
}

/// A response that is whole, with its content type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
