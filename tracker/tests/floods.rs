//! Machines that hold on to the tracker: what they take is bounded, and others notice nothing.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use support::process::Process;
use support::*;

/// An honest announce is answered within this, whatever others do.
const SOON: Duration = Duration::from_secs(1);

fn timed<T>(ask: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let answer = ask();
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    answer
}

/// Connections that send as much as the tracker takes, and read nothing.
fn unread(to: SocketAddr, from: &str, count: usize, asked: &[u8]) -> Vec<TcpStream> {
    let source: IpAddr = from.parse().unwrap();
    let asked = asked.repeat(64 * 1024 / asked.len());
    let open = (0..count).map(|_| {
        let mut stream = connect(to, Some(source));
        stream.set_nonblocking(true).unwrap();
        // it may be closed already
        while stream.write(&asked).is_ok_and(|sent| sent > 0) {}
        stream
    });
    open.collect()
}

/// Bytes of memory that the tracker has.
fn resident(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

#[test]
fn pipelined_requests_whose_answers_are_not_read_take_bounded_memory_and_delay_no_announce() {
    let tracker = Process::start(files("max_connections_per_address: 64"), &[]);
    // so that answers have peers in them
    for host in 1..40 {
        accepted(say(tracker.addr, &format!("127.2.0.{host}"), &announce()));
    }
    let before = resident(&tracker);
    let request = format!("GET {} HTTP/1.1\r\nHost: t\r\n\r\n", target(&announce()));
    let held = unread(tracker.addr, "127.1.0.2", 200, request.as_bytes());
    for _ in 0..5 {
        timed(|| accepted(say(tracker.addr, "127.2.0.1", &announce())));
    }
    let open = tracker.metric("narrows_tracker_connections");
    assert!(open <= 64.0 + 2.0, "{open} connections");
    let grown = resident(&tracker).saturating_sub(before);
    // 64 times what a connection may take, and what the allocator keeps
    assert!(grown < 64 * 48 * 1024 + (8 << 20), "{grown} bytes");
    drop(held);
    // on a slow machine the first are closed for the second reason before the last come
    let named = ["too_many_connections", "slow_client"];
    let named =
        named.map(|kind| tracker.metric(&format!("narrows_tracker_offences_total{{offence=\"{kind}\"}}")));
    assert!(named.iter().sum::<f64>() >= 100.0, "{named:?}");
}

#[test]
fn the_admin_port_answers_others_while_one_machine_leaves_answers_unread_and_bodies_unsent() {
    let tracker = Process::start(files(""), &[]);
    let before = resident(&tracker);
    let status = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let unread = unread(tracker.admin, "127.1.0.2", 150, status);
    let bodies: Vec<TcpStream> = (0..150)
        .map(|_| {
            let mut stream = connect(tracker.admin, Some("127.1.0.3".parse().unwrap()));
            stream
                .write_all(b"POST /check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nversion")
                .unwrap();
            stream
        })
        .collect();
    for path in ["/healthz", "/status", "/metrics", "/healthz"] {
        assert_eq!(
            timed(|| request(tracker.admin, None, path, "")).status,
            200,
            "{path}"
        );
    }
    timed(|| accepted(say(tracker.addr, "127.2.0.1", &announce())));
    let grown = resident(&tracker).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    drop((unread, bodies));
}

#[test]
fn a_body_that_does_not_arrive_is_answered_with_408_and_its_sender_is_named() {
    let tracker = Running::start("");
    let mut stream = connect(tracker.admin, Some("127.1.0.9".parse().unwrap()));
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
        .write_all(b"POST /brake HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nlink=")
        .unwrap();
    let reply = read_reply(&mut stream);
    assert_eq!(reply.status, 408, "{}", String::from_utf8_lossy(&reply.body));
    let series = "narrows_tracker_offences_total{offence=\"slow_client\"}";
    assert_eq!(tracker.metric(series), Some(1.0));
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap_or(0), 0, "and closed");
}
