//! Machines behind one address and port, and stock clients with two addresses, at a real tracker.
#![cfg(unix)]

mod support;

use narrows_protocol::{AnnounceEvent, AnnounceRequest, PeerId, Role};
use support::process::Process;
use support::*;

#[test]
fn three_agents_behind_one_address_and_port_are_three_peers_with_one_budget() {
    let tracker = Process::start(files(""), &[]);
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    let machine = |number: u32, event| AnnounceRequest {
        key: Some(number),
        event,
        ..agent(&format!("munich-{number}"), 1000)
    };
    for round in 0..20 {
        let event = match round {
            0 => AnnounceEvent::Started,
            _ => AnnounceEvent::None,
        };
        for number in 1..=3 {
            let reply = accepted(say(tracker.addr, "127.2.0.1", &machine(number, event)));
            let narrows = reply.narrows.as_ref().unwrap();
            let is_gateway = number == 1;
            assert_eq!(narrows.role == Role::Gateway, is_gateway, "{number} {round}");
            assert_eq!(narrows.upstream.len(), usize::from(is_gateway));
            assert_eq!(addresses(&reply), Vec::<String>::new(), "it is its own address");
        }
    }
    let status: serde_json::Value = serde_json::from_slice(&get(tracker.admin, "/status").body).unwrap();
    assert_eq!(status["contents"][0]["peers"], 4);
    let shared = serde_json::json!([{"address": "127.2.0.1:6881", "peers": 3}]);
    assert_eq!(status["contents"][0]["shared"], shared);
    let metrics = String::from_utf8(get(tracker.admin, "/metrics").body).unwrap();
    let series = metrics.lines().find(|line| line.starts_with("narrows_tracker_shared_addresses{"));
    assert!(series.is_some_and(|line| line.ends_with(" 1")), "{series:?}");
    assert_eq!(tracker.metric("narrows_tracker_elections_total"), 1.0);
    let log = tracker.log();
    let lines = log.lines().filter(|line| line.contains("several machines announce from one address"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("127.2.0.1:6881"), "{log}");
}

/// What libtorrent announces: one peer id and one key over both families.
fn stock(event: &str, port: u16, random: char) -> String {
    let random = random.to_string().repeat(12);
    format!(
        "/announce?info_hash=%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07&peer_id=-LT20B0-{random}&port={port}\
         &uploaded=0&downloaded=0&left=1000&corrupt=0&key=4F36B1C0&event={event}&numwant=200&compact=1&no_peer_id=1\
         &supportcrypto=1&redundant=0&ipv4=127.1.9.9&ipv6=%3A%3A9"
    )
}

#[test]
fn a_stock_client_with_two_families_is_one_peer_and_is_not_told_of_itself() {
    let mut tracker = Running::start("listen: [\"127.0.0.1:0\", \"[::1]:0\"]");
    let [v4, v6] = [tracker.addrs[0], tracker.addrs[1]];
    for event in ["started", "none", "none"] {
        for addr in [v4, v6] {
            let reply = get(addr, &stock(event, 6881, 'a')).body;
            let text = String::from_utf8_lossy(&reply).into_owned();
            assert!(text.contains("10:incompletei1e"), "{text}");
            assert!(
                text.contains("5:peers0:") && !text.contains("6:peers618:"),
                "{text}"
            );
        }
    }
    // it restarts: another peer id, another port, the same key
    let reply = get(v4, &stock("started", 50_001, 'b')).body;
    let text = String::from_utf8_lossy(&reply).into_owned();
    assert!(
        text.contains("10:incompletei1e") && text.contains("5:peers0:"),
        "{text}"
    );
    // another client is handed it once, where its announce came from, whatever it says of itself
    let other = AnnounceRequest {
        peer_id: PeerId(*b"-qB4600-000000000000"),
        key: Some(9),
        port: 7000,
        left: 5,
        ..announce()
    };
    let reply = accepted(say(v4, "127.0.0.1", &other));
    assert_eq!(addresses(&reply), ["127.0.0.1:50001"]);
    assert_eq!((reply.complete, reply.incomplete), (0, 2));
    tracker.stop();
}
