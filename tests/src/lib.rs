//! End-to-end tests and the lab.

pub mod lab;
pub mod real;

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder of `narrows-tracker` and `narrows-agent` for tests: cargo's own, built if they are missing or stale.
///
/// # Errors
/// They do not build.
pub fn binaries() -> Result<PathBuf> {
    // tests lie in target/PROFILE/deps, programs in target/PROFILE
    let own = std::env::current_exe().context("the test's own path")?;
    let dir = own
        .ancestors()
        .nth(2)
        .context("the test is not in a target folder")?;
    lab::binaries::build(dir)?;
    lab::binaries::find(Some(dir))?;
    Ok(dir.to_owned())
}
