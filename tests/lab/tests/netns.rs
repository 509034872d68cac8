//! The lab with its own network: kernel counters of a real rollout. Where namespaces are not to be had, each
//! test says so and why, and checks what the lab says then.

use std::process::{Command, Output};

use narrows_lab::network::enter::possible;
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
    let programs = narrows_lab::testing::programs().expect("tracker and agent build");
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

/// The report, or `None` with a line on standard error, where there can be no namespaces.
fn report(map: &str, args: &[&str]) -> Option<Value> {
    outcome(map, args, 0)
}

/// The same of a lab that ends with this status.
fn outcome(map: &str, args: &[&str], status: i32) -> Option<Value> {
    let output = lab(map, args);
    let said = String::from_utf8_lossy(&output.stderr);
    if let Err(why) = possible() {
        assert_eq!(output.status.code(), Some(69), "{said}");
        narrows_lab::testing::skipped(&format!("no network namespaces here: {why}"));
        // the lab must say the same
        assert!(said.contains("--netns"), "{said}");
        return None;
    }
    assert_eq!(output.status.code(), Some(status), "{said}");
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
    let route = |from: &str| links.iter().find(|link| link["from"] == from).expect("both directions");
    let copies = number(&route("hq")["wire_copies"]);
    // headers alone are 4.5 %: fewer bytes would mean that frames were not counted one by one
    assert!((1.04..=1.10).contains(&copies), "{}", route("hq"));
    assert!(number(&route("b1")["wire_copies"]) < 0.06, "{}", route("b1"));
    // 40 Mbit/s are 5 MB/s on the wire: a link that is not shaped would be far below, one at half the rate
    // far above
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
fn a_schedule_takes_effect_on_the_wire_within_thirty_seconds() {
    // from the next minute but for the first twenty seconds that the rollout needs to be under way
    let now = jiff::Timestamp::now();
    let minute = now.as_second().div_euclid(60) + if now.as_second() % 60 < 35 { 1 } else { 2 };
    let until = minute * 60 - now.as_second();
    let time = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    let hours = format!("{}-{}", time(minute), time(minute + 5));
    let map = format!(
        "version: 1
timezone: UTC
sites:
  hq: {{networks: [10.1.0.0/16]}}
  b1: {{networks: [10.2.0.0/16]}}
  b2: {{networks: [10.3.0.0/16]}}
links:
  - {{between: [hq, b1], rate: 4 Mbit/s, schedule: [{{hours: '{hours}', rate: 2 Mbit/s}}]}}
  - {{between: [hq, b2], rate: 4 Mbit/s, schedule: [{{hours: '{hours}', rate: 0}}]}}
"
    );
    // 0.5 MB/s until the minute, and at half of that for longer than the run: the time is up first
    let size = format!("{}kB", (until + 60) * 500);
    let timeout = format!("{}", until + 40);
    let args = [
        "--size",
        &size,
        "--seeds",
        "hq=1",
        "--clients",
        "b1=1,b2=1",
        "--no-kills",
        "--timeout",
        &timeout,
    ];
    let Some(json) = outcome(&map, &args, 1) else {
        return;
    };
    let budget = |to: &str| {
        let budgets = json["budgets"].as_array().expect("a list");
        let found = budgets.iter().find(|budget| budget["from"] == "hq" && budget["to"] == to);
        found.expect("each link has a budget").clone()
    };
    for (to, rate) in [("b1", 250_000), ("b2", 0)] {
        let budget = budget(to);
        let change = &budget["changes"][0];
        assert_eq!(
            (&change["why"], change["rate"].as_u64()),
            (&Value::from("schedule"), Some(rate))
        );
        assert_eq!(change["wanted"], true, "{budget}");
        assert!(number(&change["seconds"]) <= 30.0, "{budget}");
        // what the kernel lets through is 4 Mbit/s all the while: the half is the agents' doing
        assert!(number(&budget["over_10s"]) <= 1.05, "{budget}");
    }
}

#[test]
fn a_brake_on_a_link_stops_it_at_once_and_nothing_is_lost_when_it_is_released() {
    let events = "http POST /brake?link=hq-b1 @1s; http DELETE /brake?link=hq-b1 @14s";
    let args = [
        "--size",
        "40MB",
        "--seeds",
        "hq=1",
        "--clients",
        "b1=1",
        "--event",
        events,
        "--timeout",
        "90",
    ];
    let Some(json) = report(MAP, &args) else {
        return;
    };
    let budgets = json["budgets"].as_array().expect("a list");
    let budget = budgets.iter().find(|budget| budget["from"] == "hq").expect("both directions");
    let changes = budget["changes"].as_array().expect("a list");
    assert_eq!(
        (changes.len(), changes[0]["rate"].as_u64()),
        (2, Some(0)),
        "{budget}"
    );
    // agents come back after each tenth, and after about 10 s
    assert!(number(&changes[0]["seconds"]) <= 12.0, "{budget}");
    assert!(number(&json["seconds"]) > 14.0, "{}", json["seconds"]);
    assert_eq!(json["ok"], true);
    let extra = number(&json["costs"][0]["extra"][0]["pieces"]);
    assert!(extra <= 8.0, "{}", json["costs"]);
}

#[test]
fn a_restarted_tracker_leaves_each_site_with_the_gateway_that_it_had() {
    let args = [
        "--size",
        "10MB",
        "--seeds",
        "hq=1",
        "--clients",
        "b1=3",
        "--event",
        "restart tracker @30%",
    ];
    let Some(json) = report(MAP, &[args.as_slice(), &["--timeout", "60"]].concat()) else {
        return;
    };
    let gateways = &json["gateways"][0];
    assert_eq!(
        (&gateways["site"], &gateways["allowed"]),
        (&Value::from("b1"), &Value::from(1))
    );
    assert_eq!(gateways["most"], 1, "{gateways}");
    assert_eq!(json["costs"][0]["gateways"][0]["most"], 1);
}

#[test]
fn nothing_is_left_when_the_lab_is_killed() {
    if let Err(why) = possible() {
        narrows_lab::testing::skipped(&format!("no network namespaces here: {why}"));
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let programs = narrows_lab::testing::programs().expect("tracker and agent build");
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
