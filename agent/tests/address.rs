//! A machine whose address changes is known at its new one within seconds. Needs a network namespace of
//! its own; says so and passes where that cannot be.
#![cfg(target_os = "linux")]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use common::agent::Agent;
use common::content::{folder, torrent};
use common::peer::Peer;
use common::tracker::Tracker;
use common::{eventually, skip};
use narrows_agent::ContentState;
use narrows_protocol::metainfo::Metainfo;
use narrows_wire::{Block, Message};

/// Set for the half of a test that runs in the namespace.
const INSIDE: &str = "NARROWS_TEST_NAMESPACE";

/// Runs this very test again in a network namespace of its own, unless we are there already. Whether we are.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let possible = Command::new("unshare").args(["--net", "--map-root-user", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skip(
            "A changed address",
            "this system lets us make no network namespace",
        );
        return false;
    }
    let inside = Command::new("unshare")
        .args(["--net", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&inside.stdout).into_owned() + &String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && text.contains("1 passed"), "{text}");
    false
}

fn ip(args: &str) {
    let output = Command::new("ip").args(args.split(' ')).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args}: {text}");
}

/// Packets to the tracker leave from this address from now on.
fn leave_from(address: IpAddr) {
    ip(&format!("address replace {address}/32 dev lo"));
    ip(&format!(
        "route replace table local local {TRACKER} dev lo src {address}"
    ));
}

const TRACKER: &str = "10.9.9.9";
/// A seeder's regular announce is not what these tests see.
const INTERVAL: u32 = 900;

fn tracker() -> Tracker {
    ip("link set lo up");
    ip(&format!("address add {TRACKER}/32 dev lo"));
    Tracker::start_at(TRACKER.parse().unwrap(), INTERVAL)
}

fn heard_from(tracker: &Tracker, address: IpAddr, times: usize) {
    let from = SocketAddr::new(address, 6881);
    eventually(&format!("announce {times} from {from}"), || {
        let announces = tracker.announces();
        (announces.iter().filter(|(peer, _)| *peer == from).count() >= times).then_some(())
    });
}

/// A seeder that listens at `ip`, and what it has.
fn seeder(dir: &Path, tracker: &Tracker, ip: IpAddr) -> (Agent, Metainfo) {
    let source = dir.join("depot/office");
    folder(&source, 1, 100_000);
    let (file, meta) = torrent(&source, tracker, 64 << 10);
    let mut seeder = Agent::new(&dir.join("s"), &[(&file, source.parent().unwrap())]);
    seeder.ip = ip;
    seeder.start();
    seeder.wait_for(ContentState::Seeding);
    (seeder, meta)
}

#[test]
fn a_seeder_with_a_new_address_announces_at_once() {
    if !in_namespace("a_seeder_with_a_new_address_announces_at_once") {
        return;
    }
    let tracker = tracker();
    let (old, new): (IpAddr, IpAddr) = ("10.9.0.2".parse().unwrap(), "10.9.0.3".parse().unwrap());
    leave_from(old);
    let dir = tempfile::tempdir().unwrap();
    let (_seeder, _) = seeder(dir.path(), &tracker, Ipv4Addr::UNSPECIFIED.into());
    heard_from(&tracker, old, 1);
    leave_from(new);
    heard_from(&tracker, new, 1);
}

#[test]
fn a_seeder_whose_fixed_address_was_away_announces_once_it_is_back() {
    if !in_namespace("a_seeder_whose_fixed_address_was_away_announces_once_it_is_back") {
        return;
    }
    let tracker = tracker();
    let fixed: IpAddr = "10.9.0.2".parse().unwrap();
    ip(&format!("address add {fixed}/24 dev lo"));
    let dir = tempfile::tempdir().unwrap();
    let (seeder, _) = seeder(dir.path(), &tracker, fixed);
    // it notices what changes after an announce
    heard_from(&tracker, fixed, 1);
    let before = tracker.announces().len();
    ip(&format!("address del {fixed}/24 dev lo"));
    eventually("the agent notices", || {
        let log = std::fs::read_to_string(seeder.dir.join("log")).unwrap();
        log.contains("no address of this machine leads to the tracker").then_some(())
    });
    ip(&format!("address add {fixed}/24 dev lo"));
    heard_from(&tracker, fixed, before + 1);
}

#[test]
fn a_machine_with_a_new_address_ends_the_connections_of_the_old_one_and_no_other() {
    if !in_namespace("a_machine_with_a_new_address_ends_the_connections_of_the_old_one_and_no_other") {
        return;
    }
    let tracker = tracker();
    let (old, new): (IpAddr, IpAddr) = ("10.9.0.2".parse().unwrap(), "10.9.0.3".parse().unwrap());
    leave_from(old);
    let dir = tempfile::tempdir().unwrap();
    let (seeder, meta) = seeder(dir.path(), &tracker, Ipv4Addr::UNSPECIFIED.into());
    heard_from(&tracker, old, 1);
    let port = seeder.listen().port();
    let connect = |to: &str, id| {
        let to = SocketAddr::new(to.parse().unwrap(), port);
        Peer::connect_from(to.ip(), to, meta.info_hash, 2, id)
    };
    let mut stays = connect(TRACKER, 1);
    let ends = connect("10.9.0.2", 2);
    seeder.wait("two peers", |content| content.peers == 2);
    ip(&format!("address del {old}/32 dev lo"));
    leave_from(new);
    seeder.wait("one peer", |content| content.peers == 1);
    heard_from(&tracker, new, 1);
    drop(ends);
    stays.send(&Message::Interested);
    stays.send(&Message::Request(Block {
        piece: 0,
        begin: 0,
        len: 1024,
    }));
    let served = std::iter::from_fn(|| stays.next()).any(|message| matches!(message, Message::Piece { .. }));
    assert!(served, "the connection at the other address was closed");
}
