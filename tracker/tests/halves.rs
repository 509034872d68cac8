//! Requests that do not end and answers that are not read, at both ports: each connection ends when its time is
//! over, who held it is named, and others notice nothing.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use support::*;

/// What a head and a body may take, and an answer that is not read: `net/serve.rs`, `net/body.rs`, `net/patient.rs`.
const HEAD: Duration = Duration::from_secs(15);
const BODY: Duration = Duration::from_secs(10);
const UNREAD: Duration = Duration::from_secs(10);
/// What a busy machine may take longer.
const LATE: Duration = Duration::from_secs(5);
/// An honest request is answered within this.
const SOON: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Port {
    Tracker,
    Admin,
}

impl Port {
    fn of(self, tracker: &Running) -> SocketAddr {
        match self {
            Self::Tracker => tracker.addr,
            Self::Admin => tracker.admin,
        }
    }
}

/// A whole request to a port; of one with a body, all of which is 500 bytes.
fn requests() -> [(Port, String); 4] {
    let get = |target: &str| {
        format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: half/1.0\r\nAccept-Encoding: gzip\r\n\r\n"
        )
    };
    let post = |target: &str| {
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n");
        head + &"x".repeat(500)
    };
    [
        (Port::Tracker, get(&target(&announce()))),
        (Port::Admin, get("/status")),
        (Port::Admin, post("/check")),
        (Port::Admin, post("/brake")),
    ]
}

/// A part of a request that a machine sends.
struct Half {
    port: Port,
    sent: Vec<u8>,
    /// A byte each so often, and else all at once.
    every: Option<Duration>,
}

impl Half {
    /// The first part of a request; neither nothing nor all of it.
    fn of(request: &(Port, String), cut: Index) -> Self {
        let (port, text) = request;
        Self {
            port: *port,
            sent: text.as_bytes()[..1 + cut.index(text.len() - 1)].to_vec(),
            every: None,
        }
    }

    fn has_whole_head(&self) -> bool {
        self.sent.windows(4).any(|window| window == b"\r\n\r\n")
    }

    /// Sends it from `source`, and reads until the tracker closes: what it answers, and when it has closed.
    fn hold(&self, tracker: &Running, source: &str) -> (Vec<u8>, Duration) {
        let (began, mut stream) = (
            Instant::now(),
            connect(self.port.of(tracker), Some(source.parse().unwrap())),
        );
        match self.every {
            None => stream.write_all(&self.sent).unwrap(),
            Some(every) => {
                let mut sending = stream.try_clone().unwrap();
                let sent = self.sent.clone();
                std::thread::spawn(move || {
                    for byte in sent {
                        if sending.write_all(&[byte]).is_err() {
                            return;
                        }
                        std::thread::sleep(every);
                    }
                });
            }
        }
        stream.set_read_timeout(Some(HEAD + LATE)).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => answer.extend(&buffer[..count]),
                // what it still sent was thrown away
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!(
                    "{error} after {:?}: {}",
                    began.elapsed(),
                    self.sent.escape_ascii()
                ),
            }
        }
        (answer, began.elapsed())
    }

    fn ends_in_time(&self, tracker: &Running, source: &str) {
        let (answer, took) = self.hold(tracker, source);
        let (sent, answer) = (self.sent.escape_ascii(), answer.escape_ascii().to_string());
        let most = if self.has_whole_head() { BODY } else { HEAD };
        assert!(took < most + LATE, "{took:?}: {sent}");
        assert!(took > most / 2, "{took:?}: {sent}");
        match self.has_whole_head() {
            true => assert!(answer.starts_with("HTTP/1.1 408 "), "{sent}: {answer}"),
            false => assert!(!answer.contains(" 200 "), "{sent}: {answer}"),
        }
    }
}

fn slow_clients(tracker: &Running) -> f64 {
    tracker.metric("narrows_tracker_offences_total{offence=\"slow_client\"}").unwrap()
}

/// The addresses that are shown for it.
fn named(tracker: &Running) -> Vec<String> {
    let status: Value = tracker.status();
    let offenders = status["offenders"].as_array().unwrap().iter();
    let slow = offenders.filter(|offender| offender["offence"] == "slow_client");
    let mut named: Vec<String> = slow.map(|offender| offender["ip"].as_str().unwrap().to_owned()).collect();
    named.sort_unstable();
    named
}

