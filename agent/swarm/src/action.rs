//! What a swarm asks of the shell.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use narrows_wire::{Block, Message};

use crate::{Class, PeerKey, Time};

/// Something to do, in the order given.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Write a message; never a `Piece`.
    Send {
        /// The receiver.
        peer: PeerKey,
        /// What to write.
        message: Message,
    },
    /// Read a block from disk and write it as a `Piece` message; [`Event::Sent`](crate::Event::Sent) when
    /// flushed, [`Event::ServeFailed`](crate::Event::ServeFailed) when it cannot be read.
    Serve {
        /// The receiver.
        peer: PeerKey,
        /// Which one.
        block: Block,
    },
    /// All blocks of this piece are kept: hash it, write it if right, then answer with
    /// [`Event::Verified`](crate::Event::Verified) or [`Event::StoreFailed`](crate::Event::StoreFailed).
    Verify {
        /// Which one.
        piece: u32,
    },
    /// Forget the kept blocks of this piece ([`Swarm::handle_block`](crate::Swarm::handle_block)).
    Discard {
        /// Which one.
        piece: u32,
    },
    /// A peer says that this piece, which we have, came from us with a wrong hash: hash it again.
    Doubt {
        /// Which one.
        piece: u32,
        /// The peer that says so.
        by: PeerKey,
    },
    /// Connect, shake hands, then [`Event::Connected`](crate::Event::Connected) or
    /// [`Event::DialFailed`](crate::Event::DialFailed).
    Dial {
        /// Where to.
        addr: SocketAddr,
        /// As what.
        class: Class,
    },
    /// End a connection. What was queued before (e.g. a `Reject`) may be written first. No event about this
    /// peer matters from now on.
    Close {
        /// Which one.
        peer: PeerKey,
        /// Why; for logs and counters.
        reason: CloseReason,
    },
    /// The connection crosses a link: mark its packets with this DSCP (RFC 2474; 0 = best effort), keep
    /// little unsent in the socket. Comes again when the mark changes, with 0 also when it turns out to cross
    /// none.
    Mark {
        /// Which one.
        peer: PeerKey,
        /// 0 to 63.
        dscp: u8,
    },
    /// Refuse connections from this address.
    Ban {
        /// The address to refuse.
        ip: IpAddr,
        /// Until when; `None`: as long as the agent runs.
        until: Option<Time>,
    },
    /// A peer did what no honest one that is well does: for the log, the metrics and the operator. Nothing else
    /// follows from it.
    Name {
        /// What it did.
        misdeed: Misdeed,
        /// Its address.
        ip: IpAddr,
        /// What it calls itself: a claim.
        agent: Option<String>,
    },
    /// Announce now, with what [`Swarm::report`](crate::Swarm::report) says at that moment.
    Announce(AnnounceReason),
    /// The last piece is verified and on disk.
    Completed,
}

/// What a peer did: facts alone, never what another one says of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Misdeed {
    /// It said that it has pieces and, asked for them while the link stood idle, brought next to nothing.
    NoDelivery,
    /// It alone sent a piece whose hash is wrong.
    WrongPieces,
    /// It asked or sent far more than it was allowed to.
    Flooding,
    /// It says that it is of our site, and its address is of another one.
    FalseSite,
}

/// Why to announce. All but `Regular` and `MorePeers` are worth an announce within the tracker's minimum
/// interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnnounceReason {
    /// The first one, or after a pause: `event=started`.
    Started,
    /// The interval has passed, or a failed announce is tried again.
    Regular,
    /// We lack peers, or met one that the tracker has not handed out.
    MorePeers,
    /// We have everything: `event=completed`.
    Completed,
    /// Paused: `event=stopped`.
    Stopped,
    /// We cannot go on: no peer that we are connected to has what we lack, or a gateway has lost its
    /// upstreams.
    Stalled,
    /// The connection to this gateway of ours broke while we still need it.
    Lost(SocketAddr),
    /// No upstream of one of our parents answers; those of others do.
    Gone,
    /// We cannot fetch any more, or can again.
    Ability,
    /// We are to send to another site, and the tracker is asked at which rate we may.
    Rates,
    /// We may not be what we think: as gateway we heard of another, or were stopped for a while.
    Doubt,
}

/// Why a connection is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// It leads to ourselves.
    Myself,
    /// The same peer is connected already.
    Duplicate,
    /// Both sides have everything.
    BothSeeders,
    /// We have everything and do not share.
    Finished,
    /// Nothing came for three minutes.
    Idle,
    /// It owes us blocks and sends nothing.
    Silent,
    /// The other side broke the protocol; the text says how.
    Protocol(&'static str),
    /// It made far more requests than we said that we queue.
    TooManyRequests,
    /// It sent data with a wrong hash.
    WrongData,
    /// It is banned for wrong data.
    Banned,
    /// This address of it is in no network of the tracker's map.
    Unmapped(IpAddr),
    /// Connection limit reached.
    TooMany,
    /// This address has as many connections as it may.
    TooManyOfAddress(IpAddr),
    /// A peer that needs the place more came.
    GivesWay,
    /// An upstream that we may not or need not use any more.
    NotAssigned,
    /// Paused by the operator.
    Paused,
    /// A stock client may have more than it said: it is dialled anew.
    Again,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Myself => "it is ourselves",
            CloseReason::Duplicate => "already connected to this peer",
            CloseReason::BothSeeders => "both sides have everything",
            CloseReason::Finished => "we have everything and do not share",
            CloseReason::Idle => "nothing came for three minutes",
            CloseReason::Silent => "owes us data and sends nothing",
            CloseReason::Protocol(what) => return write!(f, "protocol violation: {what}"),
            CloseReason::TooManyRequests => "far more requests than announced as queue length",
            CloseReason::WrongData => "sent a piece with a wrong hash",
            CloseReason::Banned => "banned for pieces with wrong hashes",
            CloseReason::Unmapped(_) => "its address is in no network of the site map",
            CloseReason::TooMany => "connection limit reached",
            CloseReason::TooManyOfAddress(ip) => return write!(f, "too many connections of {ip}"),
            CloseReason::GivesWay => "gives its place to another peer",
            CloseReason::NotAssigned => "no longer our upstream",
            CloseReason::Paused => "paused",
            CloseReason::Again => "may have more than it said; dialled anew",
        })
    }
}
