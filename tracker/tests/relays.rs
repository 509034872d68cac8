//! A reverse proxy that `trusted_proxies` forgets is named, with what mends it.
#![cfg(unix)]

mod support;

use support::process::Process;
use support::*;

/// What the tracker says to an announce from `source` with these headers.
fn said(tracker: &Process, source: [u8; 4], headers: &str) -> narrows_protocol::AnnounceReply {
    decode(&request(
        tracker.addr,
        Some(source.into()),
        &target(&announce()),
        headers,
    ))
}

fn forwarded(tracker: &Process) -> f64 {
    tracker.metric("narrows_tracker_untrusted_proxy_announces_total")
}

#[test]
fn a_forgotten_proxy_is_named_once_counted_and_blamed_in_the_refusal() {
    let tracker = Process::start(files(""), &[]);
    accepted(said(&tracker, [127, 1, 0, 5], ""));
    assert_eq!(forwarded(&tracker), 0.0);
    for client in ["127.2.0.7", "127.2.0.8"] {
        let header = format!("X-Forwarded-For: {client}\r\n");
        let response = accepted(said(&tracker, [127, 1, 0, 5], &header));
        assert_eq!(
            response.external_ip,
            Some([127, 1, 0, 5].into()),
            "it is not believed"
        );
    }
    let rfc_7239 = "Forwarded: for=127.2.0.7\r\n";
    let failure = refused(said(&tracker, [127, 77, 0, 1], rfc_7239));
    assert!(failure.reason.contains("trusted_proxies"), "{}", failure.reason);
    let failure = refused(said(&tracker, [127, 77, 0, 1], ""));
    assert!(!failure.reason.contains("proxy"), "{}", failure.reason);
    assert_eq!(forwarded(&tracker), 3.0);
    let log = tracker.whole_log();
    for proxy in ["127.1.0.5", "127.77.0.1"] {
        let lines = log.lines().filter(|line| line.contains(&format!("trusted_proxies: [{proxy}]")));
        assert_eq!(lines.count(), 1, "{proxy}: {log}");
    }
}

#[test]
fn a_proxy_that_is_trusted_is_no_mistake() {
    let tracker = Process::start(files("trusted_proxies: [127.1.0.100]"), &[]);
    accepted(said(&tracker, [127, 1, 0, 100], "X-Forwarded-For: 127.2.0.7\r\n"));
    assert_eq!(forwarded(&tracker), 0.0);
    assert!(!tracker.log().contains("trusted_proxies"));
}
