//! Connections: sockets that accept, HTTP over them, what requests say and what they are answered with. What
//! is served, and who counts it, is passed in.

pub(crate) mod body;
pub(crate) mod events;
pub(crate) mod handshakes;
pub(crate) mod listen;
pub(crate) mod offences;
pub(crate) mod patient;
pub(crate) mod places;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod serve;
pub(crate) mod tls;
