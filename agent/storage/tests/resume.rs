//! What a start trusts, checks and loses.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use common::{PIECE, Place, Sample, check, overwrite};
use narrows_storage::{StorageError, Stored};
use proptest::prelude::*;

/// Lengths of files: empty, tiny, of many pieces, exactly on and off piece borders.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        Just(0_usize),
        1..200_usize,
        Just(PIECE as usize),
        1..5 * PIECE as usize,
        Just(3 * PIECE as usize)
    ];
    prop::collection::vec(length, 1..8).prop_filter("some bytes", |all| all.iter().sum::<usize>() > 0)
}

#[derive(Clone, Debug)]
enum Step {
    Store(u16),
    Sync,
    /// SIGKILL and start.
    Kill,
    /// Clean stop and start.
    Stop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => any::<u16>().prop_map(Step::Store),
        1 => Just(Step::Sync),
        1 => Just(Step::Kill),
        1 => Just(Step::Stop),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_stored_piece_is_lost_however_often_the_agent_is_killed(
        lengths in lengths(), steps in steps(), seed in any::<u64>(),
    ) {
        let sample = Sample::tree(&lengths, seed);
        let place = Place::new();
        let mut content = place.start(&sample);
        let mut stored = BTreeSet::new();
        for step in steps {
            match step {
                Step::Store(piece) => {
                    let piece = u32::from(piece) % sample.pieces();
                    sample.store(&content, piece);
                    stored.insert(piece);
                }
                Step::Sync => content.sync().expect("a sync"),
                Step::Kill => {
                    drop(content);
                    content = place.start(&sample);
                }
                Step::Stop => {
                    content.close().expect("a close");
                    drop(content);
                    let opened = place.open(&sample);
                    prop_assert_eq!(opened.to_check, 0, "after a clean stop nothing is read again");
                    content = opened.content;
                }
            }
            prop_assert_eq!(content.have().iter_ones().collect::<BTreeSet<_>>(), stored.clone());
        }
        sample.assert_reads(&content);
        sample.store_all(&content);
        content.publish().expect("whole content");
        sample.assert_at(&place.target());
        sample.assert_reads(&content);
        drop(content);
        let opened = place.open(&sample);
        prop_assert!(opened.have.is_full() && opened.to_check == 0 && opened.content.is_published());
        prop_assert!(!place.target().join(".narrows").exists(), "nothing is left behind");
    }

    #[test]
    fn damaged_resume_data_costs_a_check_and_never_a_wrong_piece(
        lengths in lengths(), seed in any::<u64>(), synced in any::<bool>(), complete in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(), of_journal in any::<bool>(),
    ) {
        let sample = Sample::tree(&lengths, seed);
        let place = Place::new();
        let content = place.start(&sample);
        let some = if complete { sample.pieces() } else { sample.pieces() / 2 };
        (0..some).for_each(|piece| sample.store(&content, piece));
        if synced { content.sync().expect("a sync"); }
        if complete { content.publish().expect("whole content"); }
        drop(content);
        let path = if of_journal { place.journal(&sample) } else { place.record(&sample) };
        if let Ok(mut bytes) = fs::read(&path) && !bytes.is_empty() {
            for (index, byte) in damage { let index = index.index(bytes.len()); bytes[index] = byte; }
            if let Some(cut) = cut { bytes.truncate(cut.index(bytes.len())); }
            fs::write(&path, bytes).expect("a damaged file");
        }
        let content = place.start(&sample);
        if !of_journal {
            prop_assert_eq!(content.have().count(), some, "a full check finds all of it");
        }
        sample.assert_reads(&content);
    }

