//! Two machines with one id are named, and each is a peer of its own.
#![cfg(unix)]

mod support;

use narrows_protocol::{AnnounceRequest, Role};
use support::process::Process;
use support::*;

fn machine(key: u32) -> AnnounceRequest {
    AnnounceRequest {
        key: Some(key),
        ..agent("vm", 1000)
    }
}

#[test]
fn two_machines_with_one_id_are_both_named_once_in_log_status_metric_and_page() {
    let tracker = Process::start(files(""), &[]);
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    let first = accepted(say(tracker.addr, "127.2.0.1", &machine(1)));
    let second = accepted(say(tracker.addr, "127.2.0.2", &machine(2)));
    let role = |reply: &narrows_protocol::AnnounceResponse| reply.narrows.as_ref().unwrap().role;
    assert_eq!((role(&first), role(&second)), (Role::Gateway, Role::Member));
    assert_eq!(addresses(&second), ["127.2.0.1:6881"]);
    accepted(say(tracker.addr, "127.2.0.3", &machine(3)));
    let series = |name: &str| {
        let text = String::from_utf8(get(tracker.admin, "/metrics").body).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.unwrap_or_default()
    };
    assert!(series("narrows_tracker_duplicate_ids").ends_with(" 1"));
    assert_eq!(tracker.metric("narrows_tracker_moved_agents_total"), 0.0);
    let status: serde_json::Value = serde_json::from_slice(&get(tracker.admin, "/status").body).unwrap();
    let double = &status["contents"][0]["doubles"][0];
    assert_eq!(double["agent"], "vm");
    assert_eq!(double["addresses"].as_array().unwrap().len(), 3);
    let log = tracker.whole_log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("two machines use one id")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["vm", "127.2.0.1:6881", "127.2.0.2:6881"] {
        assert!(lines[0].contains(part), "{part}: {log}");
    }
}
