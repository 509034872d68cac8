//! HTTP as clients really speak it.

mod support;

use std::io::{Read, Write};
use std::net::Shutdown;

use narrows_protocol::AnnounceReply;
use support::*;

#[test]
fn a_connection_serves_request_after_request() {
    let tracker = Running::start("");
    let mut stream = connect(tracker.addr, None);
    for _ in 0..3 {
        write!(stream, "GET {} HTTP/1.1\r\nHost: t\r\n\r\n", target(&announce())).unwrap();
        accepted(decode(&read_reply(&mut stream)));
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let tracker = Running::start("");
    let mut stream = connect(tracker.addr, None);
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
    let all = [head("/scrape"), head(&target(&announce())), head("/nowhere")].concat();
    stream.write_all(all.as_bytes()).unwrap();
    refused(decode(&read_reply(&mut stream)));
    accepted(decode(&read_reply(&mut stream)));
    assert_eq!(read_reply(&mut stream).status, 404);
}

#[test]
fn http_1_0_without_headers_is_answered_and_closed() {
    let tracker = Running::start("");
    let all = exchange(
        tracker.addr,
        format!("GET {} HTTP/1.0\r\n\r\n", target(&announce())).as_bytes(),
    );
    let text = all.escape_ascii().to_string();
    assert!(
        text.starts_with("HTTP/1.0 200 OK") && text.contains("d8:completei0e"),
        "{text}"
    );
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_answered() {
    let tracker = Running::start("");
    let mut stream = connect(tracker.addr, None);
    stream.set_nodelay(true).unwrap();
    for byte in format!("GET {} HTTP/1.1\r\nHost: t\r\n\r\n", target(&announce())).bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    accepted(decode(&read_reply(&mut stream)));
}

#[test]
fn a_client_that_closes_its_side_after_asking_is_still_answered() {
    let tracker = Running::start("");
    let mut stream = connect(tracker.addr, None);
    write!(stream, "GET {} HTTP/1.1\r\nHost: t\r\n\r\n", target(&announce())).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    accepted(decode(&read_reply(&mut stream)));
}

#[test]
fn other_methods_are_refused_and_change_nothing() {
    let tracker = Running::start("");
    let head = |method: &str| {
        format!(
            "{method} {} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            target(&announce())
        )
    };
    let mut stream = connect(tracker.addr, None);
    stream.write_all(head("POST").as_bytes()).unwrap();
    assert!(refused(decode(&read_reply(&mut stream))).reason.contains("GET"));
    let all = String::from_utf8(exchange(tracker.addr, head("HEAD").as_bytes())).unwrap();
    assert!(
        all.starts_with("HTTP/1.1 200") && all.ends_with("\r\n\r\n"),
        "headers alone: {all}"
    );
    assert_eq!(tracker.status()["contents"], serde_json::json!([]));
}

#[test]
fn an_unknown_path_is_not_found() {
    let tracker = Running::start("");
    for path in ["/", "/announce/", "/status", "/metrics", "/announce.php"] {
        assert_eq!(get(tracker.addr, path).status, 404, "{path}");
    }
}

#[test]
fn oversize_requests_are_refused_and_others_still_served() {
    let tracker = Running::start("");
    let long = format!("{}&x={}", target(&announce()), "y".repeat(9000));
    assert!(refused(decode(&get(tracker.addr, &long))).reason.contains("8 KiB"));
    let huge = format!("GET /announce?{} HTTP/1.1\r\nHost: t\r\n\r\n", "y".repeat(60_000));
    let mut stream = connect(tracker.addr, None);
    // the tracker may close before all of it is sent
    let _ = stream.write_all(huge.as_bytes());
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    assert!(!reply.starts_with(b"HTTP/1.1 200"), "{}", reply.escape_ascii());
    accepted(decode(&get(tracker.addr, &target(&announce()))));
}

#[test]
fn what_is_no_http_is_answered_with_an_error_or_closed() {
    let tracker = Running::start("");
    for garbage in [
        &b"\x13BitTorrent protocol\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /announce?\xff\x00 HTTP/1.1\r\n\r\n",
    ] {
        let all = exchange(tracker.addr, garbage);
        assert!(
            all.is_empty() || all.starts_with(b"HTTP/1.1 400"),
            "{}",
            all.escape_ascii()
        );
    }
    accepted(decode(&get(tracker.addr, &target(&announce()))));
}

#[test]
fn raw_bytes_in_a_query_count_as_themselves() {
    let tracker = Running::start("");
    let query = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-TT0001-~!*'(),;:@/?&port=1&left=0&x={}|^`&";
    let request = format!("GET /announce?{query} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let mut stream = connect(tracker.addr, None);
    stream.write_all(request.as_bytes()).unwrap();
    let reply = read_reply(&mut stream);
    assert!(
        matches!(decode(&reply), AnnounceReply::Ok(_)),
        "{:?}",
        reply.body.escape_ascii()
    );
}

#[test]
fn the_admin_port_tells_health_status_and_metrics() {
    let tracker = Running::start("");
    accepted(decode(&get(tracker.addr, &target(&announce()))));
    assert_eq!(get(tracker.admin, "/healthz").body, b"ok\n");
    let status = tracker.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["site_map"]["valid"], true);
    assert_eq!(
        (&status["site_map"]["sites"], &status["site_map"]["links"]),
        (&2.into(), &1.into())
    );
    assert_eq!(status["contents"][0]["peers"], 1);
    assert_eq!(status["contents"][0]["name"], "07".repeat(20));
    let reply = get(tracker.admin, "/metrics");
    assert!(header(&reply.head, "content-type").unwrap().starts_with("text/plain"));
    let text = String::from_utf8(reply.body).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("narrows_tracker_"), "{line}");
    }
    assert!(text.contains("# HELP narrows_tracker_announces_total "));
    assert_eq!(
        tracker.metric("narrows_tracker_announces_total{outcome=\"started\"}"),
        Some(1.0)
    );
    assert_eq!(
        tracker.metric("narrows_tracker_request_duration_seconds_count"),
        Some(1.0)
    );
    assert_eq!(get(tracker.admin, "/announce").status, 404);
    let post = exchange(
        tracker.admin,
        b"POST /status HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(post.starts_with(b"HTTP/1.0 405"));
}

#[test]
fn a_request_under_way_is_finished_when_the_tracker_stops() {
    let mut tracker = Running::start("");
    let request = format!("GET {} HTTP/1.1\r\nHost: t\r\n\r\n", target(&announce()));
    let (first, rest) = request.split_at(20);
    let mut idle = connect(tracker.addr, None);
    idle.write_all(request.as_bytes()).unwrap();
    read_reply(&mut idle);
    let mut stream = connect(tracker.addr, None);
    stream.write_all(first.as_bytes()).unwrap();
    // the admin port answering shows that the connection before it was accepted, and this one is open
    until("the connection is open", || {
        tracker.metric("narrows_tracker_connections") >= Some(3.0)
    });
    tracker.ask_to_stop();
    let mut end = [0];
    assert_eq!(idle.read(&mut end).unwrap(), 0, "an idle connection is closed");
    stream.write_all(rest.as_bytes()).unwrap();
    accepted(decode(&read_reply(&mut stream)));
    tracker.join();
}
