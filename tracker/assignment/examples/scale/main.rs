//! A rollout to a million clients, simulated: the real core of the tracker, a fluid model of the agents.
//!
//! ```text
//! cargo run --release -p narrows-assignment --example scale -- --clients 1000000 --sites 2000 --size 1GB
//! ```
//!
//! A smaller one is run by `cargo test -p narrows-assignment --example scale`.

mod model;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use model::{Progress, Report, Setup, simulate};

/// Simulates a rollout: the real core of the tracker, a fluid model of the agents.
#[derive(Debug, Parser)]
struct Options {
    /// How many clients there are
    #[arg(long, default_value_t = 1_000_000)]
    clients: usize,
    /// At how many sites: one hq, a fiftieth regions, the rest branches
    #[arg(long, default_value_t = 2_000)]
    sites: usize,
    /// Clients at hq that have the content from the start
    #[arg(long, default_value_t = 4)]
    seeders: usize,
    /// The content's size: bytes, or with kB, MB, GB
    #[arg(long, default_value = "1GB", value_parser = size)]
    size: u64,
    /// Within what time the clients arrive: seconds, or with s, m, h
    #[arg(long, default_value = "10m", value_parser = time)]
    arrival: Duration,
    /// How many clients vanish once, and come back
    #[arg(long, default_value = "5%", value_parser = percent)]
    churn: f64,
    /// How long bytes flow between two looks at the flows, in milliseconds
    #[arg(long, default_value_t = 500)]
    step: u64,
    /// How long after its cause a plan of the parents is in force, in milliseconds; 0: each announce plans
    #[arg(long, default_value_t = 250)]
    planning: u64,
    /// When to give up, in simulated time
    #[arg(long, default_value = "24h", value_parser = time)]
    limit: Duration,
    /// Everything random follows from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the site map there
    #[arg(long, value_name = "FILE")]
    write_map: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let setup = Setup {
        clients: options.clients,
        sites: options.sites,
        seeders: options.seeders,
        size: options.size,
        arrival: options.arrival,
        churn: options.churn,
        step: Duration::from_millis(options.step),
        planning: Duration::from_millis(options.planning),
        limit: options.limit,
        seed: options.seed,
        ..Setup::default()
    };
    setup.check()?;
    if let Some(path) = &options.write_map {
        std::fs::write(path, setup.map().0).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let report = simulate(setup, tell())?;
    if options.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        println!("{json}");
    } else {
        print(&report);
    }
    Ok(())
}

/// How often a long simulation says how far it is.
const TELL: Duration = Duration::from_secs(10);

fn tell() -> impl FnMut(&Progress) {
    let started = Instant::now();
    let mut next = TELL;
    move |progress| {
        let elapsed = started.elapsed();
        if elapsed < next {
            return;
        }
        next = elapsed + TELL;
        let Progress {
            now,
            to_come,
            done,
            announces,
        } = progress;
        eprintln!(
            "{:>4} s: simulated {:>6} s; {announces} announces; {done} sites have everything; {to_come} arrivals, \
             departures and returns to come",
            elapsed.as_secs(),
            now.as_secs()
        );
    }
}

fn print(report: &Report) {
    let Report {
        wan,
        time,
        starvation,
        announces,
        tracker,
        memory,
        ..
    } = report;
    let gb = |bytes: f64| bytes / 1e9;
    println!(
        "{} clients at {} sites, {} links, {:.1} GB, seed {}: {} after {:.0} s; simulated in {:.0} s ({:.0} s CPU)",
        report.clients,
        report.sites,
        report.links,
        gb(report.size as f64),
        report.seed,
        if report.complete {
            "complete"
        } else {
            "NOT COMPLETE"
        },
        report.seconds,
        report.wall_seconds,
        report.cpu_seconds
    );
    println!(
        "WAN          {:.1} GB, {:.4} x the least ({:.1} GB); copies per link: mean {:.4}, p99 {:.4}, max {:.3} ({}); \
         towards hq {:.2} GB; lost with clients: {:.2} GB, with the only one of a site {:.2} GB",
        gb(wan.bytes),
        wan.ratio,
        gb(wan.least),
        wan.copies_mean,
        wan.copies_p99,
        wan.copies_max,
        wan.worst_link,
        gb(wan.upwards),
        gb(wan.lost_window),
        gb(wan.lost_alone)
    );
    println!(
        "time         {} sites done; time / bound: p50 {:.3}, p99 {:.3}, max {:.3} ({}, bound {:.0} s), \
         {:.0} s over its bound at most; the last after {:.0} s (bound {:.0} s)",
        time.done,
        time.ratio_p50,
        time.ratio_p99,
        time.ratio_max,
        time.slowest,
        time.slowest_bound,
        time.late_max,
        time.last,
        time.last_bound
    );
    println!(
        "starved      {} sites; {:.1} s without a gateway with a live upstream at most ({}); {} gateways vanished",
        starvation.sites, starvation.longest, starvation.longest_at, starvation.gateways_gone
    );
    println!(
        "announces    {}; per second: mean {:.0}, peak {} (at {} s); {} elected, {} in place of one that went, \
         {} steps of the ladder",
        announces.all,
        announces.per_second_mean,
        announces.per_second_peak,
        announces.peak_at,
        announces.elected,
        announces.failovers,
        announces.escalated
    );
    println!(
        "tracker CPU  {:.1} s; per announce: mean {:.1} us, p50 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1} ms",
        tracker.announce_seconds,
        tracker.announce_us_mean,
        tracker.announce_us_p50,
        tracker.announce_us_p99,
        tracker.announce_us_p999,
        tracker.announce_ms_max
    );
    println!(
        "  planning   {} plans, {:.1} s, max {:.1} ms; announces waited for it {:.1} s, max {:.1} ms; other announces \
         above 1 ms: {}, {:.1} s",
        tracker.plans,
        tracker.plan_seconds,
        tracker.plan_ms_max,
        tracker.held_seconds,
        tracker.held_ms_max,
        tracker.slow,
        tracker.slow_seconds
    );
    println!(
        "  beside it  {} sweeps, {:.1} s, max {:.1} ms; busiest second {:.2} s (at {} s), {} seconds above 0.9",
        tracker.sweeps,
        tracker.sweep_seconds,
        tracker.sweep_ms_max,
        tracker.busiest_second,
        tracker.busiest_at,
        tracker.busy_seconds
    );
    println!(
        "memory       swarm {:.0} MB, {} bytes per peer; paths of the map {:.0} MB; the model's client {} bytes",
        memory.swarm_bytes as f64 / 1e6,
        memory.bytes_per_peer,
        memory.path_bytes as f64 / 1e6,
        memory.client_bytes
    );
}

/// A number and one of the units.
fn number(text: &str, units: &[(&str, f64)]) -> Result<f64, String> {
    let (unit, scale) = units.iter().find(|(unit, _)| text.ends_with(unit)).unwrap_or(&("", 1.0));
    let number = text.strip_suffix(unit).unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(number) if number >= 0.0 => Ok(number * scale),
        _ => {
            let units: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
            Err(format!("write a number, alone or with {}", units.join(", ")))
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    number(text, &[("kB", 1e3), ("MB", 1e6), ("GB", 1e9)]).map(|size| size as u64)
}

fn time(text: &str) -> Result<Duration, String> {
    number(text, &[("s", 1.0), ("m", 60.0), ("h", 3600.0)]).map(Duration::from_secs_f64)
}

fn percent(text: &str) -> Result<f64, String> {
    number(text, &[("%", 1.0)]).map(|part| part / 100.0)
}

#[cfg(test)]
mod tests;
