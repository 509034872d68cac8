//! Machines that lie in announces, over HTTP: what others get beside them, what the tracker finds out by
//! dialling, and that each is counted and shown with its address.

mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceReply, AnnounceRequest, AnnounceResponse, InfoHash, Role,
};
use support::*;

/// The address of the machine that lies.
const LIAR: &str = "127.2.0.66";

/// Whether the tracker has counted this, and shows the liar for it.
fn is_named(tracker: &Running, offence: &str) -> bool {
    let series = format!("narrows_tracker_offences_total{{offence=\"{offence}\"}}");
    let offenders = &tracker.status()["offenders"];
    let shown = offenders.as_array().unwrap().iter().any(|row| {
        let row = row.to_string();
        row.contains(offence) && row.contains(&format!("\"{LIAR}\""))
    });
    tracker.metric(&series) >= Some(1.0) && shown
}

fn role(reply: &AnnounceResponse) -> Role {
    reply.narrows.as_ref().unwrap().role
}

/// An agent of Munich that accepts connections, and counts them.
struct Peer {
    addr: SocketAddr,
    dialled: Arc<AtomicUsize>,
}

impl Peer {
    fn listening(ip: &str) -> Peer {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let (addr, dialled) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = dialled.clone();
        std::thread::spawn(move || {
            for _ in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Peer { addr, dialled }
    }

    /// One whose port refuses: its process was killed.
    fn killed(ip: &str) -> Peer {
        let addr = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap();
        Peer {
            addr,
            dialled: Arc::default(),
        }
    }

    fn says(&self, tracker: &Running, name: &str, report: AgentReport) -> AnnounceResponse {
        self.says_of(agent(name, 1000).info_hash, tracker, name, report)
    }

    fn says_of(
        &self,
        content: InfoHash,
        tracker: &Running,
        name: &str,
        report: AgentReport,
    ) -> AnnounceResponse {
        let report = AgentReport {
            agent: name.to_owned(),
            ..report
        };
        let request = AnnounceRequest {
            info_hash: content,
            port: self.addr.port(),
            event: AnnounceEvent::None,
            narrows: Some(report),
            ..agent(name, 1000)
        };
        accepted(say(tracker.addr, &self.addr.ip().to_string(), &request))
    }
}

/// A seeder at the centre, and a gateway of Munich beside a member.
fn rollout(gateway: &Peer) -> (Running, Peer) {
    let tracker = Running::start("");
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    assert_eq!(
        role(&gateway.says(&tracker, "munich-1", AgentReport::default())),
        Role::Gateway
    );
    let member = Peer::listening("127.2.0.2");
    assert_eq!(
        role(&member.says(&tracker, "munich-2", AgentReport::default())),
        Role::Member
    );
    (tracker, member)
}

#[test]
fn a_gateway_that_one_machine_says_is_lost_is_dialled_and_keeps_its_lease() {
    let gateway = Peer::listening("127.2.0.1");
    let (tracker, _member) = rollout(&gateway);
    let liars = [Peer::killed(LIAR), Peer::killed(LIAR)];
    let lost = || AgentReport {
        lost: Some(gateway.addr),
        ..AgentReport::default()
    };
    for (liar, name) in liars.iter().zip(["liar-1", "liar-2"]) {
        assert_eq!(role(&liar.says(&tracker, name, lost())), Role::Member);
    }
    until("the tracker dials the gateway", || {
        gateway.dialled.load(Ordering::Relaxed) > 0
    });
    for (liar, name) in liars.iter().zip(["liar-1", "liar-2"]) {
        assert_eq!(role(&liar.says(&tracker, name, lost())), Role::Member);
    }
    let reply = gateway.says(&tracker, "munich-1", AgentReport::default());
    assert_eq!(role(&reply), Role::Gateway);
}

#[test]
fn a_gateway_that_was_killed_is_found_so_and_the_one_that_missed_it_takes_its_place() {
    let gateway = Peer::killed("127.2.0.1");
    let (tracker, member) = rollout(&gateway);
    let other = Peer::listening("127.2.0.3");
    other.says(&tracker, "munich-3", AgentReport::default());
    let lost = || AgentReport {
        lost: Some(gateway.addr),
        ..AgentReport::default()
    };
    // one machine's word is enough once the tracker was refused, and others of the site were reached
    until("the one that missed it is the gateway", || {
        role(&member.says(&tracker, "munich-2", lost())) == Role::Gateway
    });
    let dialled = member.dialled.load(Ordering::Relaxed) + other.dialled.load(Ordering::Relaxed);
    assert!(dialled > 0, "its neighbours were dialled to compare");
}

#[test]
fn one_machine_that_makes_clients_up_takes_no_other_ones_place_and_is_named() {
    let gateway = Peer::listening("127.2.0.1");
    let (tracker, member) = rollout(&gateway);
    for n in 0..1100u16 {
        let made_up = AnnounceRequest {
            port: 10_000 + n,
            ..agent(&format!("made-up-{n}"), 1000)
        };
        accepted(say(tracker.addr, LIAR, &made_up));
    }
    assert!(is_named(&tracker, "crowded_address"), "{}", tracker.status());
    let reply = member.says(&tracker, "munich-2", AgentReport::default());
    assert_eq!(reply.complete, 1);
    // both honest clients, and at most as many as one address may have
    assert!((2..=1024 + 2).contains(&reply.incomplete), "{}", reply.incomplete);
    let reply = gateway.says(&tracker, "munich-1", AgentReport::default());
    assert_eq!(role(&reply), Role::Gateway);
}

#[test]
fn one_machine_that_makes_contents_up_is_refused_further_ones_and_others_begin_theirs() {
    let gateway = Peer::listening("127.2.0.1");
    let (tracker, _member) = rollout(&gateway);
    let of = |n: u16| AnnounceRequest {
        info_hash: InfoHash([[0xee; 18].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap()),
        ..announce()
    };
    let taken = |from: &str, n| matches!(say(tracker.addr, from, &of(n)), AnnounceReply::Ok(_));
    let begun = (0..1100).filter(|n| taken(LIAR, *n)).count();
    assert_eq!(begun, 1024);
    assert!(is_named(&tracker, "crowded_address"), "{}", tracker.status());
    let refusal = refused(say(tracker.addr, LIAR, &of(2000)));
    assert!(
        refusal.reason.contains("as many torrents as one may"),
        "{refusal:?}"
    );
    // what is there is answered on, and another machine begins its own
    assert!(taken(LIAR, 0) && taken("127.2.0.2", 2000) && taken(LIAR, 2000));
}

#[test]
fn one_machine_that_says_it_fetched_more_than_links_carry_is_named_and_booked_with_little() {
    let gateway = Peer::listening("127.2.0.1");
    let (tracker, _member) = rollout(&gateway);
    let liar = Peer::listening(LIAR);
    let boasts = |wan| AgentReport {
        role: Role::Gateway,
        wan,
        sources: vec![("hq".to_owned(), wan)],
        ..AgentReport::default()
    };
    for wan in [0, u64::MAX / 2, u64::MAX] {
        liar.says(&tracker, "liar-1", boasts(wan));
    }
    assert!(is_named(&tracker, "impossible_counters"), "{}", tracker.status());
    let wan = AgentReport {
        role: Role::Gateway,
        wan: 1000,
        sources: vec![("hq".to_owned(), 1000)],
        ..AgentReport::default()
    };
    gateway.says(&tracker, "munich-1", wan);
    let text = String::from_utf8(get(tracker.admin, "/metrics").body).unwrap();
    let series = text.lines().filter(|line| line.starts_with("narrows_tracker_link_bytes_total{"));
    let booked: f64 = series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    // at least what the honest one said, and at most what 10 Mbit/s carry in 90 s, for each of the two
    assert!((1000.0..=225.0e6).contains(&booked), "{booked}");
}

#[test]
fn a_machine_that_lies_of_three_gateways_of_each_of_two_contents_is_named() {
    let dir = files("");
    let map = SITES.replace(
        "networks: [127.2.0.0/16]",
        "networks: [127.2.0.0/16], gateways: 5",
    );
    fs::write(dir.path().join("sites.yaml"), map).unwrap();
    let tracker = Running::start_in(dir);
    let liar = Peer::listening(LIAR);
    for content in [1, 2] {
        let hash = InfoHash([content; 20]);
        let seeder = AnnounceRequest {
            info_hash: hash,
            ..agent("hq-1", 0)
        };
        accepted(say(tracker.addr, "127.1.0.1", &seeder));
        let gateways: Vec<Peer> = (1..=5).map(|n| Peer::listening(&format!("127.2.0.{n}"))).collect();
        for (n, gateway) in (1..).zip(&gateways) {
            let reply = gateway.says_of(hash, &tracker, &format!("munich-{n}"), AgentReport::default());
            assert_eq!(role(&reply), Role::Gateway);
        }
        let accuse = |gateway: &Peer| {
            let lie = AgentReport {
                lost: Some(gateway.addr),
                ..AgentReport::default()
            };
            liar.says_of(hash, &tracker, "liar", lie);
        };
        let left = || gateways.iter().filter(|gateway| gateway.dialled.load(Ordering::Relaxed) == 0);
        accuse(&gateways[0]);
        until("it is dialled, and two to compare it with", || {
            left().count() == 2
        });
        left().for_each(accuse);
        until("these are dialled, too", || left().count() == 0);
        if content == 1 {
            // what is said of several contents within 5 s counts once
            let said = Instant::now();
            until("what it says of another content counts", || {
                said.elapsed() > Duration::from_secs(6)
            });
            assert!(!is_named(&tracker, "false_accusation"), "three are an accident");
        }
    }
    until("the liar is named", || is_named(&tracker, "false_accusation"));
}
