//! What several commands begin with: where the configuration is, the log, the runtime, the control port.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::fmt::MakeWriter;

use crate::platform;

#[derive(Args, Debug)]
pub(super) struct ConfigArg {
    /// The configuration file.
    #[arg(long, short, default_value = platform::default_config())]
    pub(super) config: PathBuf,
}

/// tokio on this thread; what blocks has threads of its own. As fast as several threads here, and cheaper.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Logs to stderr; `RUST_LOG` says how much.
pub(super) fn log(default: &str) {
    log_to(default, std::io::stderr);
}

pub(super) fn log_to(default: &str, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // it would say that on stderr, and panic where that is not read
        .log_internal_errors(false)
        .with_ansi(false)
        .init();
}

pub(super) fn bind_control(address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let bound = std::net::TcpListener::bind(address);
    let listener = bound.map_err(|error| {
        anyhow::anyhow!(
            "cannot listen on the control address {address}: {}",
            crate::net::unbound(&error)
        )
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
