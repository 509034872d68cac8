//! End-to-end tests and the lab.

pub mod lab;
pub mod real;

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder of `narrows-tracker` and `narrows-agent` for tests: cargo's own, built if they are missing or
/// stale.
///
/// # Errors
/// They do not build.
pub fn binaries() -> Result<PathBuf> {
    // tests lie in target/PROFILE/deps, programs in target/PROFILE
    let own = std::env::current_exe().context("the test's own path")?;
    let dir = own.ancestors().nth(2).context("the test is not in a target folder")?;
    lab::binaries::build(dir)?;
    lab::binaries::find(Some(dir))?;
    Ok(dir.to_owned())
}

/// A file to which [`skipped`] adds a line; `tests/all.sh` sets it and counts them at its end.
const SKIPPED: &str = "NARROWS_SKIPPED";

/// Says that the test of this thread cannot be run here, and why.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {why}", thread.name().unwrap_or("a test"));
    eprintln!("skipped: {line}");
    let Some(file) = std::env::var_os(SKIPPED) else {
        return;
    };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
    // a test that cannot say so on paper has said it on standard error
    if let Ok(mut file) = file {
        let _ = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
    }
}