    #[test]
    fn damaged_files_are_noticed_at_the_next_start(
        lengths in lengths(), seed in any::<u64>(), how in 0..3, at in any::<prop::sample::Index>(),
        clean in any::<bool>(), complete in any::<bool>(),
    ) {
        let sample = Sample::tree(&lengths, seed);
        let place = Place::new();
        let content = place.start(&sample);
        sample.store_all(&content);
        if complete { content.publish().expect("whole content"); }
        if clean { content.close().expect("a close"); }
        drop(content);
        let folder = if complete { place.target() } else { place.staging(&sample) };
        let full: Vec<_> = sample.meta.files.iter().filter(|file| file.length > 0).collect();
        let file = full[at.index(full.len())];
        let path = sample.path(&folder, &file.path);
        match how {
            0 => fs::remove_file(&path).expect("removed"),
            1 => fs::write(&path, vec![0; usize::try_from(file.length).expect("small")]).expect("zeroed"),
            _ => fs::OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(file.length / 2)).expect("cut"),
        }
        let content = place.start(&sample);
        prop_assert!(!content.have().is_full(), "the damage is seen");
        prop_assert!(!content.is_published());
        sample.assert_reads(&content);
        sample.store_all(&content);
        content.publish().expect("healed content");
        sample.assert_at(&place.target());
    }
}

