//! What happens on connections, whatever they are for.

use std::net::SocketAddr;

use narrows_storage::StorageError;
use narrows_swarm::{DialError, Origin, PeerKey};
use narrows_wire::{Block, Handshake, Message};
use tokio::net::TcpStream;

/// A connection after both handshakes, dialled or accepted.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) stream: TcpStream,
    /// The remote end; for a dialled one the address that was asked for.
    pub(crate) addr: SocketAddr,
    /// Which side began it, and for the dialling side what the peer is to be.
    pub(crate) origin: Origin,
    pub(crate) theirs: Handshake,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// There is a new connection.
    Connected(Established),
    /// A dial came to nothing.
    DialFailed { addr: SocketAddr, why: DialError },
    /// These messages came, in order.
    Messages { peer: PeerKey, messages: Vec<Message> },
    /// So much payload was handed to the socket since the last such event.
    Sent { peer: PeerKey, bytes: u32 },
    /// A block that was to be sent could not be read.
    ServeFailed {
        peer: PeerKey,
        block: Block,
        error: StorageError,
    },
    /// The connection has ended; `reason` is for the log.
    Closed { peer: PeerKey, reason: String },
}
