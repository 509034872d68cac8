//! Comparisons.

use std::ffi::OsString;

use super::line::line_of;
use super::table::table;
use serde_json::json;

use super::*;

fn words(text: &str) -> Vec<OsString> {
    text.split('|').map(OsString::from).collect()
}

fn child(line: &str, contestant: &str) -> String {
    let line = words(line);
    let args = Args::parse_from_line(line.iter().cloned()).unwrap();
    let out = line_of(&line, &args, contestant.parse().unwrap());
    let again = std::iter::once(OsString::from("narrows-lab")).chain(out.iter().cloned());
    Args::parse_from_line(again).unwrap();
    let out: Vec<_> = out.iter().map(|word| word.to_string_lossy()).collect();
    out.join("|")
}

#[test]
fn each_run_is_asked_for_the_same_but_with_its_own_player_and_files() {
    let line =
        "narrows-lab|--netns|--compare|narrows,http|--size=50MB|--json|--plot=a/run.svg|--keep|k|--no-kills";
    assert_eq!(
        child(line, "aria2+opentracker"),
        "--size=50MB|--no-kills|--netns|--json|--player|aria2|--tracker|opentracker|--timeout|30m|--plot|\
         a/run-aria2+opentracker.svg|--keep|k/aria2+opentracker"
    );
}

#[test]
fn no_client_is_killed_by_default_and_gateways_are_clients_to_players_that_have_none() {
    let line = "narrows-lab|--netns|--compare|narrows,libtorrent|--timeout|90";
    assert!(child(line, "narrows").contains("--no-kills"));
    let line = "narrows-lab|--netns|--compare|narrows,libtorrent|--kill|b1:gateway@50%,b2:member@50%";
    assert!(child(line, "narrows").starts_with("--kill|b1:gateway@50%,b2:member@50%|"));
    let other = child(line, "libtorrent");
    assert!(other.starts_with("--kill|b1:0@50%,b2:1@50%|") && !other.contains("--no-kills"));
}

#[test]
fn contestants_are_read_as_they_are_shown_and_a_typo_is_answered_with_the_names() {
    for text in ["narrows+narrows", "libtorrent+opentracker", "http"] {
        let contestant: Contestant = text.parse().unwrap();
        assert_eq!(contestant.to_string(), text);
    }
    let error = "libtorent".parse::<Contestant>().unwrap_err();
    assert!(error.contains("libtorrent, aria2, transmission, http"), "{error}");
    let error = "aria2+open".parse::<Contestant>().unwrap_err();
    assert!(error.contains("opentracker"), "{error}");
}

#[test]
fn the_table_has_a_line_for_each_run_even_if_it_failed() {
    let report = json!({
        "ok": true, "seconds": 21.31, "time_over_bound": 1.0655, "wire_over_minimum_max": 1.0412,
        "wire_over_minimum": 1.055, "tracker_cpu_seconds": 0.1,
        "agents": [
            {"seeder": true, "cpu_seconds": 0.5, "complete": true, "identical": true},
            {"seeder": false, "cpu_seconds": 1.25, "complete": true, "identical": true},
            {"seeder": false, "cpu_seconds": 1.0, "complete": true, "identical": false},
        ],
        "links": [{"from": "hq", "to": "b1", "wire_bytes": 52_250_000}],
    });
    let outcome = |name: &str, report: Option<Value>| Outcome {
        contestant: name.parse().unwrap(),
        status: Some(70),
        report,
    };
    let results = [
        outcome("narrows", Some(report)),
        outcome("aria2+opentracker", None),
    ];
    let lines = table(&results);
    for part in [
        "narrows+narrows",
        "1/2",
        "21.3 s",
        "1.07x",
        "1.041x",
        "1.055x",
        "2.2 s",
        "0.5 s",
    ] {
        assert!(lines[1].contains(part), "{part}: {}", lines[1]);
    }
    assert!(lines[2].contains("aria2+opentracker") && lines[2].contains("exit 70"));
    assert!(lines.iter().any(|line| line.starts_with("hq → b1") && line.contains("52.2")));
    assert_eq!(results[0].json()["cpu_seconds"]["clients"], 2.25);
    assert!(!results[1].ok());
}
