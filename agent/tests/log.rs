//! What goes wrong again and again is a line once per cause, not a line each time.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::agent::Agent;
use common::answers::answering;
use common::content::{folder, torrent_of};
use common::eventually;
use narrows_protocol::{AnnounceResponse, Failure};

/// Refuses so many announces, for two reasons in turns, then takes them; its URL and how many it was asked.
fn moody(refusals: usize) -> (String, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let url = answering(move || {
        let mut body = Vec::new();
        match count.fetch_add(1, Ordering::Relaxed) {
            n if n >= refusals => AnnounceResponse {
                interval: 1,
                min_interval: 1,
                warning: Some("the disk of the tracker is nearly full".to_owned()),
                ..AnnounceResponse::default()
            }
            .encode(true, true, &mut body),
            n if n % 2 == 0 => Failure::new("first reason").encode(&mut body),
            _ => Failure::new("second reason").encode(&mut body),
        }
        ("200 OK", body)
    });
    (url, requests)
}

fn lines(agent: &Agent, text: &str) -> usize {
    let log = std::fs::read_to_string(agent.dir.join("log")).unwrap();
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn a_tracker_that_refuses_for_two_reasons_in_turns_and_a_broken_torrent_are_one_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let (url, requests) = moody(5);
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 100_000);
    let (file, _) = torrent_of(&source, url, 64 << 10);
    let (broken, target) = (dir.path().join("broken.torrent"), dir.path().join("target"));
    std::fs::write(&broken, b"d4:infoi1ee").unwrap();
    let agent = Agent::new(&dir.path().join("agent"), &[(&file, &target), (&broken, &target)]).started();
    for _ in 0..5 {
        let output = agent.command(&["reload"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing changed\n");
    }
    assert_eq!(lines(&agent, "cannot use this torrent"), 1);
    eventually("the tracker takes announces", || {
        (requests.load(Ordering::Relaxed) >= 8).then_some(())
    });
    for reason in [
        "first reason",
        "second reason",
        "takes announces again",
        "nearly full",
    ] {
        assert_eq!(lines(&agent, reason), 1, "{reason}");
    }
}
