//! `get`: one content, without a configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use narrows_config::Rate;
use narrows_host::say;
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::{AnnounceUrl, GatewayPreference, Sharing};
use narrows_tls::{Pin, Trust};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::failure::Failure;
use super::setup::{log, runtime};
use super::{get_state, show};
use crate::config::{Config, ContentEntry, Limits, Serve, ZeroLimit, host_name};
use crate::content::{ContentState, ContentStatus};
use crate::platform::{Signal, Signals};
use crate::supervisor::{Agent, read_torrent};

/// How often the progress bar moves.
const REFRESH: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
pub(super) struct GetArgs {
    /// The .torrent file.
    torrent: PathBuf,
    /// The folder that the content goes into.
    #[arg(long, default_value = ".")]
    to: PathBuf,
    /// Address and port for other peers; port 0: any.
    #[arg(long, default_value = "0.0.0.0:0")]
    listen: SocketAddr,
    /// Go on seeding so many seconds after completion.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    seed_for: u64,
    /// For which machines its names must do: portable, or linux (also such as Windows cannot hold).
    #[arg(long, default_value = "portable", hide = cfg!(windows))]
    names: Names,
    /// Where to announce, instead of what the .torrent says; several are tried in order.
    #[arg(long, value_name = "URL")]
    tracker: Vec<AnnounceUrl>,
    /// The key that a tracker over https has to have, as `narrows-tracker pin` prints it.
    #[arg(long, value_name = "PIN")]
    tracker_pin: Vec<Pin>,
    /// A file with the authorities of which it has to have its certificate.
    #[arg(long, value_name = "FILE")]
    tracker_ca: Option<PathBuf>,
    /// Like `5 Mbit/s`.
    #[arg(long, default_value = "unlimited", value_parser = limit)]
    download_limit: Rate,
    /// Like `5 Mbit/s`.
    #[arg(long, default_value = "unlimited", value_parser = limit)]
    upload_limit: Rate,
}

/// A limit of nothing would wait for ever.
fn limit(text: &str) -> Result<Rate, String> {
    match text.parse::<Rate>() {
        Ok(Rate::ZERO) => Err(format!("{}; {}", ZeroLimit::PROBLEM, ZeroLimit::HELP)),
        rate => rate.map_err(|error| error.to_string()),
    }
}

/// Fetches one content; done when it is whole, verified and at its target.
pub(super) fn get(args: GetArgs) -> Result<(), Failure> {
    log("warn");
    if cfg!(windows) && args.names == Names::Linux {
        let problem = "`--names linux` cannot be on Windows, which cannot hold such names";
        return Err(anyhow::anyhow!(problem).into());
    }
    let meta = read_torrent(&args.torrent, args.names).map_err(anyhow::Error::from)?;
    let state = get_state::prepare(&args.to, meta.info_hash)?;
    let runtime = runtime()?;
    let done = runtime.block_on(fetch(&args, &state));
    runtime.shutdown_timeout(Duration::from_millis(500));
    let (name, seconds) = done?;
    get_state::forget(&state);
    say!(
        "{}: {} verified, {seconds:.1} s",
        args.to.join(name).display(),
        show::bytes(meta.total)
    );
    Ok(())
}

async fn fetch(args: &GetArgs, state: &Path) -> Result<(String, f64), Failure> {
    let mut signals = Signals::new()?;
    let config = Config {
        id: format!("{:.50}-get-{:08x}", host_name(), rand::random::<u32>()),
        listen: args.listen,
        control: ([127, 0, 0, 1], 0).into(),
        control_names: Vec::new(),
        announce_metrics: false,
        data: args.to.clone(),
        state: state.to_owned(),
        content: vec![ContentEntry {
            torrent: args.torrent.clone(),
            target: args.to.clone(),
        }],
        tracker: args.tracker.clone(),
        trust: Trust {
            pins: args.tracker_pin.clone(),
            authorities: args.tracker_ca.clone(),
        },
        gateway: GatewayPreference::Auto,
        share: Sharing::Always,
        names: args.names,
        serve: Serve::Mapped,
        scrub: None,
        limits: Limits {
            upload: args.upload_limit,
            download: args.download_limit,
        },
    };
    let start = std::time::Instant::now();
    let agent = Agent::start(config, None).await?;
    let outcome = tokio::select! {
        outcome = watch(&agent) => outcome,
        () = stop_asked(&mut signals) => Err(anyhow::anyhow!("interrupted; the same command goes on where it stopped")),
    };
    let seconds = start.elapsed().as_secs_f64();
    if outcome.is_ok() {
        tokio::select! { () = sleep(Duration::from_secs(args.seed_for)) => {}, () = stop_asked(&mut signals) => {} }
    }
    agent.stop().await;
    Ok((outcome?, seconds))
}

/// Shows the progress until the content is there; its name.
async fn watch(agent: &Arc<Agent>) -> anyhow::Result<String> {
    let bar = ProgressBar::new(0).with_style(show::bytes_style());
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let content = agent.status().await.content.into_iter().next().context("no content")?;
        bar.set_length(content.bytes);
        bar.set_message(message(&content));
        bar.set_position(match content.state {
            ContentState::Checking => (content.progress * content.bytes as f64) as u64,
            _ => content.bytes_done,
        });
        if content.state == ContentState::Seeding {
            bar.finish_and_clear();
            return Ok(content.name);
        }
    }
}

fn message(content: &ContentStatus) -> String {
    match (&content.error, &content.tracker_error, content.state) {
        (Some(error), ..) => format!("{error}; "),
        (None, Some(error), _) => format!("tracker: {error}; "),
        (None, None, ContentState::Checking) => "checking ".to_owned(),
        _ => format!("{} peers ", content.peers),
    }
}

async fn stop_asked(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}
