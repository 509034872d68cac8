//! `narrows-tracker`: reads its configuration before it binds anything, serves, drains, ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use narrows_host::signals::Stop;
use narrows_host::{complain, open_files, say};
use narrows_topology::{LoadError, SiteMap};
use narrows_tracker::{Listeners, Prepared, run};
use tracing_subscriber::EnvFilter;

/// EX_USAGE of sysexits.h: the configuration is wrong, and a restart will not help.
const BAD_CONFIG: u8 = 64;

/// A BitTorrent tracker that knows the WAN.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop (SIGTERM); SIGHUP reloads the site map. RUST_LOG sets what is logged.
    Run {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Say all mistakes of the configuration and of the files that it names, or of a site map alone; exit 64
    /// if there are any. A .torrent that cannot be tracked is a warning.
    Check {
        /// The configuration file.
        #[arg(long, required_unless_present = "site_map")]
        config: Option<PathBuf>,
        /// A site map that no configuration names yet, instead.
        #[arg(long, conflicts_with = "config")]
        site_map: Option<PathBuf>,
    },
    /// Print what agents know this tracker by over https, for `tracker_pin` in agent.yaml. The tracker makes its own key
    /// when it first starts with `listen_tls` or `admin_tls`.
    Pin {
        /// The configuration file.
        #[arg(long, required_unless_present = "key")]
        config: Option<PathBuf>,
        /// A key that no configuration names yet, instead: of the next certificate, or the tracker's own where systemd
        /// names its state folder.
        #[arg(long, conflicts_with = "config")]
        key: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run { config } => Prepared::load(&config).map_err(|errors| errors.to_string()).map(serve),
        Command::Check { config, site_map } => check(config.as_deref(), site_map.as_deref()).map(Ok),
        Command::Pin { config, key } => pin(config.as_deref(), key.as_deref()).map(Ok),
    };
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            complain!("error: {error:#}");
            ExitCode::FAILURE
        }
        Err(mistakes) => {
            complain!("{}", mistakes.trim_end());
            ExitCode::from(BAD_CONFIG)
        }
    }
}

/// Reads all that a configuration names, or one site map, and says how much it is; the error is all mistakes.
fn check(config: Option<&Path>, site_map: Option<&Path>) -> Result<(), String> {
    let summary = |path: &Path, map: &SiteMap| {
        let (sites, links) = (map.sites().count(), map.links().count());
        say!("{}: ok, {sites} sites, {links} links", path.display());
    };
    if let Some(path) = config {
        let (prepared, warnings) = Prepared::check(path);
        for warning in warnings {
            complain!("warning: {warning}");
        }
        summary(path, prepared.map_err(|errors| errors.to_string())?.site_map());
    }
    if let Some(path) = site_map {
        summary(
            path,
            &SiteMap::load(path).map_err(|error: LoadError| error.shown())?,
        );
    }
    Ok(())
}

/// Prints a pin; the error is why there is none.
fn pin(config: Option<&Path>, key: Option<&Path>) -> Result<(), String> {
    let pin = match (config, key) {
        (Some(config), _) => Prepared::pin(config).map_err(|errors| errors.to_string())?,
        (None, Some(key)) => narrows_tls::read_key(key).map_err(|error| format!("error: {error}"))?,
        // clap asks for one of them
        (None, None) => return Ok(()),
    };
    say!("{pin}");
    Ok(())
}

fn serve(prepared: Prepared) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // it would write that to stderr, and panic where no process reads it
        .log_internal_errors(false)
        .with_ansi(false)
        .init();
    open_files::raise_limit();
    let config = prepared.config();
    let listeners =
        Listeners::bind(&config.listen, config.admin)?.and_tls(&config.listen_tls, &config.admin_tls)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let mut stop = Stop::new().context("cannot install signal handlers")?;
        run(prepared, listeners, async move { stop.asked().await }).await?;
        anyhow::Ok(())
    })?;
    // whatever still runs has had its time
    runtime.shutdown_background();
    Ok(())
}
