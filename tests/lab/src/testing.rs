//! What tests need that run the real programs: where these are, and a record of tests that cannot run here.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::programs::binaries;

/// The folder of `narrows-tracker` and `narrows-agent` for tests: cargo's own, built if they are missing or
/// stale.
///
/// # Errors
/// They do not build.
pub fn programs() -> Result<PathBuf> {
    // tests lie in target/PROFILE/deps, programs in target/PROFILE
    let own = std::env::current_exe().context("the test's own path")?;
    let dir = own.ancestors().nth(2).context("the test is not in a target folder")?;
    binaries::build(dir)?;
    binaries::find(Some(dir))?;
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
    // the line is on standard error already, should this file not open
    if let Ok(mut file) = file {
        let _ = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
    }
}
