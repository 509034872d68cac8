//! Each offence of a tracker as a machine commits it over sockets: it is counted by its kind, named once in the
//! log with address and id, and shown so in `/status` and on the page.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use narrows_protocol::{AgentReport, AnnounceEvent, AnnounceRequest, InfoHash, Role};
use serde_json::Value;
use support::process::Process;
use support::*;

/// The address of the machine that does so.
const ROGUE: &str = "127.2.0.66";
/// The id that it gives.
const ID: &str = "rogue";

/// Gateways of a site: the tracker dials two of them to compare the first with, which are not dialled for
/// themselves then, and names the address that was wrong of five.
const MANY: u8 = 9;

/// Within this, an offence is to be named once.
const MINUTE: Duration = Duration::from_secs(60);

/// How a machine commits an offence.
struct Attack {
    kind: &'static str,
    /// Further lines of tracker.yaml.
    config: &'static str,
    /// Of the site of the rogue in the map.
    gateways: u8,
    /// How the id begins that it gives, where it gives one.
    agent: Option<&'static str>,
    /// Commits it at least twice; what it gives back is held on to until the offence is counted.
    commit: fn(&Process) -> Vec<TcpStream>,
}

impl Attack {
    const fn new(kind: &'static str, commit: fn(&Process) -> Vec<TcpStream>) -> Self {
        Self {
            kind,
            config: "",
            gateways: 1,
            agent: None,
            commit,
        }
    }

    const fn by_agent(kind: &'static str, commit: fn(&Process) -> Vec<TcpStream>) -> Self {
        Self {
            agent: Some(ID),
            ..Self::new(kind, commit)
        }
    }
}

const ATTACKS: [Attack; 9] = [
    Attack::new("slow_client", leave_answers_unread),
    Attack {
        config: "max_connections_per_address: 4",
        ..Attack::new("too_many_connections", open_connections)
    },
    Attack::new("oversized_request", send_long_requests),
    Attack::new("foreign_host", ask_by_a_foreign_name),
    Attack {
        agent: Some("munich-1"),
        ..Attack::new("id_taken", announce_with_another_ones_id)
    },
    Attack {
        gateways: MANY,
        ..Attack::by_agent("false_accusation", accuse_gateways_that_answer)
    },
    Attack {
        config: "interval: {seeder: 1s, leecher: 1s, gateway: 1s, min: 1s}",
        ..Attack::by_agent("no_progress", hold_leases_and_bring_nothing)
    },
    Attack::by_agent("impossible_counters", boast),
    Attack::by_agent("crowded_address", make_clients_up),
];

fn from_rogue(to: SocketAddr) -> TcpStream {
    connect(to, Some(ROGUE.parse().unwrap()))
}

fn leave_answers_unread(tracker: &Process) -> Vec<TcpStream> {
    let asked = format!("GET {} HTTP/1.1\r\nHost: t\r\n\r\n", target(&announce())).repeat(1000);
    let unread = || {
        let mut stream = from_rogue(tracker.addr);
        stream.set_nonblocking(true).unwrap();
        while stream.write(asked.as_bytes()).is_ok_and(|sent| sent > 0) {}
        stream
    };
    vec![unread(), unread()]
}

fn open_connections(tracker: &Process) -> Vec<TcpStream> {
    (0..4 + 2).map(|_| from_rogue(tracker.addr)).collect()
}

