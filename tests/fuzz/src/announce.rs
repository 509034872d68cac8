//! Announces: the query that any client sends to the tracker, and the reply that any tracker sends to an
//! agent.

use std::net::SocketAddr;

use narrows_protocol::announce::{AnnounceReply, AnnounceRequest, AnnounceResponse, AnnounceUrl};

/// Longest query of an announce that was accepted and is written again: its parts are bounded by the 8 KiB of
/// the one that was read, of which each byte takes at most three.
const MAX_QUERY: usize = 4 * 8 * 1024;

/// An announce that is accepted is the same once written and read again.
pub fn announce_query(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    match AnnounceRequest::parse(query) {
        Ok(request) => {
            let written = request.to_query();
            assert!(written.len() <= MAX_QUERY, "{} bytes", written.len());
            assert_ne!(request.port, 0);
            if let Some(report) = &request.narrows {
                assert!((1..=64).contains(&report.agent.chars().count()));
                assert!(report.gone.len() <= 8 && report.sources.len() <= 16);
            }
            // a name of a site that needs three bytes for each of its own may not fit into one query again
            if written.len() <= 8 * 1024 {
                assert_eq!(
                    AnnounceRequest::parse(&written).as_ref(),
                    Ok(&request),
                    "{written}"
                );
            }
        }
        Err(error) => assert!(!error.reason().is_empty()),
    }
}

/// A reply that is accepted is the same once written, in both forms of its peers, and read again.
pub fn announce_reply(data: &[u8]) {
    match AnnounceReply::decode(data) {
        Ok(AnnounceReply::Ok(mut response)) => {
            // no more is kept than came
            assert!(response.peers.len() <= data.len() / 6);
            if let Some(assignment) = &mut response.narrows {
                // not to divide pieces is written in one way only
                assignment.stripes = if assignment.stripes > 1 {
                    assignment.stripes
                } else {
                    0
                };
                assert!(assignment.dscp.is_none_or(|dscp| dscp < 64));
            }
            assert_eq!(reread(&response, false), response);
            let compact = reread(&response, true);
            let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) =
                response.peers.iter().map(|peer| peer.addr).partition(SocketAddr::is_ipv4);
            let addresses: Vec<SocketAddr> = compact.peers.iter().map(|peer| peer.addr).collect();
            assert_eq!(addresses, [v4, v6].concat());
            response.peers.clear();
            assert_eq!(
                AnnounceResponse {
                    peers: Vec::new(),
                    ..compact
                },
                response
            );
        }
        Ok(AnnounceReply::Failure(failure)) => {
            let mut out = Vec::new();
            failure.encode(&mut out);
            assert_eq!(AnnounceReply::decode(&out), Ok(AnnounceReply::Failure(failure)));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn reread(response: &AnnounceResponse, compact: bool) -> AnnounceResponse {
    let mut out = Vec::new();
    response.encode(compact, false, &mut out);
    match AnnounceReply::decode(&out) {
        Ok(AnnounceReply::Ok(again)) => again,
        other => panic!("{} was read as {other:?}", out.escape_ascii()),
    }
}

/// A tracker's URL that is accepted is the same once written and read again, and fits into a request's head.
pub fn announce_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<AnnounceUrl>() {
        Ok(url) => {
            assert_ne!(url.port, 0);
            assert!(!url.host.is_empty() && url.path.starts_with('/'), "{url:?}");
            let safe = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(
                safe(&url.host) && safe(&url.path) && safe(url.authority()),
                "{url:?}"
            );
            assert!(!url.path.contains('#'), "{url:?}");
            assert_eq!(url.to_string().parse().as_ref(), Ok(&url));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
