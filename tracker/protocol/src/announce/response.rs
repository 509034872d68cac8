//! What a tracker answers to an announce.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::request::Role;
use crate::ids::PeerId;
use crate::networks::Told;

/// A peer that is handed to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Where it accepts connections.
    pub addr: SocketAddr,
    /// Its name; absent in compact replies (BEP 23) and where the requester asked for `no_peer_id`.
    pub peer_id: Option<PeerId>,
}

/// The answer to a valid announce.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AnnounceResponse {
    /// Seconds until the next regular announce.
    pub interval: u32,
    /// Seconds before which the client should not announce again.
    pub min_interval: u32,
    /// How many peers have all of the content.
    pub complete: u32,
    /// How many peers do not.
    pub incomplete: u32,
    /// How many peers have become complete while the tracker ran.
    pub downloaded: u32,
    /// The address the tracker saw the client at (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Peers to connect to, IPv4 and IPv6.
    pub peers: Vec<Peer>,
    /// A message for the person at the client; the announce counts nevertheless.
    pub warning: Option<String>,
    /// The client's role in the swarm, with what belongs to it; only for agents.
    pub narrows: Option<Assignment>,
}

/// An agent's role in a swarm, with what belongs to it: the dictionary `narrows` of a reply.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment {
    /// Whether the agent fetches across the WAN for its site.
    pub role: Role,
    /// The agent's site.
    pub site: String,
    /// The gateways of the agent's own site.
    pub gateways: Vec<SocketAddr>,
    /// Seconds for which the role holds unless it is renewed; 0 for members.
    pub lease: u32,
    /// Bytes per second that the agent may fetch across the WAN; 0 is no limit.
    pub rate: u64,
    /// The link's schedule pauses it: nothing may be fetched across the WAN now.
    pub paused: bool,
    /// Peers at the parent site that a gateway fetches from; with several parents, all of them together.
    pub upstream: Vec<SocketAddr>,
    /// Milliseconds until the next regular announce, where `interval`, in seconds, is too coarse: while a
    /// rollout begins; 0: `interval` says it.
    pub again: u32,
    /// Another number in each run of the tracker, so that agents notice a restart; 0: it does not say.
    pub epoch: u32,
    /// How often to look whether it still is, in seconds.
    pub watch: u16,
    /// What packets across links are marked with (DSCP, RFC 2474: 0 to 63); `None`: nothing.
    pub dscp: Option<u8>,
    /// The site's own seeders bring less than the link would: what they alone have may cross the link too.
    pub slow_supply: bool,
    /// Into how many stripes of equal weight the pieces are divided; 0 and 1: not at all.
    pub stripes: u8,
    /// Which stripes come from which parent; empty unless there are several parents.
    pub parents: Vec<Parent>,
    /// What an agent that asks is told of the map; `None`: the tracker tells nothing of it.
    pub told: Option<Box<Told>>,
}

/// A parent, of several: what a gateway fetches from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parent {
    /// The parent site.
    pub site: String,
    /// Bytes per second that may be fetched from there; 0 is no limit.
    pub rate: u64,
    /// A link on the way is paused.
    pub paused: bool,
    /// The numbers of the stripes that come from there.
    pub stripes: Vec<u8>,
    /// Peers there.
    pub upstreams: Vec<SocketAddr>,
}

/// The answer to a request that is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Why, for a person.
    pub reason: Cow<'static, str>,
    /// Seconds until another try makes sense, for clients that do not know `retry in`.
    pub interval: Option<u32>,
    /// When another try makes sense (BEP 31).
    pub retry_in: Option<RetryIn>,
    /// The address the tracker saw the client at (BEP 24), where that is why.
    pub external_ip: Option<IpAddr>,
}

/// When a refused client may try again (BEP 31).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetryIn {
    /// The refusal is final.
    Never,
    /// After so many minutes.
    Minutes(u32),
}

/// Whatever a tracker answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AnnounceReply {
    /// The announce was accepted.
    Ok(AnnounceResponse),
    /// It was refused.
    Failure(Failure),
}

impl Failure {
    /// A refusal with nothing but its reason.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            interval: None,
            retry_in: None,
            external_ip: None,
        }
    }
}
