//! The program's commands. Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 (`status`) a content is in
//! error, 64 wrong configuration, 69 another agent uses the state folder.

mod check;
mod control;
mod create;
mod explain;
mod failure;
mod get;
mod get_state;
#[cfg(any(windows, test))]
mod log_file;
mod run;
#[cfg(windows)]
mod service;
mod setup;
mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use control::Health;
use failure::Failure;
use setup::ConfigArg;

/// Exit code of `status` if a content is in error.
const EXIT_IN_ERROR: u8 = 3;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 (status) a content is in error, \
                          64 wrong configuration, 69 another agent uses the state folder.";

/// Fetches and seeds what the operator assigned.
#[derive(Parser, Debug)]
#[command(name = "narrows-agent", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the agent.
    Run(ConfigArg),
    /// Say all mistakes of a configuration and of its torrents; exit 64 if the file is wrong.
    Check(ConfigArg),
    /// Make a private .torrent of a file or a folder.
    Create(create::CreateArgs),
    /// Fetch one content, verify it and exit.
    Get(get::GetArgs),
    /// What the running agent does; exit 3 if a content is in error, 1 if no agent answers.
    Status(control::ControlArgs),
    /// Who the running agent is connected to and why: all content, or one (name or info hash).
    Explain(control::CommandArgs),
    /// Stop fetching and serving: all content, or one (name or info hash).
    Pause(control::CommandArgs),
    /// Go on after a pause.
    Resume(control::CommandArgs),
    /// Hash what is on disk again and fetch what is wrong.
    Verify(control::CommandArgs),
    /// Read the configuration again; a wrong one is refused and everything runs as before.
    Reload(control::ControlArgs),
    /// Install, remove or run the Windows service.
    #[cfg(windows)]
    #[command(subcommand)]
    Service(service::ServiceCommand),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args.config),
        Command::Check(args) => check::check(&args.config),
        Command::Create(args) => create::create(args).map_err(Failure::Other),
        Command::Get(args) => get::get(args),
        Command::Status(args) => match control::status(&args) {
            Ok(Health::InError) => return ExitCode::from(EXIT_IN_ERROR),
            Ok(Health::Well) => Ok(()),
            Err(error) => Err(error),
        },
        Command::Explain(args) => explain::explain(&args),
        Command::Pause(args) => control::command("pause", &args),
        Command::Resume(args) => control::command("resume", &args),
        Command::Verify(args) => control::command("verify", &args),
        Command::Reload(args) => control::reload(&args),
        #[cfg(windows)]
        Command::Service(command) => service::service(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.exit_code())
        }
    }
}
