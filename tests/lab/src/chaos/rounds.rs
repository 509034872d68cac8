//! Round after round, each a lab of its own with the next seed, until the time is up.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use narrows_host::complain;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::Stop;
use crate::chaos::ROUND;

/// Runs them; `true` if each found all well. What a round says goes where this lab's words go.
///
/// # Errors
/// Why there is no result.
pub async fn run(seed: u64, lasts: Duration, line: &[OsString]) -> Result<bool, Stop> {
    let own = std::env::current_exe()
        .map_err(|error| Stop::Missing(format!("cannot tell where this program is: {error}")))?;
    let failed = |error: std::io::Error| Stop::Missing(format!("cannot run the lab again: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let (begun, mut bad, mut rounds) = (Instant::now(), Vec::new(), 0u64);
    while begun.elapsed() + ROUND / 2 < lasts {
        let seed = seed.wrapping_add(rounds);
        complain!("\n== round {}, seed {seed}", rounds + 1);
        let mut child = Command::new(&own)
            .args(line_of(line, seed))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let status = tokio::select! {
            status = child.wait() => status.map_err(failed)?,
            // Ctrl-C reaches the round too; dropping it kills it, and what it started ends with it
            _ = interrupt.recv() => return Err(Stop::Interrupted),
            _ = terminate.recv() => return Err(Stop::Interrupted),
        };
        rounds += 1;
        match status.code() {
            Some(0) => {}
            // what is wrong or missing would be so again
            Some(64 | 69) => return Err(Stop::Missing("a round could not be run: see above".to_owned())),
            _ => bad.push(seed.to_string()),
        }
    }
    match bad.is_empty() {
        true => complain!("\n{rounds} rounds, all well"),
        false => complain!(
            "\n{rounds} rounds, {} with findings: seeds {}",
            bad.len(),
            bad.join(" ")
        ),
    }
    Ok(bad.is_empty())
}

/// The command line of a round: this one, with its seed and without its time.
fn line_of(line: &[OsString], seed: u64) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut rest = line.iter().skip(1);
    while let Some(word) = rest.next() {
        match word.to_str() {
            Some("--chaos" | "--for") => {
                rest.next();
            }
            Some(text) if text.starts_with("--chaos=") || text.starts_with("--for=") => {}
            _ => words.push(word.clone()),
        }
    }
    words.extend(["--chaos".into(), seed.to_string().into()]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_the_same_options_with_a_seed_of_its_own() {
        let line = [
            "narrows-lab",
            "--json",
            "--chaos",
            "7",
            "--for=1h",
            "--bin-dir",
            "x",
        ]
        .map(OsString::from);
        assert_eq!(
            line_of(&line, 9),
            ["--json", "--bin-dir", "x", "--chaos", "9"].map(OsString::from)
        );
    }
}
