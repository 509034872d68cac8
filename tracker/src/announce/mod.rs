//! What is served on the tracker's port.

mod answer;
mod odd_clients;
pub(crate) mod port;
mod probe;
mod proxies;

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};

use crate::announce::answer::Source;
use crate::announce::port::Port;
use crate::net::reply::{Refusal, Request, Response, typed};

/// What proxies add to what they pass on; the second is RFC 7239.
const PROXY_HEADERS: [&str; 2] = ["x-forwarded-for", "forwarded"];

/// Answers one request: bencode with status 200, whatever is wrong with it; only an unknown path is 404.
pub(crate) fn respond(port: &Port, request: &Request, peer: SocketAddr) -> Response {
    let started = std::time::Instant::now();
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let body = match (uri.path(), request.method()) {
        ("/announce", &Method::GET) => {
            let headers = request.headers().get_all("x-forwarded-for");
            let forwarded = headers.iter().map(HeaderValue::as_bytes);
            answer::announce(
                port,
                Source {
                    socket: peer.ip(),
                    relayed: PROXY_HEADERS.iter().any(|name| request.headers().contains_key(*name)),
                    forwarded,
                    query,
                },
            )
        }
        ("/scrape", &Method::GET) => answer::scrape(&port.tracker, query),
        // asked often: whether the tracker is the one that agents announced to
        ("/epoch", &Method::GET) => Bytes::from(port.tracker.epoch.to_string()),
        // HEAD too: it promises to change nothing, and an announce is a change
        ("/announce" | "/scrape", _) => answer::refuse("only GET is answered here"),
        _ => {
            let sentence = "not found: this tracker serves /announce, /scrape and /epoch";
            return Refusal::not_found(sentence).into_response();
        }
    };
    port.tracker.metrics.request_duration.observe(started.elapsed().as_secs_f64());
    typed(StatusCode::OK, "text/plain", body)
}

/// What a client hears that asks the https port in the clear.
pub(crate) fn in_the_clear(request: &Request) -> Response {
    let sentence = "this port speaks https: write https:// into the announce URL (`tracker:` in agent.yaml), or announce to \
                    the port for http";
    match request.uri().path() {
        "/announce" | "/scrape" => typed(StatusCode::OK, "text/plain", answer::refuse(sentence)),
        _ => Refusal::bad_request(sentence).into_response(),
    }
}