fn honest_requests_are_answered(tracker: &Running) {
    let began = Instant::now();
    accepted(say(tracker.addr, "127.2.0.1", &announce()));
    assert_eq!(get(tracker.admin, "/healthz").status, 200);
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
}

/// Holds on to the tracker with all of these at once, the first from 127.2.1.0, the next from 127.2.1.1.
fn all_end_in_time(halves: &[Half]) {
    let tracker = Running::start("");
    std::thread::scope(|scope| {
        for (n, half) in halves.iter().enumerate() {
            let tracker = &tracker;
            scope.spawn(move || half.ends_in_time(tracker, &format!("127.2.1.{n}")));
        }
        honest_requests_are_answered(&tracker);
    });
    assert_eq!(slow_clients(&tracker), halves.len() as f64, "each is named, once");
    let mut expected: Vec<String> = (0..halves.len()).map(|n| format!("127.2.1.{n}")).collect();
    expected.sort_unstable();
    assert_eq!(named(&tracker), expected);
    until("none is open", || {
        tracker.metric("narrows_tracker_connections") <= Some(1.0)
    });
    honest_requests_are_answered(&tracker);
}

proptest! {
    // all positions of a case are held at once, and take as long as one
    #![proptest_config(ProptestConfig { cases: 1, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_is_cut_anywhere_ends_in_time_and_its_sender_is_named(cuts in vec(any::<Index>(), 12)) {
        let halves: Vec<Half> =
            requests().iter().flat_map(|request| cuts.iter().map(|cut| Half::of(request, *cut))).collect();
        all_end_in_time(&halves);
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_has_no_more_time_for_it() {
    let halves = requests().map(|(port, text)| {
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        Half {
            port,
            // longer than a head may take; it does not end
            sent: format!("{head}\r\nX-Padding: {}\r\n", "x".repeat(100)).into_bytes(),
            every: Some(Duration::from_millis(200)),
        }
    });
    all_end_in_time(&halves);
}

#[test]
fn a_body_that_comes_byte_by_byte_has_no_more_time_for_it() {
    let tracker = Running::start("");
    let send = &|target: &str| {
        let mut stream = connect(tracker.admin, Some("127.2.1.9".parse().unwrap()));
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"
        )
        .unwrap();
        let mut sending = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            while sending.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let began = Instant::now();
        stream.set_read_timeout(Some(BODY + LATE)).unwrap();
        assert_eq!(read_reply(&mut stream).status, 408, "{target}");
        assert!(began.elapsed() > BODY / 2, "{:?}", began.elapsed());
    };
    std::thread::scope(|scope| {
        for target in ["/check", "/brake"] {
            scope.spawn(move || send(target));
        }
    });
    assert_eq!(slow_clients(&tracker), 2.0);
}

#[test]
fn a_client_that_never_reads_is_left_in_time_and_named_at_both_ports() {
    let tracker = Running::start("");
    let began = Instant::now();
    let held: Vec<TcpStream> = [
        (Port::Tracker, target(&announce())),
        (Port::Admin, "/metrics".to_owned()),
    ]
    .into_iter()
    .zip(["127.2.1.1", "127.2.1.2"])
    .map(|((port, target), source)| {
        let mut stream = connect(port.of(&tracker), Some(source.parse().unwrap()));
        stream.set_nonblocking(true).unwrap();
        let asked = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(100);
        // as much as it takes, while it answers; then it reads no more either
        while stream.write(asked.as_bytes()).is_ok_and(|sent| sent > 0) {}
        stream
    })
    .collect();
    honest_requests_are_answered(&tracker);
    let most = UNREAD * 3;
    while slow_clients(&tracker) < 2.0 {
        assert!(began.elapsed() < most, "{:?}", named(&tracker));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(began.elapsed() > UNREAD / 2, "{:?}", began.elapsed());
    assert_eq!(named(&tracker), ["127.2.1.1", "127.2.1.2"]);
    until("none is open", || {
        tracker.metric("narrows_tracker_connections") <= Some(1.0)
    });
    drop(held);
}
