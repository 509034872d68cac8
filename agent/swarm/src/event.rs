//! What the shell feeds to a swarm.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use narrows_protocol::{Assignment, PeerId};
use narrows_wire::{Block, Message};

use crate::policy::sites::Sites;
use crate::{DialError, Limits, Time};

/// A connection, named by the shell; never used again for another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PeerKey(pub u64);

/// What kind of peer we dialled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// A peer of our own site.
    Local,
    /// A peer of the parent site, across the WAN.
    Upstream,
}

/// Which side began a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// We did, by [`Action::Dial`](crate::Action::Dial) with this class.
    Dialled(Class),
    /// The other side did.
    Accepted,
}

/// A good announce response, in the swarm's terms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assigned {
    /// The response's `peers`: from a Narrows tracker, peers of our own site alone.
    pub local: Vec<SocketAddr>,
    /// The response's `narrows` dictionary; `None` from a foreign tracker: then all peers count as local.
    pub assignment: Option<Assignment>,
    /// When to announce again.
    pub interval: Time,
    /// No regular announce sooner than this.
    pub min_interval: Time,
    /// Our address as the tracker sees it (BEP 24), if it said so.
    pub external_ip: Option<IpAddr>,
}

/// Something that happened outside. A block that arrives is no event, because its data comes with it:
/// [`Swarm::handle_block`](crate::Swarm::handle_block).
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A connection finished its handshake. `addr` is the remote end: for `Dialled` the address of the `Dial`
    /// action.
    Connected {
        /// Its name from now on.
        peer: PeerKey,
        /// The remote end of the socket.
        addr: SocketAddr,
        /// Which side began it.
        origin: Origin,
        /// From the handshake.
        peer_id: PeerId,
        /// Both sides know the fast extension (BEP 6).
        fast: bool,
        /// Both sides know the extension protocol (BEP 10).
        extended: bool,
    },
    /// A message came; never a `Piece`: its data goes to
    /// [`Swarm::handle_block`](crate::Swarm::handle_block).
    Message {
        /// The sender.
        peer: PeerKey,
        /// As decoded.
        message: Message,
    },
    /// A connection ended (also after [`Action::Close`](crate::Action::Close), where it may be left out).
    Closed {
        /// Which one.
        peer: PeerKey,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The address of the `Dial` action.
        addr: SocketAddr,
        /// Why.
        why: DialError,
    },
    /// Payload of earlier `Serve`s has been flushed to the socket.
    Sent {
        /// The receiver.
        peer: PeerKey,
        /// Payload bytes since the last such event (headers not counted).
        bytes: u32,
    },
    /// Answer to [`Action::Verify`](crate::Action::Verify): `ok` = the hash is right and the piece is on
    /// disk; otherwise the hash is wrong and the data is thrown away.
    Verified {
        /// Which one.
        piece: u32,
        /// See above.
        ok: bool,
    },
    /// Answer to [`Action::Verify`](crate::Action::Verify): right data that could not be written. The piece
    /// is missing again, nothing more is requested until [`Event::StoreHealed`]; what we have is served on.
    StoreFailed {
        /// Which one.
        piece: u32,
        /// The disk is full (else: broken).
        full: bool,
    },
    /// The disk takes data again.
    StoreHealed,
    /// A block of a [`Serve`](crate::Action::Serve) could not be read.
    ServeFailed {
        /// The peer that asked for it.
        peer: PeerKey,
        /// Which one.
        block: Block,
    },
    /// A good announce response came.
    Assigned(Assigned),
    /// What the tracker told of the map, to this content or another one; `None`: it tells nothing of it.
    Sites(Option<Arc<Sites>>),
    /// No tracker answered, or with a failure.
    AnnounceFailed,
    /// Stop requesting and serving; connections are closed.
    Pause,
    /// The opposite of `Pause`.
    Resume,
    /// The operator's limits changed.
    SetLimits(Limits),
    /// Time passed. At least every 100 ms while there are peers, and at
    /// [`Swarm::next_wakeup`](crate::Swarm::next_wakeup).
    Tick,
}
