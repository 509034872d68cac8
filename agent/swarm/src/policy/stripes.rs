//! Stripes: which pieces come from which of several parents.
//!
//! The pieces are divided among `n` stripes by rendezvous hashing (Thaler, Ravishankar 1998), in groups of
//! `n` pieces that follow each other: each group gives every stripe one piece, so that stripes are of equal
//! size to the piece, not only on average. Every agent computes the same from the content's info hash.

use narrows_protocol::InfoHash;
use xxhash_rust::xxh3::xxh3_64;

/// The most stripes there are.
pub const MAX: u8 = 16;

/// The stripes in the order in which they may have `piece`: the first is its own. `count` of 0 or 1 is one
/// stripe.
pub fn ranking(info_hash: InfoHash, piece: u32, count: u8) -> Vec<u8> {
    let count = count.clamp(1, MAX);
    let (group, place) = (piece / u32::from(count), piece % u32::from(count));
    let mut order: Vec<u8> = (0..count).collect();
    order.sort_unstable_by_key(|stripe| (std::cmp::Reverse(weight(info_hash, group, *stripe)), *stripe));
    order.rotate_left(place as usize);
    order
}

/// The stripe of `piece`.
pub fn of(info_hash: InfoHash, piece: u32, count: u8) -> u8 {
    ranking(info_hash, piece, count).first().copied().unwrap_or(0)
}

/// xxh3-64 of info hash, group (little endian) and stripe.
fn weight(info_hash: InfoHash, group: u32, stripe: u8) -> u64 {
    let mut bytes = [0; 25];
    bytes[..20].copy_from_slice(&info_hash.0);
    bytes[20..24].copy_from_slice(&group.to_le_bytes());
    bytes[24] = stripe;
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_piece_has_one_stripe_and_stripes_differ_by_one_piece_at_most(
            hash in any::<[u8; 20]>(), pieces in 0u32..300, count in 1u8..=MAX,
        ) {
            let mut sizes = vec![0u32; usize::from(count)];
            for piece in 0..pieces {
                let ranking = ranking(InfoHash(hash), piece, count);
                let mut sorted = ranking.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..count).collect::<Vec<u8>>());
                sizes[usize::from(ranking[0])] += 1;
            }
            prop_assert!(sizes.iter().max() <= sizes.iter().min().map(|least| least + 1).as_ref());
        }
    }

    #[test]
    fn agents_of_all_versions_compute_the_same_stripes() {
        let stripes = |count| (0..12).map(|piece| of(InfoHash([7; 20]), piece, count)).collect::<Vec<u8>>();
        assert_eq!(stripes(0), [0; 12]);
        assert_eq!(stripes(2), [1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0]);
        assert_eq!(stripes(3), [1, 0, 2, 2, 1, 0, 1, 0, 2, 1, 0, 2]);
    }
}
