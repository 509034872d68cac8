//! The Narrows tracker: HTTP announce and scrape, allow-list, site map reload, metrics.
//!
//! Who gets which peers is decided in `narrows-assignment`; this crate is sockets, files, signals and clocks
//! around it. [`Prepared`] is a configuration whose files have been read, [`Listeners`] are its bound
//! sockets, [`run`] serves.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use narrows_tracker::{Config, Listeners, Prepared, run};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("sites.yaml"), "version: 1\nsites: {hq: {networks: [10.1.0.0/16]}}\n")?;
//! let text = "{site_map: sites.yaml, listen: 127.0.0.1:0, admin: 127.0.0.1:0}";
//! let config = Config::parse("tracker.yaml", folder.path(), text)?;
//! let listeners = Listeners::bind(&config.listen, config.admin)?;
//! let prepared = Prepared::new(config)?;
//! assert_eq!(prepared.site_map().sites().count(), 1);
//!
//! let runtime = tokio::runtime::Runtime::new()?;
//! let stop = std::future::ready(()); // at once, in this example
//! runtime.block_on(run(prepared, listeners, stop))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Wings
//! Each wing knows only those above it in this table; those of one line do not know each other
//! (`tests/wings.rs` holds them to it, and no files of a wing use each other in a circle).
//!
//! | wing | what it is |
//! |---|---|
//! | `net`, `system` | connections, requests and replies; changes of files |
//! | [`config`], `metrics` | tracker.yaml; the series for Prometheus |
//! | `state` | swarms, the site map in force, the allow-list, and what of it outlives a restart |
//! | `announce`, `admin` | the port of the peers; the port of the operators, with the page |
//! | `run` | from a configuration to a running tracker, and to its end |

mod admin;
mod announce;
pub mod config;
mod metrics;
mod net;
mod run;
mod state;
mod system;

pub use config::Config;
pub use net::listen::{BindError, Listeners};
pub use run::{PrepareError, PrepareErrors, Prepared, RunError, TlsError, run};

/// What clients can do that honest ones do not, as the label `offence` of `narrows_tracker_offences_total` has it.
pub fn offences() -> impl Iterator<Item = &'static str> {
    use narrows_host::OffenceKind as _;
    net::offences::Offence::ALL.iter().map(|kind| kind.as_str())
}