#[test]
fn a_zeroed_payload_of_the_right_size_is_not_reported_complete() {
    let sample = Sample::single(40 * PIECE as usize + 77, 3);
    let place = Place::new();
    let content = place.start(&sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    drop(content);
    let file = fs::OpenOptions::new().write(true).open(place.target().join("tree")).expect("the file");
    overwrite(&file, &vec![0; sample.data.len()], 0);
    let opened = place.open(&sample);
    assert_eq!(opened.have.count(), 0);
    assert_eq!(opened.to_check, sample.pieces());
    assert_eq!(check(&opened.content).count(), 0);
}

#[test]
fn bytes_changed_behind_an_unchanged_time_are_caught_by_the_spot_check() {
    let sample = Sample::single(PIECE as usize, 3); // of one piece, which the sample must hit
    let place = Place::new();
    let content = place.start(&sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    drop(content);
    let file = fs::OpenOptions::new().write(true).open(place.target().join("tree")).expect("the file");
    let modified = file.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    overwrite(&file, &[0; 64], 100);
    file.set_modified(modified).expect("the time as it was");
    drop(file);
    assert!(place.open(&sample).have.is_empty());
    assert!(check(&place.open(&sample).content).is_empty());
}

#[test]
fn content_that_is_already_at_its_target_is_verified_and_adopted_there() {
    let sample = Sample::tree(&[100, 0, 70_000, 33_000, 0], 5);
    let place = Place::new();
    sample.write_to(&place.target());
    let opened = place.open(&sample);
    assert_eq!((opened.have.count(), opened.to_check), (0, sample.pieces()));
    assert!(check(&opened.content).is_full());
    assert!(opened.content.is_published());
    assert!(!place.target().join(".narrows").exists());
    opened.content.publish().expect("it is there already");
    assert_eq!(place.open(&sample).to_check, 0);
}

#[test]
fn right_pieces_of_an_older_copy_are_reused_and_the_copy_stays_until_it_is_replaced() {
    let sample = Sample::tree(&[90_000, 50_000, 70_000], 6);
    let place = Place::new();
    sample.write_to(&place.target());
    let first = sample.path(&place.target(), &sample.meta.files[0].path);
    fs::write(&first, b"an older version").expect("a file");
    let content = place.start(&sample);
    let have = content.have();
    let expected: Vec<u32> = (90_000_u32.div_ceil(PIECE)..sample.pieces()).collect();
    assert_eq!(have.iter_ones().collect::<Vec<_>>(), expected);
    sample.assert_reads(&content);
    assert_eq!(fs::read(&first).expect("still there"), b"an older version");
    have.iter_missing().for_each(|piece| sample.store(&content, piece));
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
}

#[test]
fn a_file_that_is_too_long_is_not_taken_for_right() {
    let sample = Sample::single(2 * PIECE as usize, 7);
    let place = Place::new();
    fs::create_dir_all(place.target()).expect("a folder");
    fs::write(
        place.target().join("tree"),
        [&sample.data[..], b"and more"].concat(),
    )
    .expect("a file");
    let content = place.start(&sample);
    assert!(content.have().is_full() && !content.is_published());
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
}

#[test]
fn verify_all_finds_what_rotted_while_it_was_seeded() {
    let sample = Sample::tree(&[90_000, 0, 50_000], 8);
    let place = Place::new();
    let content = place.start(&sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    let go = AtomicBool::new(false);
    assert!(content.verify_all(&|_| {}, &go).expect("a check").is_full());
    let path = sample.path(&place.target(), &sample.meta.files[2].path);
    let file = fs::OpenOptions::new().write(true).open(path).expect("the file");
    overwrite(&file, b"rot", 49_990);
    let have = content.verify_all(&|_| {}, &go).expect("a check");
    assert_eq!(have.iter_missing().collect::<Vec<_>>(), [sample.pieces() - 1]);
    assert!(!content.is_published());
    sample.assert_reads(&content);
    sample.store(&content, sample.pieces() - 1);
    content.publish().expect("healed content");
    sample.assert_at(&place.target());
}

#[test]
fn a_check_can_be_stopped_and_goes_on_later() {
    let sample = Sample::single(1024 * PIECE as usize, 9); // many more than cores
    let place = Place::new();
    sample.write_to(&place.target());
    let content = place.open(&sample).content;
    let stop = AtomicBool::new(false);
    let stopped = content.check(
        &|done| stop.store(done >= 3, std::sync::atomic::Ordering::Relaxed),
        &stop,
    );
    assert!(matches!(stopped, Err(StorageError::Stopped)), "{stopped:?}");
    assert!((3..sample.pieces()).contains(&content.have().count()));
    assert!(check(&content).is_full());
}

#[test]
fn space_that_is_set_aside_is_never_taken_for_content() {
    let sample = Sample::tree(&[90_000, 50_000], 10);
    let place = Place::new();
    let content = place.start(&sample);
    content.reserve().expect("room");
    sample.store(&content, 1);
    content.close().expect("a close");
    drop(content);
    fs::remove_file(place.record(&sample)).expect("a record");
    assert_eq!(place.start(&sample).have().iter_ones().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_piece_with_a_wrong_hash_or_length_is_not_written() {
    let sample = Sample::single(3 * PIECE as usize + 5, 11);
    let place = Place::new();
    let content = place.start(&sample);
    assert_eq!(
        content.store(0, &sample.blocks(1)).expect("no error"),
        Stored::HashWrong
    );
    for (piece, blocks) in [
        (0, sample.blocks(3)),
        (3, sample.blocks(0)),
        (4, vec![Bytes::new()]),
        (u32::MAX, vec![]),
    ] {
        assert!(matches!(
            content.store(piece, &blocks),
            Err(StorageError::OutOfRange { .. })
        ));
    }
    assert!(content.have().is_empty());
    assert!(!place.staging(&sample).exists());
}

#[test]
fn many_threads_store_read_and_sync_at_once() {
    let sample = Sample::tree(&[400_000, 3, 0, 90_000, 200_000, 16_384], 12);
    let place = Place::new();
    let content = place.start(&sample);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (sample, content) = (&sample, &content);
            scope.spawn(move || {
                for piece in (0..sample.pieces()).filter(|piece| piece % 4 == thread) {
                    sample.store(content, piece);
                    content.sync().expect("a sync");
                }
                sample.assert_reads_of(content, thread);
            });
        }
    });
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
}

impl Sample {
    fn assert_reads_of(&self, content: &narrows_storage::Content, thread: u32) {
        for piece in (0..self.pieces()).filter(|piece| piece % 4 == thread) {
            let mut out = bytes::BytesMut::new();
            content.read(piece, 0, self.meta.piece_size(piece), &mut out).expect("a piece");
            assert!(out == self.piece(piece));
        }
    }
}
