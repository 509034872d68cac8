//! `ip` and `tc` are run, many commands in one process.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::Stop;

/// Runs some, a few at a time.
pub(super) fn batches(program: &str, texts: Vec<(String, String)>) -> Result<(), Stop> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some((netns, text)) = texts.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            batch(program, Some(netns), text)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => Err(Stop::Failed(format!("--netns: running {program} failed"))),
        });
        results.collect()
    })
}

/// `ip -batch` or `tc -batch`, all in one process.
pub(super) fn batch(program: &str, netns: Option<&str>, text: &str) -> Result<(), Stop> {
    let failed = |what: String| {
        let place = netns.map_or(String::new(), |netns| format!(" in {netns}"));
        Stop::Missing(format!("--netns: {program}{place}: {what}"))
    };
    let mut command = Command::new(program);
    if let Some(netns) = netns {
        command.args(["-n", netns]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    // the batch is numbered in what they say
    let number = said.rsplit(':').next().and_then(|n| n.trim().parse::<usize>().ok());
    let line = number.and_then(|n| text.lines().nth(n.saturating_sub(1))).unwrap_or_default();
    Err(failed(format!("{said} `{line}`")))
}
