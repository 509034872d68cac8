//! `narrows-lab`: a rollout in small, with the real programs, and what it cost.
//!
//! [`args`] says what is asked, [`world`] who is where, [`content`] what is sent, [`fleet`] and [`process`]
//! run the programs, [`poll`] asks them, [`rollout`] drives it all. [`kills`], [`ledger`], [`table`] and
//! [`report`] are pure; [`verify`] reads what arrived.

pub mod args;
mod asked;
pub mod binaries;
pub mod budget;
pub mod compare;
mod conclude;
pub mod content;
pub mod events;
pub mod fleet;
mod hold;
pub mod kills;
pub mod ledger;
mod lives;
pub mod net;
mod news;
pub mod options;
mod outcome;
pub mod player;
pub mod players;
pub mod plot;
pub mod poll;
pub mod probe;
pub mod process;
pub mod report;
pub mod rollout;
pub mod screen;
pub mod setup;
mod snapshot;
pub mod table;
pub mod testing;
pub mod timeline;
mod torrent;
pub mod verify;
pub mod view;
pub mod wire;
pub mod workplace;
pub mod world;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Args, Refused};

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
    let args = match Args::parse_from_line(line.iter().cloned()) {
        Ok(args) => args,
        Err(Refused::Shown(text)) => {
            narrows_host::out::say(format_args!("{text}"));
            return ExitCode::SUCCESS;
        }
        Err(Refused::Wrong(text)) => return stopped(&Stop::Wrong(text)),
    };
    let comparing = !args.comparison.compare.is_empty();
    if args.options.netns && !comparing && net::enter::inside().is_none() {
        return stopped(&enter(&args, &line));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return stopped(&Stop::Missing(format!("cannot start: {error}"))),
    };
    let done = match comparing {
        true => runtime.block_on(compare::run(&args, &line)),
        false => runtime.block_on(rollout::run(&args)),
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
            Some(Ok(programs)) => net::enter::enter(&programs, line),
            _ => Stop::Missing("cannot tell where the programs are".to_owned()),
        },
        Err(stop) => stop,
    }
}

fn stopped(stop: &Stop) -> ExitCode {
    narrows_host::complain!("narrows-lab: {stop}");
    ExitCode::from(stop.code())
}
