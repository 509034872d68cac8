//! The same run with one player after the other, and one table of what each cost.
//!
//! Each run is a lab of its own, a process with `--json`, so that nothing is left over from the one before.

mod contestant;
mod line;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use clap::Args as ClapArgs;
use narrows_host::{complain, say};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::Stop;
use crate::args::Args;
pub use contestant::Contestant;
use contestant::name;
use line::line_of;
use table::table;

/// Options of comparisons.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Comparison {
    /// With --netns: the same run with each of these, one after the other, and one table, as in
    /// narrows,libtorrent+opentracker,http. A `gateway` of an event is client 0 to players that have none, a
    /// `member` client 1
    #[arg(
        long,
        value_name = "PLAYER[+TRACKER],...",
        value_delimiter = ',',
        requires = "netns",
        conflicts_with_all = ["player", "tracker"]
    )]
    pub compare: Vec<Contestant>,
    /// Write an SVG of each client's progress and of what each link carried; with --compare one for each,
    /// FILE-PLAYER.svg
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

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

/// What came of one run.
#[derive(Debug)]
struct Outcome {
    contestant: Contestant,
    /// Of its process.
    status: Option<i32>,
    /// Its `--json`, if it came to that.
    report: Option<Value>,
}

impl Outcome {
    fn ok(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report["ok"] == true)
    }

    /// Processor seconds of seeders, clients, and the tracker.
    fn cpu(&self) -> [f64; 3] {
        let Some(report) = &self.report else {
            return [0.0; 3];
        };
        let agents = report["agents"].as_array().map_or(&[][..], Vec::as_slice);
        let of = |seeder: bool| -> f64 {
            let those = agents.iter().filter(|agent| agent["seeder"] == seeder);
            those.filter_map(|agent| agent["cpu_seconds"].as_f64()).sum()
        };
        [
            of(true),
            of(false),
            report["tracker_cpu_seconds"].as_f64().unwrap_or(0.0),
        ]
    }

    /// Clients that have everything, and all.
    fn complete(&self) -> (usize, usize) {
        let agents = self.report.as_ref().and_then(|report| report["agents"].as_array());
        let clients = agents.into_iter().flatten().filter(|agent| agent["seeder"] == false);
        let good = clients.clone().filter(|agent| agent["complete"] == true && agent["identical"] == true);
        (good.count(), clients.count())
    }

    fn json(&self) -> Value {
        let [seeders, clients, tracker] = self.cpu();
        json!({
            "player": name(self.contestant.player),
            "tracker": name(self.contestant.tracker),
            "ok": self.ok(),
            "exit": self.status,
            "cpu_seconds": {"seeders": round(seeders), "clients": round(clients), "tracker": round(tracker)},
            "report": self.report,
        })
    }
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
