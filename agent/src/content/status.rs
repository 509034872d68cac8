//! What a content says of itself in `GET /status`.

use std::fmt;
use std::net::SocketAddr;

use narrows_protocol::Role;
use narrows_storage::Content;
use narrows_swarm::{Status, Time, Unreachable};
use serde::{Deserialize, Serialize};

/// What a content is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentState {
    /// Being opened, or pieces on disk are being verified.
    #[default]
    Checking,
    /// Pieces are missing, or being moved to the target.
    Fetching,
    /// Whole, at its target, served.
    Seeding,
    /// Paused by the operator.
    Paused,
    /// See `error`; heals by itself where that can be.
    Error,
}

impl ContentState {
    /// All of them, for metrics.
    pub const ALL: [Self; 5] = [
        Self::Checking,
        Self::Fetching,
        Self::Seeding,
        Self::Paused,
        Self::Error,
    ];
}

impl fmt::Display for ContentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Checking => "checking",
            Self::Fetching => "fetching",
            Self::Seeding => "seeding",
            Self::Paused => "paused",
            Self::Error => "error",
        })
    }
}

/// One content in `GET /status`. Byte counts are payload; rates are bytes per second.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ContentStatus {
    /// The name in the .torrent.
    pub name: String,
    /// 40 hex digits; empty if the .torrent could not be read.
    pub info_hash: String,
    /// What it is doing.
    pub state: ContentState,
    /// 0.0 to 1.0: of the bytes while fetching, of the pieces to check while checking.
    pub progress: f64,
    /// Size of the content.
    pub bytes: u64,
    /// Bytes in verified pieces.
    pub bytes_done: u64,
    /// Received from peers of our site.
    pub bytes_lan: u64,
    /// Received across the WAN.
    pub bytes_wan: u64,
    /// Had before anything was fetched, of an older version or put there; 0 if that was all of it.
    #[serde(default)]
    pub bytes_reused: u64,
    /// Received and thrown away; part of the two above.
    pub bytes_wasted: u64,
    /// Sent to peers of our site.
    pub uploaded_lan: u64,
    /// Sent across the WAN.
    pub uploaded_wan: u64,
    /// Pieces that came with a wrong hash.
    pub pieces_bad: u64,
    /// Pieces that were at the target and were found wrong or missing there.
    #[serde(default)]
    pub pieces_damaged: u64,
    /// Of these: written anew.
    #[serde(default)]
    pub pieces_healed: u64,
    /// Seconds since every file at the target was last found as it was when it was hashed; none while it is
    /// not whole.
    #[serde(default)]
    pub verified: Option<u64>,
    /// `gateway` or `member` in JSON.
    #[serde(with = "super::role")]
    pub role: Role,
    /// Our site; empty until the tracker told us.
    pub site: String,
    /// Open connections.
    pub peers: usize,
    /// Of these: to peers of our site.
    pub peers_local: usize,
    /// Of these: to upstreams of ours.
    pub peers_upstream: usize,
    /// Of these: gateways of other sites.
    pub peers_remote: usize,
    /// Received, in bytes per second.
    pub rate_down: u64,
    /// Sent, in bytes per second.
    pub rate_up: u64,
    /// Why nothing moves, for a person.
    pub error: Option<String>,
    /// Why the last announce failed, if it did.
    pub tracker_error: Option<String>,
    /// Peers that the tracker names and that no connection can be made to; at most 16.
    #[serde(default)]
    pub unreachable: Vec<UnreachablePeer>,
}

/// A peer that cannot be connected to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnreachablePeer {
    /// Where it listens, as the tracker says.
    pub address: SocketAddr,
    /// Seconds since the first of the dials that failed in a row.
    pub seconds: u64,
    /// Seconds since it was tried last.
    pub tried_seconds: u64,
    /// Why that failed, for a person.
    pub why: String,
    /// What to look at, for a person.
    pub help: String,
}

impl UnreachablePeer {
    /// As the swarm knows it at `now`.
    pub(super) fn new(peer: &Unreachable, now: Time) -> Self {
        Self {
            address: peer.addr,
            seconds: now.saturating_sub(peer.since).as_secs(),
            tried_seconds: now.saturating_sub(peer.tried).as_secs(),
            why: peer.why.to_string(),
            help: peer.why.help(peer.addr.port()),
        }
    }
}

impl fmt::Display for UnreachablePeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            seconds,
            tried_seconds,
            why,
            help,
        } = self;
        write!(f, "cannot reach {address} for {seconds} s")?;
        // one that the tracker names no more is not tried again
        if *tried_seconds > 120 {
            write!(f, " (tried {tried_seconds} s ago)")?;
        }
        write!(f, ": {why}; {help}")
    }
}

/// What earlier sessions of this run counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    lan: u64,
    wan: u64,
    wasted: u64,
    sent_lan: u64,
    sent_wan: u64,
    bad: u64,
    damaged: u64,
    healed: u64,
}

impl Totals {
    pub(super) fn add(&mut self, status: &Status) {
        self.lan += status.bytes_lan;
        self.wan += status.bytes_wan;
        self.wasted += status.bytes_wasted;
        self.sent_lan += status.sent_lan;
        self.sent_wan += status.sent_wan;
        self.bad += status.hash_failures;
    }

    /// What the disk has done to a content that is open.
    pub(super) fn add_damage(&mut self, content: &Content) {
        self.damaged += content.pieces_damaged();
        self.healed += content.pieces_healed();
    }

    /// Writes the sums into a status.
    pub(super) fn fill(&self, out: &mut ContentStatus) {
        out.bytes_lan = self.lan;
        out.bytes_wan = self.wan;
        out.bytes_wasted = self.wasted;
        out.uploaded_lan = self.sent_lan;
        out.uploaded_wan = self.sent_wan;
        out.pieces_bad = self.bad;
        out.pieces_damaged = self.damaged;
        out.pieces_healed = self.healed;
    }
}
