//! `narrows-lab`: a rollout in small, with the real programs, and what it cost.
//!
//! From the ground up; each uses those above it in this table alone (`tests/wings.rs`):
//!
//! | wing | what |
//! |---|---|
//! | [`values`], [`timeline`], [`content`] | what people write, a run over time, files and trees |
//! | [`deployment`] | which site has which agents and addresses, how the content gets there at best |
//! | [`programs`] | tracker and agents: where they are, their processes, what they answer |
//! | [`players`] | what plays the clients, ours or other BitTorrent clients, and their files |
//! | [`network`] | hosts, routers and shaped links as network namespaces (`--netns`) |
//! | [`liars`], [`chaos`] | machines that lie; a run with faults and liars, from a seed |
//! | [`events`], [`budget`] | which events and kills are due, what they cost; what links might carry, and did |
//! | [`args`] | the command line, and what it means with this site map |
//! | [`report`] | the live table, the verdict of each file, the report, the picture |
//! | [`setup`] | everything before the first process |
//! | [`run`] | the rollout: starts, watches, kills, restarts, until all clients are complete |
//! | [`compare`] | the same run with one player after the other |
//!
//! What is decided is pure (syntax of events, which kill is due, who fetched over which link, the table);
//! processes, sockets and the kernel's counters are at the edges.
//!
//! ```
//! use narrows_lab::deployment::{AddressSpace, DEFAULT_MAP, Deployment};
//!
//! // the talk's demo: four clients that have the content, and four at each of two branches behind 80 Mbit/s
//! let demo = Deployment::new("default", DEFAULT_MAP, None, None, AddressSpace::Loopback).unwrap();
//! assert_eq!(demo.agents.iter().filter(|place| place.seeder).count(), 4);
//! assert_eq!(demo.clients().count(), 8);
//! // nothing brings 500 MB to a branch in less than 50 seconds
//! assert_eq!(demo.bound(500_000_000, jiff::Timestamp::now()), Some(50.0));
//! ```

pub mod args;
pub mod budget;
pub mod chaos;
pub mod compare;
pub mod content;
pub mod deployment;
pub mod events;
pub mod liars;
pub mod network;
pub mod players;
pub mod programs;
pub mod report;
pub mod run;
pub mod setup;
pub mod testing;
pub mod timeline;
pub mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Args, Refused};
use network::probe;
use programs::binaries;

/// Why a run ended before its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The input is wrong; exit 64 (EX_USAGE of sysexits(3)).
    Wrong(String),
    /// Something that the lab needs is missing: programs, space, ports; exit 69 (EX_UNAVAILABLE).
    Missing(String),
    /// The tracker or an agent failed; exit 70 (EX_SOFTWARE).
    Failed(String),
    /// Ctrl-C or SIGTERM; exit 130, as shells have it.
    Interrupted,
}

impl Stop {
    fn code(&self) -> u8 {
        match self {
            Stop::Wrong(_) => 64,
            Stop::Missing(_) => 69,
            Stop::Failed(_) => 70,
            Stop::Interrupted => 130,
        }
    }

    fn text(&self) -> &str {
        match self {
            Stop::Wrong(text) | Stop::Missing(text) | Stop::Failed(text) => text,
            Stop::Interrupted => "interrupted; every process that was started has been stopped",
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Stop {}

/// The whole program: from the command line to the exit status.
pub fn main(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line: Vec<OsString> = line.into_iter().collect();
    // an end of a probe, which the lab starts in a namespace
    if line.get(1).is_some_and(|word| word == probe::WORD) {
        let words: Vec<String> =
            line.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
        return match probe::run(&words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => stopped(&Stop::Failed(error.to_string())),
        };
    }
    if line.get(1).is_some_and(|word| word == liars::WORD) {
        let words: Vec<String> =
            line.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
        return match liars::run(&words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => stopped(&Stop::Failed(error.to_string())),
        };
    }
    let args = match Args::parse_from_line(line.iter().cloned()) {
        Ok(args) => args.planned(),
        Err(Refused::Shown(text)) => {
            narrows_host::out::say(format_args!("{text}"));
            return ExitCode::SUCCESS;
        }
        Err(Refused::Wrong(text)) => return stopped(&Stop::Wrong(text)),
    };
    let comparing = !args.comparison.compare.is_empty();
    let rounds = args.chaos.rounds();
    if args.options.netns && !comparing && rounds.is_none() && network::enter::inside().is_none() {
        return stopped(&enter(&args, &line));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return stopped(&Stop::Missing(format!("cannot start: {error}"))),
    };
    let done = match (rounds, comparing) {
        (Some((seed, lasts)), _) => runtime.block_on(chaos::rounds::run(seed, lasts, &line)),
        (None, true) => runtime.block_on(compare::run(&args, &line)),
        (None, false) => runtime.block_on(run::run(&args)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(stop) => stopped(&stop),
    }
}

/// The lab goes on inside namespaces of its own; only if it cannot does this return.
fn enter(args: &Args, line: &[OsString]) -> Stop {
    match binaries::find(args.bin_dir.as_deref()) {
        Ok(binaries) => match binaries.agent.parent().map(std::fs::canonicalize) {
            Some(Ok(programs)) => network::enter::enter(&programs, line),
            _ => Stop::Missing("cannot tell where the programs are".to_owned()),
        },
        Err(stop) => stop,
    }
}

fn stopped(stop: &Stop) -> ExitCode {
    narrows_host::complain!("narrows-lab: {stop}");
    ExitCode::from(stop.code())
}
