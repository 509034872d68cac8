//! The same run with one player after the other, and one table of what each cost.
//!
//! Each run is a lab of its own, a process with `--json`, so that nothing is left over from the one before.

mod line;
mod table;

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use narrows_host::{complain, say};
use serde_json::Value;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::Stop;
use crate::args::Args;
pub use crate::players::contestant::Contestant;
use line::line_of;
use table::{Outcome, table};

/// Runs all; `true` if every client of every run is complete and identical. The table goes to standard
/// output, with `--json` one object instead.
///
/// # Errors
/// Why there is no comparison.
pub async fn run(args: &Args, line: &[OsString]) -> Result<bool, Stop> {
    let own = std::env::current_exe()
        .map_err(|error| Stop::Missing(format!("cannot tell where this program is: {error}")))?;
    let failed = |error: std::io::Error| Stop::Missing(format!("cannot run the lab again: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut results = Vec::new();
    for contestant in &args.comparison.compare {
        complain!("\n== {contestant}");
        let child = Command::new(&own)
            .args(line_of(line, args, *contestant))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let output = tokio::select! {
            output = child.wait_with_output() => output.map_err(failed)?,
            // Ctrl-C reaches the run too; dropping it kills it, and what it started ends with it
            _ = interrupt.recv() => return Err(Stop::Interrupted),
            _ = terminate.recv() => return Err(Stop::Interrupted),
        };
        let report = serde_json::from_slice(&output.stdout).ok();
        // one that is wrongly asked for would be so again
        if report.is_none() && output.status.code() == Some(64) {
            return Err(Stop::Wrong(format!(
                "{contestant} cannot be asked for that: see above"
            )));
        }
        results.push(Outcome {
            contestant: *contestant,
            status: output.status.code(),
            report,
        });
        // sockets and disks come to rest
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if args.json {
        say!(
            "{}",
            Value::from(results.iter().map(Outcome::json).collect::<Vec<_>>())
        );
    } else {
        say!("");
        for line in table(&results) {
            say!("{line}");
        }
    }
    Ok(results.iter().all(Outcome::ok))
}

#[cfg(test)]
mod tests;
