//! `service`: the agent as a service of Windows. Elsewhere systemd and its like do this.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use narrows_config::LoadError;
use narrows_host::say;

use super::failure::Failure;
use super::log_file::LogFile;
use super::run;
use super::setup::{ConfigArg, log_to};
use crate::config::Config;
use crate::platform::{self, service};

/// As for a configuration with mistakes.
const EXIT_WRONG_CONFIGURATION: u8 = 64;

#[derive(Subcommand, Debug)]
pub(super) enum ServiceCommand {
    /// Install the service, or change the installed one: it starts with Windows, and again after a failure.
    Install(ConfigArg),
    /// Stop the service and remove it; configuration, content and state stay.
    Uninstall,
    /// Run as the service: for the service control manager alone; it logs to agent.log in the state folder.
    Run(ConfigArg),
}

pub(super) fn service(command: ServiceCommand) -> Result<(), Failure> {
    match command {
        ServiceCommand::Install(args) => install(&args.config),
        ServiceCommand::Uninstall => uninstall(),
        ServiceCommand::Run(args) => Ok(service::run(Box::new(move || serve(&args.config)))?),
    }
}

fn install(config: &Path) -> Result<(), Failure> {
    // services run in a folder of the system's
    let config = std::path::absolute(config)?;
    // a service that cannot start is not installed
    let loaded = Config::load(&config)?;
    // nor one that would go by what another user has put there
    if let Err(fault) = platform::check_owners(&config, &loaded.state) {
        return Err(Failure::Other(fault.into()));
    }
    if let Err(error) = platform::protect_default_folder() {
        narrows_host::complain!("narrows-agent: cannot restrict who may write to our folder: {error}");
    }
    let executable = std::env::current_exe().context("cannot tell where this program lies")?;
    let arguments = vec![
        "service".into(),
        "run".into(),
        "--config".into(),
        config.clone().into(),
    ];
    let unset = service::install(executable, arguments).context("cannot install the service")?;
    for what in unset {
        narrows_host::complain!("narrows-agent: this Windows does not let us set {what}");
    }
    say!(
        "{}: installed with {}; start it with `sc start {0}`",
        service::NAME,
        config.display()
    );
    Ok(())
}

fn uninstall() -> Result<(), Failure> {
    let was_there = service::uninstall().context("cannot remove the service")?;
    let done = if was_there { "removed" } else { "is not installed" };
    say!("{}: {done}", service::NAME);
    Ok(())
}

/// The service, until it is told to stop; its exit code.
fn serve(path: &Path) -> u8 {
    let config = Config::load(path);
    let state = state_folder(&config);
    if let Err(fault) = platform::check_owners(path, &state) {
        // no log: its folder may be that user's
        platform::note(&fault.to_string());
        return EXIT_WRONG_CONFIGURATION;
    }
    let logs = start_log(&state);
    let outcome = config.map_err(Failure::Config).and_then(|config| {
        // without its state folder the agent itself says what is wrong with it
        if let Err(error) = &logs {
            tracing::warn!(%error, "no log");
        }
        run::run_until_stopped(config, path)
    });
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            tracing::error!("{}", failure.text());
            failure.exit_code()
        }
    }
}

/// With a wrong configuration the default one, for want of a better one.
fn state_folder(config: &Result<Config, LoadError>) -> PathBuf {
    let default = PathBuf::from(platform::default_state());
    config.as_ref().map_or(default, |config| config.state.clone())
}

/// Logs to the state folder.
fn start_log(state: &Path) -> std::io::Result<()> {
    log_to("info", std::sync::Mutex::new(LogFile::open(state)?));
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}
