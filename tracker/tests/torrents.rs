//! What is wrong with a .torrent in the tracker's folder is said when it is taken in, not by every machine
//! later.
#![cfg(unix)]

mod support;

use support::process::Process;
use support::*;

fn torrent(head: &str, name: &str) -> Vec<u8> {
    let info = format!(
        "4:infod6:lengthi5e4:name{}:{name}12:piece lengthi16384e6:pieces20:{:020}7:privatei1ee",
        name.len(),
        name.len(),
    );
    format!("d{head}{info}e").into_bytes()
}

#[test]
fn a_torrent_that_no_agent_can_announce_is_named_with_the_reason() {
    let dir = files("torrents: torrents");
    let tiers = "8:announce6:udp://13:announce-listll11:udp://t:1/aell15:http://t:6969/aee";
    let all = [
        ("good", "8:announce15:http://t:6969/a", None),
        ("path", "8:announce13:http://t:6969", Some("it has no path")),
        ("udp", "8:announce11:udp://t:1/a", Some("http and https only")),
        ("none", "", Some("it names no tracker")),
    ];
    for (name, head, _) in &all {
        let file = dir.path().join(format!("torrents/{name}.torrent"));
        std::fs::write(file, torrent(head, name)).unwrap();
    }
    let tiers = tiers.replacen("ell15", "el15", 1);
    std::fs::write(
        dir.path().join("torrents/tiers.torrent"),
        torrent(&tiers, "tiers"),
    )
    .unwrap();
    let tracker = Process::start(dir, &[]);
    let log = tracker.whole_log();
    for (name, _, fault) in &all {
        let line =
            log.lines().find(|line| line.contains("WARN") && line.contains(&format!("/{name}.torrent")));
        match (line, fault) {
            (None, None) => {}
            (Some(line), Some(fault)) => {
                assert!(
                    line.contains("no agent can announce") && line.contains(fault),
                    "{line}"
                );
            }
            _ => panic!("{name}: {line:?} in {log}"),
        }
    }
    let tiers = log.lines().find(|line| line.contains("WARN") && line.contains("tiers.torrent"));
    assert!(
        tiers.is_some_and(|line| line.contains("pass over") && line.contains("udp://t:1/a")),
        "{log}"
    );
    assert_eq!(
        log.matches("torrent tracked").count(),
        5,
        "all of them are tracked: {log}"
    );
}
