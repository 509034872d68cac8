//! Sockets: accepting, dialling, and what runs on an open connection.

mod bans;
mod buffers;
mod dial;
mod handshake;
mod listen;
mod mark;
mod peer;

pub(crate) use bans::Bans;
pub(crate) use buffers::Buffers;
pub(crate) use dial::{connect_from, dial};
pub(crate) use listen::{Door, Listener, accept, unbound};
pub(crate) use peer::{Connection, Outbox};
