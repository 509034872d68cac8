//! An address in no site is named: to the client that is refused, and once in the tracker's log.
#![cfg(unix)]

mod support;

use support::process::Process;
use support::*;

#[test]
fn the_log_names_a_network_without_a_site_once_however_many_of_its_machines_announce() {
    let tracker = Process::start(files(""), &[]);
    for source in ["127.9.0.1", "127.9.0.2", "127.9.0.1", "127.9.1.7"] {
        let failure = refused(say(tracker.addr, source, &announce()));
        assert!(failure.reason.contains(source), "{}", failure.reason);
    }
    let log = tracker.whole_log();
    let warnings =
        |text: &str| log.lines().filter(|line| line.contains("WARN") && line.contains(text)).count();
    assert_eq!(warnings("from=127.9.0.1 network=127.9.0.0/24"), 1, "{log}");
    assert_eq!(warnings("network=127.9.0.0/24"), 1, "{log}");
    assert_eq!(warnings("network=127.9.1.0/24"), 1, "{log}");
}

#[test]
fn a_flood_of_networks_without_a_site_does_not_fill_the_log() {
    let tracker = Process::start(files(""), &[]);
    for n in 0..40 {
        refused(say(tracker.addr, &format!("127.9.{n}.1"), &announce()));
    }
    let log = tracker.whole_log();
    assert_eq!(
        log.lines().filter(|line| line.contains("network=127.9.")).count(),
        16,
        "{log}"
    );
}
