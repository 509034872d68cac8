//! The walks through sorted lists give what the written order says.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::availability::Availability;
use super::*;

fn lengths(pieces: u32) -> Lengths {
    Lengths::new(32 << 10, u64::from(pieces) * (32 << 10)).expect("a content")
}

proptest! {
    #[test]
    fn the_buckets_stay_sorted_whatever_comes(steps in proptest::collection::vec((0u8..4, 0u32..40), 0..300)) {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut local = Availability::new(40, 0..40, &mut rng);
        let mut held = [0; 40];
        for (what, piece) in steps {
            match what {
                0 => { local.gained(piece); held[piece as usize] += 1; }
                1 if held[piece as usize] > 0 => { local.lost(piece); held[piece as usize] -= 1; }
                2 => local.remove(piece),
                _ => local.insert(piece),
            }
            local.check();
        }
        for piece in 0..40 {
            prop_assert_eq!(local.holders(piece), held[piece as usize]);
        }
    }

    #[test]
    fn the_walk_and_the_search_agree_on_the_rarest(
        sets in proptest::collection::vec(proptest::collection::btree_set(0u32..50, 0..50), 1..6), seed in any::<u64>(),
    ) {
        let mut picker = Picker::new(lengths(50), &Bitfield::new(50), seed);
        let sets: Vec<Bits> = sets.iter().map(|set| {
            let mut bits = Bits::new(50);
            set.iter().for_each(|piece| { bits.set(*piece); });
            bits
        }).collect();
        sets.iter().for_each(|set| picker.add_holder(set, Word::Counts));
        let searched = picker.rarest_of(&sets[0]).map(|piece| picker.holders(piece));
        let walked = picker.pick_local(PeerKey(1), &sets[0], Time::ZERO).map(|piece| picker.holders(piece));
        prop_assert_eq!(searched, walked);
    }

    #[test]
    fn all_agree_whose_piece_it_is_and_shares_are_equal(pieces in 1u32..500, gateways in 1usize..5) {
        let roster: Vec<SocketAddr> =
            (0..gateways).map(|n| format!("10.2.0.{n}:6881").parse().expect("an address")).collect();
        let mut sizes = vec![0u32; gateways];
        for piece in 0..pieces {
            let owner = |me: &SocketAddr| gateway_order(piece, *me, &roster)[0];
            prop_assert!(roster.iter().all(|me| owner(me) == owner(&roster[0])));
            sizes[roster.iter().position(|g| *g == owner(g)).expect("in the roster")] += 1;
        }
        prop_assert!(sizes.iter().max() <= sizes.iter().min().map(|least| least + 1).as_ref());
    }
}

#[test]
fn an_upstream_is_never_asked_for_what_a_local_peer_has() {
    let mut picker = Picker::new(lengths(4), &Bitfield::new(4), 1);
    let me = "10.2.0.1:6881".parse().expect("an address");
    picker.set_division(division(me, 0, vec![Vec::new()]));
    let mut local = Bits::new(4);
    [0, 2].iter().for_each(|piece| {
        local.set(*piece);
    });
    picker.add_holder(&local, Word::Counts);
    let all = Bits::full(4);
    let mut got: Vec<u32> =
        std::iter::from_fn(|| picker.pick_upstream(PeerKey(1), &all, 0, Takeover::default(), Time::ZERO))
            .collect();
    got.sort_unstable();
    assert_eq!(got, [1, 3]);
    picker.remove_holder(&local, false, Word::Counts);
    assert!(picker.pick_upstream(PeerKey(1), &all, 0, Takeover::default(), Time::ZERO).is_some());
}

#[test]
fn a_begun_piece_goes_on_with_another_peer_where_it_was_left() {
    let mut picker = Picker::new(lengths(4), &Bitfield::new(4), 1);
    let all = Bits::full(4);
    picker.add_holder(&all, Word::Counts);
    picker.add_holder(&all, Word::Counts);
    let ip = IpAddr::from([10, 0, 0, 1]);
    let piece = picker.pick_local(PeerKey(1), &all, Time::ZERO).expect("a piece");
    let first = picker.ask(piece, PeerKey(1)).expect("a block");
    assert_eq!(
        picker.take(PeerKey(1), ip, first, Time::ZERO),
        (Taken::Part, vec![])
    );
    assert!(picker.release(PeerKey(1), 1 << 20).is_empty());
    assert_eq!(picker.pick_local(PeerKey(2), &all, Time::ZERO), Some(piece));
    let second = picker.ask(piece, PeerKey(2)).expect("a block");
    assert_ne!(first, second);
    assert_eq!(picker.take(PeerKey(2), ip, second, Time::ZERO).0, Taken::Whole);
    assert_eq!(picker.verified(piece, true).map(|sources| sources.len()), Some(2));
    assert_eq!(picker.held(), 0);
}

fn division(me: SocketAddr, stripes: u8, parents: Vec<Vec<u8>>) -> Division {
    Division {
        seed: 1,
        me,
        roster: vec![me],
        info_hash: narrows_protocol::InfoHash([7; 20]),
        stripes,
        parents,
    }
}

#[test]
fn lines_share_the_pieces_and_stand_in_for_each_other_only_when_allowed() {
    let mut picker = Picker::new(lengths(40), &Bitfield::new(40), 1);
    let me = "10.2.0.1:6881".parse().expect("an address");
    picker.set_division(division(me, 4, vec![vec![0, 2, 3], vec![1]]));
    let all = Bits::full(40);
    let count = |picker: &mut Picker, parent, takeover| {
        std::iter::from_fn(|| {
            picker.pick_upstream(PeerKey(parent as u64), &all, parent, takeover, Time::ZERO)
        })
        .count()
    };
    assert_eq!(count(&mut picker, 0, Takeover::default()), 30);
    assert!(!picker.upstream_has_work(&all, 0, Time::ZERO) && picker.upstream_has_work(&all, 1, Time::ZERO));
    let allowed =
        |before: &mut dyn Iterator<Item = usize>| before.next() == Some(1) && before.next().is_none();
    let takeover = Takeover {
        parents: Some(&allowed),
        ..Takeover::default()
    };
    assert_eq!(count(&mut picker, 0, takeover), 10);
    assert_eq!(count(&mut picker, 1, Takeover::default()), 0);
}
