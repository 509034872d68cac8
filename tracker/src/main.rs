//! `narrows-tracker`: reads its configuration before it binds anything, serves, drains, ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use narrows_tracker::{Config, Listeners, Prepared, open_files, run, signals};
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
    /// Say all mistakes of the configuration and of its site map; exit 64 if there are any.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let (path, serves) = match Arguments::parse().command {
        Command::Run { config } => (config, true),
        Command::Check { config } => (config, false),
    };
    let prepared = match prepare(&path) {
        Ok(prepared) => prepared,
        Err(mistakes) => {
            eprintln!("{}", mistakes.trim_end());
            return ExitCode::from(BAD_CONFIG);
        }
    };
    if !serves {
        let map = prepared.site_map();
        println!(
            "{}: ok, {} sites, {} links",
            path.display(),
            map.sites().count(),
            map.links().count()
        );
        return ExitCode::SUCCESS;
    }
    match serve(prepared) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn prepare(path: &Path) -> Result<Prepared, String> {
    let config = Config::load(path).map_err(|error| error.to_string())?;
    Prepared::new(config).map_err(|error| error.to_string())
}

fn serve(prepared: Prepared) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    open_files::raise_limit();
    let listeners = Listeners::bind(prepared.config())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(async {
        let stop = signals::stop().context("cannot install signal handlers")?;
        run(prepared, listeners, stop).await?;
        anyhow::Ok(())
    })?;
    // whatever still runs has had its time
    runtime.shutdown_background();
    Ok(())
}
