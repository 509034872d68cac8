//! The Narrows tracker: HTTP announce and scrape, allow-list, site map reload, metrics.
//!
//! Who gets which peers is decided in `narrows-assignment`; this crate is sockets, files, signals and clocks
//! around it. [`Prepared`] is a configuration whose files have been read, [`Listeners`] are its bound
//! sockets, [`run`] serves.

mod access;
mod admin;
mod announce;
mod brake;
pub mod config;
mod distinct;
mod doubles;
mod explain;
mod gauges;
mod http;
mod link_bytes;
mod link_use;
mod listen;
mod maps;
mod metrics;
pub mod open_files;
mod page;
mod proxies;
mod relays;
mod run;
mod sd;
mod sd_notify;
mod serve;
mod shared_addresses;
pub mod signals;
mod snapshot;
mod store;
mod torrents;
mod tracker;
mod unmapped;
mod watch;
mod world;

pub use config::Config;
pub use listen::{BindError, Listeners};
pub use run::{PrepareError, Prepared, RunError, run};
