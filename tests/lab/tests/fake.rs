//! The lab with stand-ins for tracker and agents: that it counts right, and that it notices what goes wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with both programs.
fn programs() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["narrows-tracker", "narrows-agent"] {
        let path = dir.path().join(name);
        fs::write(&path, include_str!("fake/programs.py")).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    dir
}

/// Runs the lab with stand-ins of which one misbehaves in the way that `fake` names.
fn lab(fake: &str, port: u16, args: &[&str]) -> Output {
    let (dir, temp) = (programs(), tempfile::tempdir().expect("a folder"));
    let output = Command::new(env!("CARGO_BIN_EXE_narrows-lab"))
        .arg("--bin-dir")
        .arg(dir.path())
        .args(["--json", "--size", "3MB", "--port", &port.to_string()])
        .args(args)
        .env("FAKE", fake)
        .env("TMPDIR", temp.path())
        .output()
        .expect("the lab runs");
    // a good run leaves nothing, another its logs and no data
    let left: Vec<_> = fs::read_dir(temp.path()).expect("readable").flatten().map(|e| e.path()).collect();
    assert_eq!(left.is_empty(), output.status.success(), "{left:?}");
    for dir in left {
        assert!(dir.join("agents/b1-1/log").exists() && !dir.join("agents/b1-1/data").exists());
    }
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_byte_is_counted_once_though_three_are_killed() {
    let output = lab("", 31_000, &["--seeds", "hq=2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(
        (json["ok"].as_bool(), json["size"].as_u64()),
        (Some(true), Some(3_000_000))
    );
    // only b1-0 and b2-0 fetch across links here, everything, and what a kill interrupts is not fetched again
    for link in json["links"].as_array().expect("a list") {
        let copies = link["copies"].as_f64().expect("a number");
        assert!((0.999..=1.001).contains(&copies), "{link}");
    }
    let agents = json["agents"].as_array().expect("a list");
    let killed = agents.iter().filter(|agent| agent["kills"] == 1);
    let mut sites: Vec<_> = killed.map(|agent| agent["site"].as_str().unwrap_or_default()).collect();
    sites.sort_unstable();
    assert_eq!(
        (sites.as_slice(), agents[2]["kills"].as_u64()),
        (["b1", "b1", "b2"].as_slice(), Some(1))
    );
    for agent in agents.iter().filter(|agent| agent["seeder"] == false) {
        let seconds = agent["seconds"].as_f64().expect("a number");
        // two seconds of fetching, and five of absence for those that were killed
        let least = if agent["kills"] == 1 { 7.0 } else { 2.0 };
        assert!((least - 0.3..least + 8.0).contains(&seconds), "{agent}");
    }
}

#[test]
fn a_client_with_a_wrong_byte_is_found_and_named() {
    let output = lab(
        "corrupt",
        31_010,
        &["--no-kills", "--seeds", "hq=1", "--clients", "b1=2"],
    );
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let wrong: Vec<_> =
        json["agents"].as_array().expect("a list").iter().filter(|a| a["identical"] == false).collect();
    assert_eq!((wrong.len(), wrong[0]["id"].as_str()), (1, Some("b1-1")));
    assert!(wrong[0]["difference"].as_str().is_some_and(|what| what.ends_with("has other bytes")));
}

#[test]
fn an_agent_that_ends_by_itself_ends_the_run_with_its_last_words() {
    let output = lab(
        "dies",
        31_020,
        &["--no-kills", "--seeds", "hq=1", "--clients", "b1=2"],
    );
    assert_eq!(output.status.code(), Some(70));
    let text = text(&output);
    assert!(
        text.contains("b1-1 ended by itself") && text.contains("out of luck"),
        "{text}"
    );
}

#[test]
fn when_the_time_is_up_those_that_are_incomplete_are_named() {
    let output = lab(
        "stuck",
        31_030,
        &[
            "--no-kills",
            "--seeds",
            "hq=1",
            "--clients",
            "b1=2",
            "--timeout",
            "4",
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(
        (json["ok"].as_bool(), &json["seconds"]),
        (Some(false), &Value::Null)
    );
    let text = text(&output);
    assert!(
        text.lines().any(|line| line.starts_with("b1-1 ") && line.contains("INCOMPLETE")),
        "{text}"
    );
}
