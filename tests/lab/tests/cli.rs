//! What `narrows-lab` says to wrong input, before it starts anything.

use std::process::{Command, Output};

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_narrows-lab")).args(args).output().expect("the lab runs")
}

/// The one line of a refusal.
fn refused(args: &[&str]) -> String {
    let output = lab(args);
    let text = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert_eq!(output.status.code(), Some(64), "{args:?}: {text}");
    assert!(
        !text.contains('\n') && output.stdout.is_empty(),
        "{args:?}: {text}"
    );
    text
}

#[test]
fn wrong_input_is_refused_in_one_line_that_names_the_option_and_exits_64() {
    for (args, option, what) in [
        (vec!["--size", "much"], "--size", "500MB"),
        (
            vec!["--seeds", "paris=4"],
            "--seeds",
            "no site `paris`; there are b1, b2, hq",
        ),
        (vec!["--clients", "b1=four"], "--clients", "`four`"),
        (vec!["--kill", "hq:0@40%"], "--kill", "no clients at `hq`"),
        (vec!["--kill", "b1:4@40%"], "--kill", "0 to 3"),
        (
            vec!["--sites", "/nowhere/sites.yaml"],
            "--sites",
            "/nowhere/sites.yaml",
        ),
        (
            vec!["--content", "/nowhere/content"],
            "--content",
            "/nowhere/content",
        ),
        (vec!["--bin-dir", "/nowhere"], "--bin-dir", "narrows-tracker"),
        (vec!["--port", "65535"], "--port", "four ports"),
        (
            vec!["--hold", "--compare", "narrows,aria2+opentracker"],
            "--hold",
            "--compare",
        ),
        (vec!["--wat"], "--wat", "unexpected"),
    ] {
        let text = refused(&args);
        assert!(text.contains(option) && text.contains(what), "{args:?}: {text}");
    }
}

#[test]
fn help_and_version_go_to_stdout_and_are_no_errors() {
    for flag in ["--help", "--version"] {
        let output = lab(&[flag]);
        assert!(output.status.success() && !output.stdout.is_empty(), "{flag}");
    }
}
