//! Connections: sockets that accept, and HTTP over them.

pub(crate) mod listen;
pub(crate) mod serve;
