//! Torrents that are written, those that are damaged, and how contents are cut into pieces.

use narrows_protocol::metainfo::create::{Draft, DraftFile, DraftFiles, encode, piece_length_for};
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{BLOCK, File, Lengths, Metainfo, MetainfoError, Pieces};
use proptest::prelude::*;

fn as_drafted(file: &File) -> DraftFile {
    DraftFile {
        path: file.path.clone(),
        length: file.length,
        executable: file.executable,
        link: file.link.clone(),
    }
}

fn draft() -> impl Strategy<Value = Draft> {
    let name = "[a-zA-Zäß日 _-]{0,12}[a-z]";
    let file = |path, (length, executable)| DraftFile {
        path,
        length,
        executable,
        link: None,
    };
    let tree =
        prop::collection::btree_map(name, (0..200_000_u64, any::<bool>()), 1..6).prop_map(move |files| {
            let files = files.into_iter();
            DraftFiles::Multi(files.map(|(name, of)| file(vec!["d".to_owned(), name], of)).collect())
        });
    let single = (1..500_000_u64, any::<bool>()).prop_map(move |of| DraftFiles::Single(file(Vec::new(), of)));
    let files = prop_oneof![single, tree];
    let url = "http://[a-z]{1,10}/announce";
    let announce = prop::collection::vec(prop::collection::vec(url, 1..3), 0..3);
    (name, files, announce, any::<Option<u32>>(), any::<[u8; 20]>()).prop_map(
        |(name, files, announce, created, hash)| {
            let total: u64 = match &files {
                DraftFiles::Single(file) => file.length,
                DraftFiles::Multi(files) => files.iter().map(|file| file.length).sum(),
            };
            let pieces = Pieces::new(vec![hash; total.div_ceil(u64::from(BLOCK)) as usize]);
            let created_by = "narrows test".to_owned();
            Draft {
                announce,
                created_by,
                created: created.map(u64::from),
                name,
                files,
                names: Names::Portable,
                piece_length: BLOCK,
                pieces,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(draft in draft()) {
        match encode(&draft) {
            Ok(torrent) => {
                let meta = Metainfo::parse(&torrent).expect("readable");
                prop_assert!(meta.private);
                prop_assert_eq!(&meta.announce, &draft.announce);
                prop_assert_eq!(&meta.name, &draft.name);
                prop_assert_eq!(&meta.pieces, &draft.pieces);
                let files: Vec<_> = meta.files.iter().map(as_drafted).collect();
                match draft.files {
                    DraftFiles::Single(expected) => prop_assert_eq!(files, [expected]),
                    DraftFiles::Multi(expected) => prop_assert_eq!(files, expected),
                }
            }
            // the strategy makes such now and then
            Err(MetainfoError::Empty | MetainfoError::Name(_)) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn mutated_torrents_never_panic_and_what_is_accepted_is_sound(
        draft in draft(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
    ) {
        let Ok(mut torrent) = encode(&draft) else { return Ok(()) };
        for (index, byte, how) in changes {
            let at = index.index(torrent.len());
            match how {
                0 => torrent[at] = byte,
                1 => torrent.insert(at, byte),
                _ => drop(torrent.drain(at..(at + usize::from(byte)).min(torrent.len()))),
            }
            if torrent.is_empty() { break }
        }
        if let Ok(meta) = Metainfo::parse(&torrent) {
            prop_assert!(meta.files.iter().all(|file| file.link.as_ref().is_none_or(|link| !link.is_empty())));
            prop_assert_eq!(meta.files.iter().map(|file| file.length).sum::<u64>(), meta.total);
            prop_assert_eq!(meta.pieces.len(), meta.piece_count() as usize);
            prop_assert!(meta.total > 0);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Metainfo::parse(&bytes).is_err());
    }

    #[test]
    fn pieces_and_blocks_cover_the_content_exactly(piece_length in 1_u32..200_000, total in 1_u64..5_000_000) {
        prop_assume!(total / u64::from(piece_length) < 10_000);
        let lengths = Lengths::new(piece_length, total).expect("small");
        let mut sum = 0;
        for piece in 0..lengths.piece_count() {
            prop_assert_eq!(lengths.piece_offset(piece), sum);
            let blocks = (0..lengths.block_count(piece)).map(|block| u64::from(lengths.block_len(piece, block * BLOCK)));
            let size = blocks.sum::<u64>();
            prop_assert_eq!(size, u64::from(lengths.piece_size(piece)));
            prop_assert!(size > 0);
            sum += size;
        }
        prop_assert_eq!(sum, total);
        prop_assert_eq!(lengths.piece_size(lengths.piece_count()), 0);
        prop_assert_eq!(lengths.block_len(0, piece_length), 0);
    }

    #[test]
    fn piece_lengths_suit_every_size(total in prop_oneof![any::<u64>(), 0..1_u64 << 45]) {
        let length = piece_length_for(total);
        prop_assert!(length.is_power_of_two() && (256 << 10..=64 << 20).contains(&length));
        let pieces = total.div_ceil(u64::from(length));
        prop_assert!(pieces <= 60_000 || length == 64 << 20);
        if length > 256 << 10 {
            prop_assert!(pieces >= 1000, "pieces are not larger than need be");
        }
    }
}

#[test]
fn usual_sizes_get_usual_piece_lengths() {
    const MIB: u64 = 1 << 20;
    for (total, length) in [
        (0, 256 << 10),
        (500 * 1000 * 1000, 256 << 10),
        (1024 * MIB, 512 << 10),
        (10 * 1024 * MIB, 4 << 20),
        (100 * 1024 * MIB, 4 << 20),
        (1024 * 1024 * MIB, 32 << 20),
        (10 * 1024 * 1024 * MIB, 64 << 20),
    ] {
        assert_eq!(piece_length_for(total), length, "{total}");
    }
}
