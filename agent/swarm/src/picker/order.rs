//! In which order pieces are fetched, across the WAN and inside the site.

use std::cmp::Reverse;
use std::net::SocketAddr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bits::Bits;
use super::division::{Division, gateway_order};

/// The order in which one gateway asks upstreams: a permutation that depends on content and site, so that
/// sites ask for different pieces first and have something to trade; its own share before the others'.
#[derive(Debug, Default)]
pub(super) struct WanOrder {
    /// What each parent fetches of our own share.
    pub(super) parents: Vec<Share>,
    /// Place of each piece in the permutation.
    key: Vec<u64>,
    /// Pieces whose gateway we are.
    own: Bits,
    division: Option<Division>,
}

/// Pieces of our own share that come by one parent.
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
    pub(super) fn new(pieces: u32, division: Division) -> WanOrder {
        let key: Vec<u64> =
            (0..pieces).map(|piece| xxh3_64_with_seed(&piece.to_le_bytes(), division.seed)).collect();
        let mut own = Bits::new(pieces);
        let mut sets = vec![Bits::new(pieces); division.parents.len().max(1)];
        for piece in 0..pieces {
            if division.gateway_of(piece) == division.me {
                own.set(piece);
                sets[division.parent_of(piece)].set(piece);
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
            parents: sets.into_iter().map(share).collect(),
            key,
            own,
            division: Some(division),
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
        let division = self.division.as_ref();
        let order =
            division.map(|division| (division.me, gateway_order(piece, division.me, &division.roster)));
        let before = order.map(|(me, order)| order.into_iter().take_while(move |other| *other != me));
        before.into_iter().flatten()
    }

    /// The parents that come before `parent` for `piece`.
    pub(super) fn parents_before(&self, piece: u32, parent: usize) -> impl Iterator<Item = usize> {
        let order = self.division.as_ref().map(|division| division.parent_order(piece));
        order.unwrap_or_default().into_iter().take_while(move |other| *other != parent)
    }

    /// The gateway whose piece it is.
    pub(super) fn owner(&self, piece: u32) -> Option<SocketAddr> {
        self.division.as_ref().map(|division| division.gateway_of(piece))
    }

    /// Whether this order is for that division.
    pub(super) fn is_for(&self, division: &Division) -> bool {
        self.division.as_ref() == Some(division)
    }
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
