//! A network namespace for one test.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Set in the process that already lives in the namespace.
const INSIDE: &str = "NARROWS_TEST_NAMESPACE";

/// Runs `body` in a network namespace of its own, where every address of 10.0.0.0/8 is local.
///
/// The test named `test` (its path inside the test binary) is run again by the same binary under `unshare`;
/// the first process only waits for the second and passes its verdict on.
///
/// # Errors
/// What `body` returns, or that a namespace cannot be made here (it takes root or unprivileged user
/// namespaces).
pub fn inside(test: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"])?;
        run("ip", &["route", "add", "local", "10.0.0.0/8", "dev", "lo"])?;
        return body();
    }
    let this = std::env::current_exe().context("the test binary's own path")?;
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "--"])
        .arg(this)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .context("cannot start `unshare` (Debian package util-linux)")?;
    if !status.success() {
        bail!("{test} failed in its network namespace ({status}); if unshare was refused, run as root");
    }
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start `{program}` (Debian package iproute2)"))?;
    if !status.success() {
        bail!("`{program} {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}
