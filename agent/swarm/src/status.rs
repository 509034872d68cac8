//! What a swarm says about itself.

use std::fmt;
use std::net::SocketAddr;

use narrows_protocol::Role;

/// What an announce says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Payload bytes still missing.
    pub left: u64,
    /// Payload bytes received in this run.
    pub downloaded: u64,
    /// Payload bytes sent in this run.
    pub uploaded: u64,
    /// Our role as we live it.
    pub role: Role,
    /// Nothing keeps us from fetching: the disk takes data, and what is left is right somewhere.
    pub able: bool,
    /// Payload bytes received across the WAN in this run.
    pub wan: u64,
    /// We cannot go on with the peers we have.
    pub stalled: bool,
    /// Peers of other sites are connected, which may ask us for something.
    pub sends_across: bool,
    /// The gateway whose connection broke since the last good announce.
    pub lost: Option<SocketAddr>,
    /// The gateway of our site that we are connected to.
    pub gateway: Option<SocketAddr>,
    /// Peers that the tracker handed out and that did not answer in the last 30 s; at most 8.
    pub gone: Vec<SocketAddr>,
    /// Of `wan`: the bytes by parent site, as far as its name is known.
    pub from: Vec<(String, u64)>,
    /// Where the tracker names several gateways of our site: what each of them sent us in this run.
    pub brought: Vec<(SocketAddr, u64)>,
}

/// The state of a content as `GET /status` names it (`checking` is the shell's).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Pieces are missing.
    Fetching,
    /// We have everything.
    Seeding,
    /// Paused by the operator.
    Paused,
    /// Nothing is fetched because of a [`Fault`]; what we have is served.
    Error,
}

/// Why nothing is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The disk is full; heals with [`Event::StoreHealed`](crate::Event::StoreHealed).
    DiskFull,
    /// The disk could not be written; heals likewise.
    DiskBroken,
    /// All that is left came with a wrong hash from every peer that has it. It is asked for again, less and
    /// less often.
    WrongHash {
        /// The first such piece.
        piece: u32,
        /// How many addresses sent it wrong.
        addresses: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::DiskFull => {
                f.write_str("the disk is full; free some space, fetching then goes on by itself")
            }
            Fault::DiskBroken => {
                f.write_str("the disk cannot be written; fetching goes on by itself when it can")
            }
            Fault::WrongHash { piece, addresses } => write!(
                f,
                "piece {piece} came with a wrong hash from every peer that has it ({addresses}); verify the content \
                 there; it is asked for again by itself, within minutes"
            ),
        }
    }
}

/// A snapshot for status and metrics.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// What it does.
    pub state: State,
    /// Set in [`State::Error`].
    pub fault: Option<Fault>,
    /// Our role as we live it.
    pub role: Role,
    /// Our site's name; empty until the tracker has said it.
    pub site: String,
    /// Open connections.
    pub peers: usize,
    /// Of these: to peers of our site.
    pub peers_local: usize,
    /// Of these: to upstreams.
    pub peers_upstream: usize,
    /// Of these: gateways of other sites that we serve.
    pub peers_remote: usize,
    /// Payload bytes per second, received.
    pub rate_down: u64,
    /// Payload bytes per second, sent.
    pub rate_up: u64,
    /// Payload bytes received from peers of our site.
    pub bytes_lan: u64,
    /// Payload bytes received across the WAN.
    pub bytes_wan: u64,
    /// Payload bytes received and thrown away (part of the two above).
    pub bytes_wasted: u64,
    /// Payload bytes sent to peers of our site.
    pub sent_lan: u64,
    /// Payload bytes sent across the WAN.
    pub sent_wan: u64,
    /// Pieces that failed their hash.
    pub hash_failures: u64,
    /// Size of the content in bytes.
    pub total: u64,
    /// Payload bytes still missing.
    pub left: u64,
    /// Bytes in verified pieces over all bytes, 0.0 to 1.0.
    pub progress: f64,
    /// We cannot go on with the peers we have.
    pub stalled: bool,
}