/// A head to one port and a body to the other.
fn send_long_requests(tracker: &Process) -> Vec<TcpStream> {
    let mut head = from_rogue(tracker.addr);
    // the tracker may close before all of it is sent
    let _ = write!(head, "GET /announce?{} HTTP/1.1\r\n\r\n", "y".repeat(60_000));
    let mut body = from_rogue(tracker.admin);
    write!(
        body,
        "POST /check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    )
    .unwrap();
    assert_eq!(read_reply(&mut body).status, 413);
    vec![head, body]
}

fn ask_by_a_foreign_name(tracker: &Process) -> Vec<TcpStream> {
    for _ in 0..2 {
        let mut stream = from_rogue(tracker.admin);
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n").unwrap();
        assert_eq!(read_reply(&mut stream).status, 421);
    }
    Vec::new()
}

fn announce_with_another_ones_id(tracker: &Process) -> Vec<TcpStream> {
    let own = |key| AnnounceRequest {
        key: Some(key),
        ..agent("munich-1", 1000)
    };
    accepted(say(tracker.addr, "127.2.0.1", &own(1)));
    for key in [2, 3] {
        accepted(say(tracker.addr, ROGUE, &own(key)));
    }
    Vec::new()
}

/// An agent's announce that says more.
fn saying(name: &str, left: u64, say: impl FnOnce(&mut AgentReport)) -> AnnounceRequest {
    let mut request = AnnounceRequest {
        event: AnnounceEvent::None,
        ..agent(name, left)
    };
    say(request.narrows.as_mut().unwrap());
    request
}

fn accuse_gateways_that_answer(tracker: &Process) -> Vec<TcpStream> {
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    let listeners = (1..=MANY).map(|n| TcpListener::bind((format!("127.2.0.{n}"), 0)).unwrap());
    let listeners: Vec<TcpListener> = listeners.collect();
    for (n, listener) in listeners.iter().enumerate() {
        let at = listener.local_addr().unwrap();
        let gateway = AnnounceRequest {
            port: at.port(),
            ..agent(&format!("munich-{n}"), 1000)
        };
        let reply = accepted(say(tracker.addr, &at.ip().to_string(), &gateway));
        assert_eq!(reply.narrows.unwrap().role, Role::Gateway);
    }
    for listener in &listeners {
        let lie = saying(ID, 1000, |report| {
            report.lost = Some(listener.local_addr().unwrap())
        });
        accepted(say(tracker.addr, ROGUE, &lie));
    }
    // each is dialled
    listeners.iter().map(|listener| listener.accept().unwrap().0).collect()
}

/// Two contents: it has the lease of both, and those beside it come on as soon as one of them has it.
fn hold_leases_and_bring_nothing(tracker: &Process) -> Vec<TcpStream> {
    let of = |content: u8, request: AnnounceRequest| AnnounceRequest {
        info_hash: InfoHash([content; 20]),
        ..request
    };
    let mut lefts = [[1000; 2]; 2];
    for content in [0, 1] {
        accepted(say(tracker.addr, "127.1.0.1", &of(content, agent("hq-1", 0))));
        let reply = accepted(say(tracker.addr, ROGUE, &of(content, agent(ID, 1000))));
        assert_eq!(reply.narrows.unwrap().role, Role::Gateway);
    }
    until("it has lost both", || {
        for (content, lefts) in [0, 1].into_iter().zip(&mut lefts) {
            accepted(say(tracker.addr, ROGUE, &of(content, saying(ID, 1000, |_| ()))));
            for (n, left) in (1..).zip(lefts) {
                let honest = of(content, saying(&format!("munich-{n}"), *left, |_| ()));
                let reply = accepted(say(tracker.addr, &format!("127.2.0.{n}"), &honest));
                *left -= u64::from(reply.narrows.unwrap().role == Role::Gateway);
            }
        }
        counted(tracker, "no_progress") >= 2.0
    });
    Vec::new()
}

fn boast(tracker: &Process) -> Vec<TcpStream> {
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    for wan in [0, u64::MAX / 2, u64::MAX] {
        let boast = saying(ID, 1000, |report| {
            (report.role, report.wan) = (Role::Gateway, wan);
            report.sources = vec![("hq".to_owned(), wan)];
        });
        accepted(say(tracker.addr, ROGUE, &boast));
    }
    Vec::new()
}

/// All with one port.
fn make_clients_up(tracker: &Process) -> Vec<TcpStream> {
    for n in 0..64 + 2 {
        let made_up = AnnounceRequest {
            key: Some(1 + n),
            ..saying(&format!("{ID}-{n}"), 1000, |_| ())
        };
        accepted(say(tracker.addr, ROGUE, &made_up));
    }
    Vec::new()
}

fn counted(tracker: &Process, kind: &str) -> f64 {
    tracker.metric(&format!("narrows_tracker_offences_total{{offence=\"{kind}\"}}"))
}

/// The state that the page is sent.
fn page(tracker: &Process) -> Value {
    let mut stream = connect(tracker.admin, None);
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let data = lines.find_map(|line| Some(line.strip_prefix("data: ")?.to_owned()));
    serde_json::from_str(&data.unwrap()).unwrap()
}

/// The offender that is shown, which is to be one, and the only one.
fn only_offender(shown: &Value, attack: &Attack) -> Value {
    let offenders = shown["offenders"].as_array().unwrap();
    assert_eq!(offenders.len(), 1, "{}: {offenders:?}", attack.kind);
    offenders[0].clone()
}

fn is_counted_named_once_and_shown(attack: &Attack) {
    let dir = files(attack.config);
    let munich = format!("networks: [127.2.0.0/16], gateways: {}", attack.gateways);
    let map = SITES.replace("networks: [127.2.0.0/16]", &munich);
    fs::write(dir.path().join("sites.yaml"), map).unwrap();
    let tracker = Process::start(dir, &[]);
    let kind = attack.kind;
    assert_eq!(counted(&tracker, kind), 0.0, "{kind}");
    let began = Instant::now();
    let held = (attack.commit)(&tracker);
    // what is left unread ends after 10 s, and a busy machine may be late
    while counted(&tracker, kind) < 2.0 {
        assert!(began.elapsed() < MINUTE, "{kind} is not counted");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(held);
    for shown in [
        serde_json::from_slice(&get(tracker.admin, "/status").body).unwrap(),
        page(&tracker),
    ] {
        let offender = only_offender(&shown, attack);
        let field = |name: &str| offender[name].as_str();
        assert_eq!(
            (field("offence"), field("ip"), field("site")),
            (Some(kind), Some(ROGUE), Some("munich")),
        );
        let agent = field("agent").map(|agent| attack.agent.is_some_and(|id| agent.starts_with(id)));
        assert_eq!(agent, attack.agent.map(|_| true), "{offender}");
        assert!(offender["times"].as_u64().unwrap() >= 2, "{offender}");
    }
    let log = tracker.whole_log();
    let named: Vec<&str> = log.lines().filter(|line| line.contains(&format!("offence=\"{kind}\""))).collect();
    assert_eq!(named.len(), 1, "{kind}: {log}");
    let id = attack.agent.map_or_else(String::new, |agent| format!("agent=\"{agent}"));
    assert!(
        named[0].contains(&format!("ip={ROGUE}")) && named[0].contains(&id),
        "{kind}: {}",
        named[0]
    );
}

#[test]
fn each_offence_is_counted_named_once_in_the_log_and_shown_with_address_and_id() {
    // thousands of connections: src/net/serve/tests.rs floods with them, under smaller bounds
    let elsewhere = ["too_many_handshakes"];
    let attacked: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.kind).chain(elsewhere).collect();
    assert_eq!(
        attacked,
        narrows_tracker::offences().collect(),
        "each has its attack"
    );
    // most of the time they wait
    std::thread::scope(|scope| {
        for attack in &ATTACKS {
            let named = std::thread::Builder::new().name(attack.kind.to_owned());
            named.spawn_scoped(scope, || is_counted_named_once_and_shown(attack)).unwrap();
        }
    });
}
