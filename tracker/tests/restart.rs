//! What a restart of the tracker costs: seconds, and no gateway's lease.
#![cfg(unix)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use narrows_protocol::{AnnounceEvent, AnnounceReply, AnnounceRequest, AnnounceResponse, InfoHash, Role};
use support::process::Process;
use support::*;
use tempfile::TempDir;

/// A tracker that keeps its state in a folder of its own.
fn start(folder: &Path) -> Process {
    Process::start(files(&format!("state: {}", folder.display())), &[])
}

/// Two seeders and a gateway in Munich that has begun.
fn rollout(tracker: &Process) {
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    let mut gateway = agent("munich-1", 1000);
    let reply = accepted(say(tracker.addr, "127.2.0.1", &gateway));
    assert_eq!(role(&reply), Role::Gateway);
    gateway.left = 600;
    gateway.event = AnnounceEvent::None;
    accepted(say(tracker.addr, "127.2.0.1", &gateway));
}

fn role(reply: &AnnounceResponse) -> Role {
    reply.narrows.as_ref().unwrap().role
}

fn end(mut tracker: Process, signal: &str) {
    tracker.signal(signal);
    tracker.wait();
}

fn swarms(folder: &Path) -> PathBuf {
    folder.join("swarms")
}

#[test]
fn after_a_restart_a_working_gateway_keeps_its_lease_and_a_joiner_meets_its_neighbours() {
    let state = TempDir::new().unwrap();
    let tracker = start(state.path());
    rollout(&tracker);
    end(tracker, "TERM");
    let tracker = start(state.path());
    let joiner = accepted(say(tracker.addr, "127.2.0.2", &agent("munich-2", 1000)));
    assert_eq!(role(&joiner), Role::Member);
    assert_eq!(addresses(&joiner), ["127.2.0.1:6881"]);
    let mut gateway = agent("munich-1", 500);
    gateway.event = AnnounceEvent::None;
    let reply = accepted(say(tracker.addr, "127.2.0.1", &gateway));
    assert_eq!(role(&reply), Role::Gateway);
    let upstream = reply.narrows.unwrap().upstream;
    assert_eq!(upstream, ["127.1.0.1:6881".parse().unwrap()]);
}

#[test]
fn after_a_kill_who_had_the_lease_some_seconds_before_has_it_whatever_another_says() {
    let state = TempDir::new().unwrap();
    let tracker = start(state.path());
    rollout(&tracker);
    until("a snapshot is written soon, not within a minute", || {
        swarms(state.path()).exists()
    });
    end(tracker, "KILL");
    let tracker = start(state.path());
    let mut liar = agent("munich-9", 1000);
    liar.narrows.as_mut().unwrap().role = Role::Gateway;
    assert_eq!(
        role(&accepted(say(tracker.addr, "127.2.0.9", &liar))),
        Role::Member
    );
    let mut gateway = agent("munich-1", 500);
    gateway.event = AnnounceEvent::None;
    assert_eq!(
        role(&accepted(say(tracker.addr, "127.2.0.1", &gateway))),
        Role::Gateway
    );
}

#[test]
fn after_a_kill_what_was_last_written_down_is_known() {
    let state = TempDir::new().unwrap();
    let tracker = start(state.path());
    rollout(&tracker);
    end(tracker, "TERM");
    let tracker = start(state.path());
    end(tracker, "KILL");
    let tracker = start(state.path());
    let joiner = accepted(say(tracker.addr, "127.2.0.2", &agent("munich-2", 1000)));
    assert_eq!(role(&joiner), Role::Member);
    assert_eq!(addresses(&joiner), ["127.2.0.1:6881"]);
}

