//! Order and shares of pieces across the WAN.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bits::Bits;

/// The order in which one gateway asks upstreams: a permutation that depends on content and site, so that sites ask
/// for different pieces first and have something to trade; its own share before the others'.
#[derive(Debug, Default)]
pub(super) struct WanOrder {
    /// Pieces of our own share, in order.
    pub(super) own: Vec<u32>,
    /// The same as a set.
    pub(super) share: Bits,
    /// Place of each piece in the permutation.
    key: Vec<u64>,
    /// All pieces of `own` before this index are had for good.
    pub(super) cursor: usize,
    roster: Vec<SocketAddr>,
    me: Option<SocketAddr>,
}

impl WanOrder {
    /// The order for `me` among the gateways of our site. With no roster all is ours.
    pub(super) fn new(pieces: u32, seed: u64, me: SocketAddr, roster: &[SocketAddr]) -> WanOrder {
        let key: Vec<u64> = (0..pieces)
            .map(|piece| xxh3_64_with_seed(&piece.to_le_bytes(), seed))
            .collect();
        let mut share = Bits::new(pieces);
        for piece in 0..pieces {
            if rank(piece, me, roster) == 0 {
                share.set(piece);
            }
        }
        let mut own: Vec<u32> = share.iter().collect();
        own.sort_unstable_by_key(|piece| (key[*piece as usize], *piece));
        WanOrder {
            own,
            share,
            key,
            cursor: 0,
            roster: roster.to_vec(),
            me: Some(me),
        }
    }

    /// Where `piece` stands in the permutation.
    pub(super) fn key(&self, piece: u32) -> u64 {
        self.key[piece as usize]
    }

    /// The gateways that come before us for `piece`.
    pub(super) fn before(&self, piece: u32) -> impl Iterator<Item = SocketAddr> + '_ {
        let mine = self.me.map(|me| (weight(piece, me), me));
        self.roster
            .iter()
            .copied()
            .filter(move |other| Some((weight(piece, *other), *other)) > mine)
    }

    /// The gateway whose piece it is.
    pub(super) fn owner(&self, piece: u32) -> Option<SocketAddr> {
        self.roster
            .iter()
            .copied()
            .max_by_key(|gateway| (weight(piece, *gateway), *gateway))
    }

    /// Whether this order is for that question.
    pub(super) fn is_for(&self, me: SocketAddr, roster: &[SocketAddr]) -> bool {
        self.me == Some(me) && self.roster == roster
    }
}

/// How many gateways of the roster come before `me` for this piece: rendezvous hashing (Thaler, Ravishankar 1998).
pub fn rank(piece: u32, me: SocketAddr, roster: &[SocketAddr]) -> usize {
    if roster.len() <= 1 && roster.first().is_none_or(|only| *only == me) {
        return 0;
    }
    let mine = (weight(piece, me), me);
    roster
        .iter()
        .filter(|other| **other != me && (weight(piece, **other), **other) > mine)
        .count()
}

/// Weight of a gateway for a piece; every agent of a site computes the same.
fn weight(piece: u32, gateway: SocketAddr) -> u64 {
    let mut bytes = [0; 22];
    bytes[..4].copy_from_slice(&piece.to_le_bytes());
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
