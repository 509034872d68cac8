//! The control port under attack: by many connections, by clients that do not read, by pages of foreign names.

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::agent::Agent;
use common::content::{folder, torrent};
use common::offences::{is_named, is_told};
use common::peer::from;
use common::tracker::Tracker;

struct Scene {
    _dir: tempfile::TempDir,
    tracker: Tracker,
    agent: Agent,
}

impl Scene {
    fn new() -> Self {
        Self::of(1)
    }

    /// An agent with so many contents.
    fn of(contents: u64) -> Self {
        let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let depot = dir.path().join("depot");
        let torrents: Vec<PathBuf> = (0..contents)
            .map(|number| {
                let source = depot.join(format!("office-{number}"));
                folder(&source, number, 1000);
                torrent(&source, &tracker, 64 << 10).0
            })
            .collect();
        let content: Vec<(&Path, &Path)> = torrents.iter().map(|file| (&**file, &*depot)).collect();
        let agent = Agent::new(&dir.path().join("a"), &content);
        let agent = agent.with("control_names: [agents.example.com]").started();
        Self {
            _dir: dir,
            tracker,
            agent,
        }
    }

    fn connect(&self, ip: IpAddr) -> TcpStream {
        let stream = from(ip, self.agent.control()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        stream
    }

    /// The first line of the answer to a request with these headers.
    fn asked(&self, request: &str) -> String {
        let mut stream = self.connect(self.agent.ip);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    /// The agent has named this machine several times, and told the tracker.
    fn names(&self, offence: &str, ip: IpAddr) {
        is_named(&self.agent, offence, ip, 2);
        is_told(|| self.tracker.said_by(self.agent.listen()), offence, ip);
    }
}

#[test]
fn a_page_whose_name_was_made_to_point_here_reads_nothing() {
    let scene = Scene::new();
    for path in ["/status", "/metrics", "/explain", "/nothing"] {
        let get = |headers: &str| {
            scene.asked(&format!(
                "GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
            ))
        };
        let foreign = get("Host: rebound.attacker.example:6882\r\n");
        assert_eq!(foreign, "HTTP/1.1 421 Misdirected Request", "{path}");
        let cross = get("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n");
        assert_eq!(cross, "HTTP/1.1 403 Forbidden", "{path}");
        let known = if path == "/nothing" {
            "HTTP/1.1 404 Not Found"
        } else {
            "HTTP/1.1 200 OK"
        };
        for own in [scene.agent.control().to_string(), "agents.example.com".to_owned()] {
            assert_eq!(get(&format!("Host: {own}\r\n")), known, "{path} of {own}");
        }
    }
    let token = scene.agent.token();
    let pause = format!(
        "POST /pause HTTP/1.1\r\nHost: attacker.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(scene.asked(&pause), "HTTP/1.1 421 Misdirected Request");
    assert!(!scene.agent.status().paused);
    scene.names("foreign_host", scene.agent.ip);
}

#[test]
fn a_machine_that_holds_all_connections_it_can_and_reads_nothing_keeps_no_other_out() {
    let scene = Scene::new();
    let rogue = common::address();
    let asks = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let held: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut stream = scene.connect(rogue);
            // as much as is taken
            for _ in 0..20 {
                if stream.write_all(asks.as_bytes()).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    let began = Instant::now();
    assert_eq!(scene.agent.get("/status").0, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    scene.names("too_many_connections", rogue);
    drop(held);
}

#[test]
fn machines_that_do_not_read_or_do_not_finish_what_they_ask_end_in_their_time_and_are_named() {
    // what is answered to all that one connection may ask is more than the system takes
    let scene = Scene::of(40);
    let (reads_nothing, asks_half) = (common::address(), common::address());
    let asks = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(250);
    let began = Instant::now();
    let held: Vec<TcpStream> = (0..4)
        .map(|n| {
            let ip = if n % 2 == 0 { reads_nothing } else { asks_half };
            let mut stream = scene.connect(ip);
            let text = if ip == reads_nothing {
                &*asks
            } else {
                "GET /status HTT"
            };
            // as much as is taken
            let _ = stream.write_all(text.as_bytes());
            stream
        })
        .collect();
    scene.names("slow_client", asks_half);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    scene.names("slow_client", reads_nothing);
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    drop(held);
}

#[test]
fn a_body_that_does_not_come_and_a_head_without_end_hold_nothing_up() {
    let scene = Scene::new();
    let began = Instant::now();
    let post = "POST /pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    assert_eq!(scene.asked(post), "HTTP/1.1 401 Unauthorized");
    let long = format!(
        "GET /status HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "x".repeat(20_000)
    );
    assert_eq!(scene.asked(&long), "HTTP/1.1 431 Request Header Fields Too Large");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn one_connection_asks_many_times_and_then_has_to_come_anew() {
    let scene = Scene::new();
    let mut stream = scene.connect(scene.agent.ip);
    stream.set_write_timeout(None).unwrap();
    let ask = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(300);
    let mut reading = stream.try_clone().unwrap();
    let answers = std::thread::spawn(move || {
        let mut answers = Vec::new();
        // the rest of what was asked is left unread, so the end may be a reset
        let _ = reading.read_to_end(&mut answers);
        String::from_utf8_lossy(&answers).matches("HTTP/1.1 404").count()
    });
    let _ = stream.write_all(ask.as_bytes());
    assert_eq!(answers.join().unwrap(), 256);
}
