//! The lab with its own network: kernel counters of a real rollout. Where namespaces are not to be had, each test
//! says so and why, and checks what the lab says then.

use std::process::{Command, Output};

use narrows_tests::lab::net::enter::possible;
use serde_json::Value;

/// Two sites, 40 Mbit/s: 5 MB take a second.
const MAP: &str = "\
version: 1
sites:
  hq: {networks: [10.1.0.0/16]}
  b1: {networks: [10.2.0.0/16]}
links:
  - {between: [hq, b1], rate: 40 Mbit/s}
";

fn lab(map: &str, args: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    let sites = dir.path().join("sites.yaml");
    std::fs::write(&sites, map).expect("a site map");
    let programs = narrows_tests::binaries().expect("tracker and agent build");
    Command::new(env!("CARGO_BIN_EXE_narrows-lab"))
        .arg("--bin-dir")
        .arg(programs)
        .args(["--netns", "--json", "--sites"])
        .arg(sites)
        .args(args)
        .env("TMPDIR", dir.path())
        .output()
        .expect("the lab runs")
}

/// The report, or `None` with a word to whoever reads the output, where there can be no namespaces.
fn report(map: &str, args: &[&str]) -> Option<Value> {
    let output = lab(map, args);
    let said = String::from_utf8_lossy(&output.stderr);
    if let Err(why) = possible() {
        assert_eq!(output.status.code(), Some(69), "{said}");
        eprintln!("skipped: no network namespaces here: {why}");
        // the lab must say the same
        assert!(said.contains("--netns"), "{said}");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON and nothing else"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn one_copy_crosses_the_wire_and_the_kernel_counts_it() {
    let Some(json) = report(
        MAP,
        &[
            "--size",
            "5MB",
            "--seeds",
            "hq=1",
            "--clients",
            "b1=2",
            "--no-kills",
        ],
    ) else {
        return;
    };
    let links = json["links"].as_array().expect("a list");
    let way = |from: &str| {
        links
            .iter()
            .find(|link| link["from"] == from)
            .expect("both directions")
    };
    let copies = number(&way("hq")["wire_copies"]);
    // headers alone are 4.5 %: fewer bytes would mean that frames were not counted one by one
    assert!((1.04..=1.10).contains(&copies), "{}", way("hq"));
    assert!(number(&way("b1")["wire_copies"]) < 0.06, "{}", way("b1"));
    // 40 Mbit/s are 5 MB/s on the wire: a link that is not shaped would be far below, one at half the rate far above
    assert!(
        (1.0..=8.0).contains(&number(&json["seconds"])),
        "{}",
        json["seconds"]
    );
}

#[test]
fn a_cut_link_stands_still_for_as_long_as_it_is_cut_and_the_report_says_so() {
    let event = ["--event", "cut hq-b1 @1s for 3s", "--timeout", "60"];
    let args = ["--size", "10MB", "--seeds", "hq=1", "--clients", "b1=1"];
    let Some(json) = report(MAP, &[args.as_slice(), &event].concat()) else {
        return;
    };
    let cost = &json["costs"][0];
    assert_eq!(cost["interruptions"][0]["site"], "b1");
    let gap = number(&cost["interruptions"][0]["seconds"]);
    assert!((2.5..=20.0).contains(&gap), "{cost}");
    // 2 s of the line, and the time that it was cut
    assert!(number(&json["seconds"]) >= 4.9, "{}", json["seconds"]);
}

#[test]
fn nothing_is_left_when_the_lab_is_killed() {
    if let Err(why) = possible() {
        eprintln!("skipped: no network namespaces here: {why}");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let programs = narrows_tests::binaries().expect("tracker and agent build");
    let mut lab = Command::new(env!("CARGO_BIN_EXE_narrows-lab"))
        .arg("--bin-dir")
        .arg(programs)
        .args(["--netns", "--no-kills", "--size", "20MB", "--keep"])
        .arg(dir.path().join("run"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the lab runs");
    let within = || processes_with(&dir.path().display().to_string());
    wait("agents run", || within().len() > 3);
    let names = std::fs::read_dir("/run/netns").map_or(0, Iterator::count);
    lab.kill().expect("it is ours");
    lab.wait().expect("it is ours");
    wait("all processes have ended", || within().is_empty());
    // the names were never outside of the lab's own mounts
    assert_eq!(std::fs::read_dir("/run/netns").map_or(0, Iterator::count), names);
}

/// Processes of which the command line has this text.
fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text) && line.contains("agent.yaml"))
        .collect()
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 60, "not within 60 s: {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
