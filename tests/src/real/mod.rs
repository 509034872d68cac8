//! Other people's BitTorrent clients beside our tracker and agents, in a network of the test's own.
//!
//! A test calls [`network::inside`] first: it runs its body in a fresh network namespace in which 10.0.0.0/8
//! is local, so that clients that refuse loopback peers (Transmission calls 127.0.0.0/8 martian) see the
//! addresses a company has. The tracker stands behind a [`recorder::Recorder`], a reverse proxy that notes
//! every announce and its reply: what the tracker handed out is asserted from these, not from what clients
//! report.

pub mod fleet;
pub mod handouts;
pub mod network;
pub mod recorder;
pub mod stock;
