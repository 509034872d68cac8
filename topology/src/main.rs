//! `narrows-topology`: checks a site map, says what it means, and describes it to editors.

mod command;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use narrows_topology::{Rate, SiteMap};

use command::{Asked, MayBeAsked, draw, explain, plan};

/// Checks a site map of Narrows, says what it means, and describes it to editors.
#[derive(Parser)]
#[command(name = "narrows-topology", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Report all mistakes of a site map; exit 1 if there are any
    Check {
        /// The site map, sites.yaml
        file: PathBuf,
    },
    /// Say which site an address belongs to, and why; with two, the path and rate between them
    Explain {
        /// The site map, sites.yaml
        file: PathBuf,
        /// An IPv4 or IPv6 address
        address: IpAddr,
        /// Another one
        other: Option<IpAddr>,
    },
    /// Say what a rollout would do: who gets it from whom, bytes per link, when each site is complete, what
    /// limits it
    #[command(after_help = "Exit code 2: some sites miss the deadline of --by")]
    Plan {
        /// The site map, sites.yaml
        file: PathBuf,
        #[command(flatten)]
        rollout: Asked,
        /// When it begins: 22:00, 2026-11-23 22:00, or with an offset; in the map's timezone; default now
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// A deadline: 06:00, 2026-11-24 06:00, or with an offset; in the map's timezone
        #[arg(long, value_name = "TIME")]
        by: Option<String>,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Draw the map as SVG: sites, links and rates; given a rollout, also who gets it from whom
    Draw {
        /// The site map, sites.yaml
        file: PathBuf,
        #[command(flatten)]
        rollout: MayBeAsked,
        /// The time for rates that have a schedule: 22:00, 2026-11-23 22:00; in the map's timezone; default
        /// now
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Print the JSON Schema of site maps, for editors
    Schema,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // help and version are errors too, that go to stdout
            let usage = error.use_stderr();
            return if error.print().is_err() || usage {
                ExitCode::from(64)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let printed = run(arguments.command).and_then(|(text, code)| print(text).map(|()| code));
    match printed {
        Ok(code) => code,
        Err(error) => {
            // mistakes bring their own layout
            narrows_host::complain!("{}", format!("{error:#}").trim_end());
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<(String, ExitCode)> {
    let now = jiff::Timestamp::now();
    let text = match command {
        Command::Check { file } => summary(&file, &SiteMap::load(&file)?),
        Command::Explain { file, address, other } => {
            explain::explain(&SiteMap::load(&file)?, now, address, other)
        }
        Command::Plan {
            file,
            rollout,
            at,
            by,
            json,
        } => {
            let (text, in_time) = plan::run(&file, &rollout, (at.as_deref(), by.as_deref()), json, now)?;
            return Ok((
                text,
                if in_time {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::from(2)
                },
            ));
        }
        Command::Draw { file, rollout, at } => {
            draw::run(&file, rollout.asked().as_ref(), at.as_deref(), now)?
        }
        Command::Schema => format!("{:#}\n", narrows_topology::schema()),
    };
    Ok((text, ExitCode::SUCCESS))
}

fn print(text: String) -> anyhow::Result<()> {
    narrows_host::out::write(format_args!("{text}")).context("cannot write to the standard output")
}

/// What a good map holds, in a few lines.
fn summary(file: &Path, map: &SiteMap) -> String {
    let sites: Vec<_> = map.sites().collect();
    let networks: usize = sites.iter().map(|site| map.networks(*site).len()).sum();
    let transit = sites.iter().filter(|site| map.is_transit(**site)).count();
    let fetching = sites.iter().filter(|site| !map.sharing(**site)).count();
    let rates: Vec<Rate> = map.links().map(|link| map.base_rate(link)).collect();
    let rates = match (rates.iter().min(), rates.iter().max()) {
        (Some(least), Some(most)) if least < most => format!(", {least} to {most}"),
        (Some(all), _) => format!(", {all}"),
        _ => String::new(),
    };
    let unknown = match map.attach_hub() {
        Some(hub) => format!("attached to {}", map.name(hub)),
        None => "denied".to_owned(),
    };
    format!(
        "{}: no mistakes\n  sites: {} ({transit} transit, {fetching} only fetching), networks: {networks}\n  \
         links: {}{rates}\n  unknown addresses: {unknown}\n",
        file.display(),
        sites.len(),
        map.links().count(),
    )
}
