//! `--chaos`: seeds that found something once, each a short run with what it found.

use std::process::Command;

use narrows_lab::network::enter::possible;
use serde_json::Value;

/// Runs a seed; its findings, or `None` with a line on standard error where there can be no namespaces.
fn findings(seed: &str, args: &[&str]) -> Option<(Value, String)> {
    let dir = tempfile::tempdir().expect("a folder");
    let programs = narrows_lab::testing::programs().expect("tracker and agent build");
    let output = Command::new(env!("CARGO_BIN_EXE_narrows-lab"))
        .arg("--bin-dir")
        .arg(programs)
        .args(["--json", "--chaos", seed])
        .args(args)
        .env("TMPDIR", dir.path())
        .output()
        .expect("the lab runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if let Err(why) = possible() {
        narrows_lab::testing::skipped(&format!("no network namespaces here: {why}"));
        return None;
    }
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {said}"));
    Some((report, said))
}

#[test]
fn after_twenty_seconds_of_faults_every_agent_has_every_byte_and_every_user_every_file() {
    if let Some((report, said)) = findings("1", &["--for", "20s", "--honest"]) {
        assert_eq!(report["findings"], serde_json::json!([]), "{said}");
        assert_eq!(report["ok"], true, "{said}");
    }
}

/// `NARROWS_SEED=17 NARROWS_KEEP=DIR cargo test -p narrows-lab --test chaos liars` runs another one, and keeps it
/// all.
#[test]
fn whatever_liars_do_every_agent_has_every_byte_and_each_liar_is_named() {
    let seed = std::env::var("NARROWS_SEED").unwrap_or_else(|_| "106".to_owned());
    let keep = std::env::var("NARROWS_KEEP").ok();
    let kept = keep.iter().flat_map(|dir| ["--keep", dir]);
    let args: Vec<&str> = ["--for", "30s"].into_iter().chain(kept).collect();
    if let Some((report, said)) = findings(&seed, &args) {
        assert_eq!(report["findings"], serde_json::json!([]), "{said}");
        eprintln!("{said}");
    }
}
