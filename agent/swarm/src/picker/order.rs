//! Order and shares of pieces across the WAN.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use narrows_protocol::InfoHash;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bits::Bits;
use crate::policy::stripes;

/// Which pieces a gateway asks for across the WAN, and from which parent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Seeds the permutation: differs by content and site.
    pub seed: u64,
    /// The gateway that we are.
    pub me: SocketAddr,
    /// The gateways of our site.
    pub roster: Vec<SocketAddr>,
    /// The content; seeds the stripes.
    pub info_hash: InfoHash,
    /// Into how many stripes the pieces are divided.
    pub stripes: u8,
    /// The stripes of each line, a line being the way to one parent. With one line all are its.
    pub lines: Vec<Vec<u8>>,
}

/// The order in which one gateway asks upstreams: a permutation that depends on content and site, so that
/// sites ask for different pieces first and have something to trade; its own share before the others'.
#[derive(Debug, Default)]
pub(super) struct WanOrder {
    /// What each line fetches of our own share.
    pub(super) lines: Vec<Share>,
    /// Place of each piece in the permutation.
    key: Vec<u64>,
    /// Pieces whose gateway we are.
    own: Bits,
    plan: Option<Plan>,
}

/// Pieces of our own share that come by one line.
#[derive(Debug)]
pub(super) struct Share {
    /// In order.
    pub(super) order: Vec<u32>,
    /// The same as a set.
    pub(super) pieces: Bits,
    /// All pieces of `order` before this index are had for good.
    pub(super) cursor: usize,
}

impl WanOrder {
    /// The order for one gateway of our site. With no roster all is ours.
    pub(super) fn new(pieces: u32, plan: Plan) -> WanOrder {
        let key: Vec<u64> =
            (0..pieces).map(|piece| xxh3_64_with_seed(&piece.to_le_bytes(), plan.seed)).collect();
        let mut own = Bits::new(pieces);
        let mut sets = vec![Bits::new(pieces); plan.lines.len().max(1)];
        for piece in 0..pieces {
            if plan.gateway_of(piece) == plan.me {
                own.set(piece);
                sets[plan.line_of(piece)].set(piece);
            }
        }
        let share = |pieces: Bits| {
            let mut order: Vec<u32> = pieces.iter().collect();
            order.sort_unstable_by_key(|piece| (key[*piece as usize], *piece));
            Share {
                order,
                pieces,
                cursor: 0,
            }
        };
        WanOrder {
            lines: sets.into_iter().map(share).collect(),
            key,
            own,
            plan: Some(plan),
        }
    }

    /// Where `piece` stands in the permutation.
    pub(super) fn key(&self, piece: u32) -> u64 {
        self.key[piece as usize]
    }

    /// Whether we are the gateway whose piece it is.
    pub(super) fn is_own(&self, piece: u32) -> bool {
        self.own.has(piece)
    }

    /// The gateways that come before us for `piece`.
    pub(super) fn before(&self, piece: u32) -> impl Iterator<Item = SocketAddr> {
        let plan = self.plan.as_ref();
        let order = plan.map(|plan| (plan.me, gateway_order(piece, plan.me, &plan.roster)));
        let before = order.map(|(me, order)| order.into_iter().take_while(move |other| *other != me));
        before.into_iter().flatten()
    }

    /// The lines that come before `line` for `piece`.
    pub(super) fn lines_before(&self, piece: u32, line: usize) -> impl Iterator<Item = usize> {
        let order = self.plan.as_ref().map(|plan| plan.line_order(piece));
        order.unwrap_or_default().into_iter().take_while(move |other| *other != line)
    }

    /// The gateway whose piece it is.
    pub(super) fn owner(&self, piece: u32) -> Option<SocketAddr> {
        self.plan.as_ref().map(|plan| plan.gateway_of(piece))
    }

    /// Whether this order is for that plan.
    pub(super) fn is_for(&self, plan: &Plan) -> bool {
        self.plan.as_ref() == Some(plan)
    }
}

impl Plan {
    /// The gateway whose piece it is.
    fn gateway_of(&self, piece: u32) -> SocketAddr {
        let alone = self.roster.iter().all(|gateway| *gateway == self.me);
        let order = if alone {
            Vec::new()
        } else {
            gateway_order(piece, self.me, &self.roster)
        };
        order.first().copied().unwrap_or(self.me)
    }

    /// The line that a piece comes by.
    fn line_of(&self, piece: u32) -> usize {
        if self.lines.len() < 2 {
            return 0;
        }
        self.line_order(piece).first().copied().unwrap_or(0)
    }

    /// All lines in the order in which they may fetch a piece: as the piece's ranking of stripes; a stripe
    /// that nobody was given is passed over.
    fn line_order(&self, piece: u32) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.lines.len());
        for stripe in stripes::ranking(self.info_hash, piece, self.stripes) {
            let line = self.lines.iter().position(|stripes| stripes.contains(&stripe));
            if let Some(line) = line.filter(|line| !order.contains(line)) {
                order.push(line);
            }
        }
        let rest: Vec<usize> = (0..self.lines.len()).filter(|line| !order.contains(line)).collect();
        order.extend(rest);
        order
    }
}
/// The gateways in the order in which they may fetch `piece`, us among them: rendezvous hashing (Thaler,
/// Ravishankar 1998), by groups of as many pieces as there are gateways, so that each has the same share to
/// the piece.
pub fn gateway_order(piece: u32, me: SocketAddr, roster: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut order = roster.to_vec();
    order.push(me);
    order.sort_unstable();
    order.dedup();
    let count = order.len() as u32;
    let (group, place) = (piece / count, piece % count);
    order.sort_by_key(|gateway| Reverse(weight(group, *gateway)));
    order.rotate_left(place as usize);
    order
}

/// Weight of a gateway for a group of pieces; every agent of a site computes the same.
fn weight(group: u32, gateway: SocketAddr) -> u64 {
    let mut bytes = [0; 22];
    bytes[..4].copy_from_slice(&group.to_le_bytes());
    let ip = match gateway.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    bytes[4..20].copy_from_slice(&ip.octets());
    bytes[20..].copy_from_slice(&gateway.port().to_le_bytes());
    xxh3_64_with_seed(&bytes, 0)
}

/// One of several pieces to choose from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which.
    pub piece: u32,
    /// Some of its blocks are here already, from a peer that left.
    pub begun: bool,
    /// Local peers that hold it.
    pub holders: u32,
    /// WAN only: it is of our own share (else a takeover).
    pub own: bool,
    /// Local: a random number; WAN: its place in the permutation.
    pub key: u64,
}

/// The whole order of both classes; the smallest is fetched first. See the table of [`super::Picker`].
pub fn cmp(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    let place = |c: &Candidate| (Reverse(c.begun), c.holders, Reverse(c.own), c.key, c.piece);
    place(a).cmp(&place(b))
}
