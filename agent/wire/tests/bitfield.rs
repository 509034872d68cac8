//! A bitfield behaves as a set of piece indices, and as BEP 3 writes one.

use std::collections::BTreeSet;

use narrows_wire::{Bitfield, WireError};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn of(len: u32, pieces: &BTreeSet<u32>) -> Bitfield {
    let mut bits = Bitfield::new(len);
    for piece in pieces {
        bits.set(*piece);
    }
    bits
}

proptest! {
    #[test]
    fn it_is_a_set_of_pieces(len in 0u32..700, steps in vec((any::<bool>(), 0u32..800), 0..300)) {
        let (mut bits, mut set) = (Bitfield::new(len), BTreeSet::new());
        for (add, piece) in steps {
            let changed = if add { piece < len && set.insert(piece) } else { set.remove(&piece) };
            prop_assert_eq!(if add { bits.set(piece) } else { bits.unset(piece) }, changed);
            prop_assert_eq!(bits.has(piece), set.contains(&piece));
        }
        prop_assert_eq!(bits.count() as usize, set.len());
        prop_assert_eq!(bits.is_full(), set.len() as u32 == len);
        prop_assert_eq!(bits.iter_ones().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
        let missing: Vec<u32> = (0..len).filter(|piece| !set.contains(piece)).collect();
        prop_assert_eq!(bits.iter_missing().collect::<Vec<_>>(), missing);
    }

    #[test]
    fn it_comes_back_from_the_wire(len in 1u32..700, pieces in btree_set(0u32..700, 0..200)) {
        let bits = of(len, &pieces);
        prop_assert_eq!(Bitfield::from_wire(&bits.to_wire(), len), Ok(bits));
    }

    #[test]
    fn only_the_exact_size_is_taken(len in 0u32..200, bytes in 0usize..30) {
        let outcome = Bitfield::from_wire(&vec![0; bytes], len);
        prop_assert_eq!(outcome.is_ok(), bytes == (len as usize).div_ceil(8));
    }

    #[test]
    fn a_spare_bit_that_is_set_is_refused(whole in 0u32..25, used in 1u32..8, spare in 0u32..8) {
        let len = whole * 8 + used;
        let mut bytes = Bitfield::full(len).to_wire().to_vec();
        let at = len + spare % (8 - used);
        bytes[(at / 8) as usize] |= 0x80 >> (at % 8);
        prop_assert_eq!(Bitfield::from_wire(&bytes, len), Err(WireError::SpareBits));
    }

    #[test]
    fn a_full_one_has_every_piece(len in 0u32..300) {
        let bits = Bitfield::full(len);
        prop_assert!(bits.is_full());
        prop_assert_eq!(bits.iter_ones().count() as u32, len);
        prop_assert_eq!(bits.iter_missing().count(), 0);
    }
}

#[test]
fn the_first_piece_is_the_highest_bit_of_the_first_byte() {
    assert_eq!(
        of(10, &[0, 9].into()).to_wire().as_ref(),
        [0b1000_0000, 0b0100_0000]
    );
}
