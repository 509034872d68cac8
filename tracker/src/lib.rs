//! The Narrows tracker: HTTP announce and scrape, allow-list, site map reload, metrics.
//!
//! Who gets which peers is decided in `narrows-assignment`; this crate is sockets, files, signals and clocks
//! around it. [`Prepared`] is a configuration whose files have been read, [`Listeners`] are its bound
//! sockets, [`run`] serves.

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
pub use run::{PrepareError, Prepared, RunError, run};
