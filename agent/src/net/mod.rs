//! Sockets: accepting, dialling, and what runs on an open connection.

mod accept;
mod bans;
mod dial;
mod dscp;
mod handshake;
mod peer;

pub(crate) use accept::{Door, Listener, accept, unbound};
pub(crate) use bans::Bans;
pub(crate) use dial::{connect_from, dial};
pub(crate) use peer::{Connection, Outbox};
