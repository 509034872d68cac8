//! How the pieces are divided among the gateways of a site, and among the parents of a gateway.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use narrows_protocol::InfoHash;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::policy::stripes;

/// Which pieces a gateway asks for across the WAN, and from which parent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Division {
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
    /// The stripes of each parent. A single parent has all pieces.
    pub parents: Vec<Vec<u8>>,
}

impl Division {
    /// The gateway whose piece it is.
    pub(super) fn gateway_of(&self, piece: u32) -> SocketAddr {
        let alone = self.roster.iter().all(|gateway| *gateway == self.me);
        let order = if alone {
            Vec::new()
        } else {
            gateway_order(piece, self.me, &self.roster)
        };
        order.first().copied().unwrap_or(self.me)
    }

    /// The parent that a piece comes by.
    pub(super) fn parent_of(&self, piece: u32) -> usize {
        if self.parents.len() < 2 {
            return 0;
        }
        self.parent_order(piece).first().copied().unwrap_or(0)
    }

    /// All parents in the order in which they may fetch a piece: as the piece's ranking of stripes; a stripe
    /// that no parent was given is passed over.
    pub(super) fn parent_order(&self, piece: u32) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.parents.len());
        for stripe in stripes::ranking(self.info_hash, piece, self.stripes) {
            let parent = self.parents.iter().position(|stripes| stripes.contains(&stripe));
            if let Some(parent) = parent.filter(|parent| !order.contains(parent)) {
                order.push(parent);
            }
        }
        let rest: Vec<usize> = (0..self.parents.len()).filter(|parent| !order.contains(parent)).collect();
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
