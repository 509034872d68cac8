//! `run`: the agent, until it is told to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use super::setup::{bind_control, log, runtime};
use crate::config::{Config, host_name};
use crate::control::{Access, Control, Token, serve};
use crate::platform::{Signal, Signals, notify_ready};
use crate::supervisor::Agent;

/// What is still running on the blocking pool after a stop gets so long; nothing depends on it.
const LINGER: Duration = Duration::from_millis(500);

/// Runs the agent until it is told to stop.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    // a wrong file must be known before anything is bound
    let config = Config::load(path)?;
    log("info");
    run_until_stopped(config, path)
}

/// The agent, until it is told to stop; the log has begun.
pub(super) fn run_until_stopped(config: Config, path: &Path) -> Result<(), Failure> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(until_stopped(config, path));
    runtime.shutdown_timeout(LINGER);
    outcome
}

async fn until_stopped(config: Config, path: &Path) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let control = tokio::net::TcpListener::from_std(bind_control(config.control)?)?;
    let (control_addr, data, token_path) = (control.local_addr()?, config.data.clone(), config.token_path());
    let access = Access::of(host_name(), config.control_names.clone());
    let agent = Agent::start(config, Some(path.to_owned())).await?;
    let token = Token::ensure(&token_path)
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", token_path.display()))?;
    let answering = Control {
        agent: agent.clone(),
        token,
        access,
        data,
    };
    tokio::spawn(serve(control, answering));
    tracing::info!(listen = %agent.listen_addr(), control = %control_addr, "running");
    notify_ready();
    while let Signal::Reload = signals.next().await {
        reload(agent.clone());
    }
    tracing::info!("stopping");
    agent.stop().await;
    Ok(())
}

fn reload(agent: Arc<Agent>) {
    tokio::spawn(async move {
        match agent.reload().await {
            Ok(done) => tracing::info!(added = ?done.added, removed = ?done.removed, "reloaded"),
            Err(error) => tracing::error!("reload refused, everything runs as before: {error}"),
        }
    });
}