#[test]
fn a_machine_that_has_begun_as_many_contents_as_it_may_begins_no_more_after_a_restart() {
    let state = TempDir::new().unwrap();
    let of = |n: u16| AnnounceRequest {
        info_hash: InfoHash([[0xee; 18].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap()),
        ..announce()
    };
    let begins = |to: &Process, from: &str, n| matches!(say(to.addr, from, &of(n)), AnnounceReply::Ok(_));
    let tracker = start(state.path());
    let begun = (0..1030).filter(|n| begins(&tracker, "127.2.0.66", *n)).count();
    assert_eq!(begun, 1024);
    end(tracker, "TERM");
    let tracker = start(state.path());
    assert!(!begins(&tracker, "127.2.0.66", 2000));
    assert!(begins(&tracker, "127.2.0.66", 0), "what it has begun is there");
    assert!(begins(&tracker, "127.2.0.2", 2000), "others begin theirs");
}

#[test]
fn a_torn_snapshot_is_set_aside_with_a_warning_and_the_tracker_serves() {
    let state = TempDir::new().unwrap();
    let tracker = start(state.path());
    rollout(&tracker);
    end(tracker, "TERM");
    let bytes = fs::read(swarms(state.path())).unwrap();
    fs::write(swarms(state.path()), &bytes[..bytes.len() / 2]).unwrap();
    let tracker = start(state.path());
    let joiner = accepted(say(tracker.addr, "127.2.0.2", &agent("munich-2", 1000)));
    assert_eq!((joiner.complete, joiner.incomplete), (0, 1));
    assert!(
        tracker.log().contains("it is torn or was changed"),
        "{}",
        tracker.log()
    );
    assert!(state.path().join("swarms.bad").exists() && !swarms(state.path()).exists());
}

#[test]
fn a_content_that_is_not_tracked_any_more_and_a_site_that_is_gone_do_not_come_back() {
    let state = TempDir::new().unwrap();
    let tracker = start(state.path());
    rollout(&tracker);
    end(tracker, "TERM");
    let files = files(&format!("state: {}\ntorrents: torrents", state.path().display()));
    let tracker = Process::start(files, &[]);
    assert!(tracker.log().contains("peers=0"), "{}", tracker.log());
    end(tracker, "KILL");

    let files = support::files(&format!("state: {}", state.path().display()));
    let map = SITES.replace("127.2.0.0/16", "127.3.0.0/16");
    fs::write(files.path().join("sites.yaml"), map).unwrap();
    let tracker = Process::start(files, &[]);
    assert!(tracker.log().contains("peers=1"), "{}", tracker.log());
}

#[test]
fn a_snapshot_that_cannot_be_written_is_said_and_counted_and_leaves_the_old_one() {
    let state = TempDir::new().unwrap();
    let tracker = start(state.path());
    rollout(&tracker);
    end(tracker, "TERM");
    let before = fs::read(swarms(state.path())).unwrap();
    // what stands in the way of a file, for root too
    fs::create_dir(state.path().join("swarms.new")).unwrap();
    let mut tracker = start(state.path());
    tracker.signal("TERM");
    assert!(tracker.wait().success());
    until("the log says it", || tracker.log().contains("cannot be written"));
    assert_eq!(fs::read(swarms(state.path())).unwrap(), before);
}

#[test]
fn the_state_folder_of_the_unit_is_the_default() {
    let state = TempDir::new().unwrap();
    let tracker = Process::start(files(""), &[("STATE_DIRECTORY", state.path())]);
    rollout(&tracker);
    end(tracker, "TERM");
    assert!(swarms(state.path()).exists());
}

#[test]
fn each_run_has_a_number_that_agents_are_told_and_can_look_at() {
    let run = || {
        let tracker = Process::start(files(""), &[]);
        let reply = accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0))).narrows.unwrap();
        let looked = String::from_utf8(get(tracker.addr, "/epoch").body).unwrap();
        assert_eq!(looked, reply.epoch.to_string());
        assert!(reply.epoch != 0 && reply.watch == 15);
        reply.epoch
    };
    assert_ne!(run(), run());
}
