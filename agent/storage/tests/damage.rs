//! What was published and is not whole any more: noticed, remembered over every kill, healed in place.

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{PIECE, Place, Sample, check, overwrite};
use narrows_storage::{Content, Looked, StorageError};
use proptest::prelude::*;
use sha1::Digest;

fn published(place: &Place, sample: &Sample) -> Content {
    let content = place.start(sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    content
}

fn file(place: &Place, sample: &Sample, index: usize) -> PathBuf {
    sample.path(&place.target(), &sample.meta.files[index].path)
}

/// Changes bytes and nothing else: size, time and inode stay.
fn rot(place: &Place, sample: &Sample, index: usize, at: u64) {
    let path = file(place, sample, index);
    let file = fs::OpenOptions::new().write(true).open(path).expect("the file");
    let modified = file.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    overwrite(&file, b"rotten bytes", at);
    file.set_modified(modified).expect("the time as it was");
}

fn all_files(sample: &Sample) -> std::ops::Range<usize> {
    0..sample.meta.files.len()
}

/// The shell's part: what a look saw is checked; answers how many pieces were missing.
fn look_and_heal(content: &Content, sample: &Sample) -> u32 {
    match content.look(all_files(sample)) {
        Looked::Same => return 0,
        Looked::Changed(files) => content.doubt(&[], &files).expect("noted"),
        Looked::Gone => panic!("it is there"),
    }
    assert!(!content.is_published());
    let have = check(content);
    have.iter_missing().for_each(|piece| sample.store(content, piece));
    content.publish().expect("healed content");
    have.len() - have.count()
}

#[test]
fn what_verify_finds_is_known_at_the_next_start_wherever_it_is_killed() {
    // many files, so that the spot check of a start sees the rot rarely by itself
    let sample = Sample::tree(&[40 * PIECE as usize, 40 * PIECE as usize], 20);
    let bad = 50;
    let mut learned = 0;
    for kill_at in (40..=80).step_by(4) {
        let place = Place::new();
        let content = published(&place, &sample);
        rot(&place, &sample, 1, 10 * u64::from(PIECE) + 7);
        let stop = AtomicBool::new(false);
        let result = content.verify_all(&|done| stop.store(done >= kill_at, Ordering::Relaxed), &stop);
        let found = !content.have().has(bad);
        assert!(found || matches!(result, Err(StorageError::Stopped)));
        drop(content);
        if found {
            learned += 1;
            let next = place.start(&sample);
            assert!(
                !next.have().has(bad) && !next.is_published(),
                "killed at {kill_at}"
            );
            sample.assert_reads(&next);
            assert!(!place.staging(&sample).exists(), "killed at {kill_at}");
        }
    }
    assert!(learned > 2);
}

#[test]
fn what_verify_finds_is_known_at_the_next_start_even_if_it_cannot_be_written_down() {
    let sample = Sample::tree(&[40 * PIECE as usize, 40 * PIECE as usize], 21);
    let place = Place::new();
    let content = published(&place, &sample);
    rot(&place, &sample, 0, 3);
    let new = place.record(&sample).with_extension("resume.new");
    fs::create_dir(&new).expect("something in the way of every record");
    let result = content.verify_all(&|_| {}, &AtomicBool::new(false));
    assert!(result.is_err());
    assert!(!content.is_published() && !content.have().has(0));
    // the same process goes on from what it knows
    assert!(content.check(&|_| {}, &AtomicBool::new(false)).is_err());
    assert!(!content.is_published() && !content.have().has(0));
    drop(content);
    fs::remove_dir(&new).expect("out of the way");
    let opened = place.open(&sample);
    assert!(!opened.have.has(0));
    assert!(!check(&opened.content).has(0));
}

#[test]
fn rot_that_a_start_happens_to_see_is_known_at_the_next_one() {
    let sample = Sample::single(PIECE as usize, 22); // of one piece, which the sample must hit
    let place = Place::new();
    drop(published(&place, &sample));
    rot(&place, &sample, 0, 100);
    drop(place.open(&sample)); // killed before its check
    let record = fs::read_to_string(place.record(&sample)).expect("a record");
    assert!(record.contains("repairing"), "{record}");
}

#[test]
fn damage_is_healed_in_place_without_a_second_copy_and_users_files_stay() {
    let sample = Sample::tree(&[3 * PIECE as usize, 0, 5 * PIECE as usize], 23);
    let place = Place::new();
    let content = published(&place, &sample);
    let users = place.target().join("tree/licence.key");
    fs::write(&users, b"the user's").expect("a file");
    rot(&place, &sample, 2, 2 * u64::from(PIECE));
    let have = content.verify_all(&|_| {}, &AtomicBool::new(false)).expect("a check");
    assert_eq!(have.iter_missing().collect::<Vec<_>>(), [5]);
    assert_eq!((content.pieces_damaged(), content.pieces_healed()), (1, 0));
    assert_eq!(content.needed_space().expect("a look"), 0);
    sample.assert_reads(&content);
    assert!(!place.target().join(".narrows").exists());
    drop(content); // killed in the middle
    let content = place.start(&sample);
    assert_eq!(content.have(), have);
    content.reserve().expect("nothing is needed");
    sample.store(&content, 5);
    assert_eq!(content.pieces_healed(), 1);
    content.publish().expect("healed content");
    sample.assert_at(&place.target());
    assert_eq!(fs::read(&users).expect("still there"), b"the user's");
    assert!(!place.target().join(".narrows").exists());
    drop(content);
    assert_eq!(place.open(&sample).to_check, 0, "it is complete again");
}

#[test]
fn what_a_clean_stop_in_the_middle_of_healing_left_is_not_read_again() {
    let sample = Sample::tree(&[4 * PIECE as usize, 60 * PIECE as usize], 24);
    let place = Place::new();
    let content = published(&place, &sample);
    fs::write(file(&place, &sample, 0), b"other").expect("a file");
    assert_eq!(content.look(all_files(&sample)), Looked::Changed(vec![0]));
    content.doubt(&[], &[0]).expect("noted");
    let have = check(&content);
    assert_eq!(have.iter_missing().collect::<Vec<_>>(), [0, 1, 2, 3]);
    (0..2).for_each(|piece| sample.store(&content, piece));
    content.close().expect("a clean stop");
    drop(content);
    let opened = place.open(&sample);
    assert_eq!((opened.have.count(), opened.to_check), (62, 2));
    assert_eq!(check(&opened.content).count(), 62);
}

#[test]
fn a_look_sees_every_change_that_a_stat_can_see_and_only_that_is_fetched() {
    let sample = Sample::tree(&[2 * PIECE as usize, 0, 3 * PIECE as usize, 100], 25);
    let place = Place::new();
    let content = published(&place, &sample);
    let path = |index| file(&place, &sample, index);
    assert_eq!(look_and_heal(&content, &sample), 0);
    // touched: read again, nothing is missing, and then it is as before
    let touched = fs::OpenOptions::new().write(true).open(path(2)).expect("the file");
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("another time");
    assert_eq!(content.look(all_files(&sample)), Looked::Changed(vec![2]));
    assert_eq!(look_and_heal(&content, &sample), 0);
    assert_eq!(content.look(all_files(&sample)), Looked::Same);
    // one byte, a deleted file, an empty one that is deleted, one too long, one too short
    let open = fs::OpenOptions::new().write(true).open(path(0)).expect("the file");
    overwrite(&open, &[sample.data[5] ^ 1], 5);
    open.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("a time");
    assert_eq!(look_and_heal(&content, &sample), 1);
    fs::remove_file(path(2)).expect("removed");
    assert_eq!(look_and_heal(&content, &sample), 3);
    fs::remove_file(path(1)).expect("removed");
    assert_eq!(look_and_heal(&content, &sample), 0);
    open.set_len(3 * u64::from(PIECE)).expect("longer");
    assert_eq!(look_and_heal(&content, &sample), 0);
    open.set_len(u64::from(PIECE)).expect("shorter");
    assert_eq!(look_and_heal(&content, &sample), 1);
    fs::remove_file(path(3)).expect("removed");
    fs::create_dir(path(3)).expect("something else");
    assert_eq!(content.look(3..4), Looked::Changed(vec![3]));
    fs::remove_dir(path(3)).expect("removed");
    assert_eq!(look_and_heal(&content, &sample), 1);
    sample.assert_at(&place.target());
    assert_eq!(content.look(all_files(&sample)), Looked::Same);
}

#[test]
fn doubtful_pieces_are_not_read_for_anyone_before_they_are_checked() {
    let sample = Sample::tree(&[3 * PIECE as usize, 3 * PIECE as usize], 26);
    let place = Place::new();
    let content = published(&place, &sample);
    fs::write(file(&place, &sample, 0), b"other").expect("a file");
    content.doubt(&[5], &[0]).expect("noted");
    assert_eq!(content.have().iter_ones().collect::<Vec<_>>(), [3, 4]);
    sample.assert_reads(&content);
    drop(content); // killed before the check
    let opened = place.open(&sample);
    assert!(!opened.have.has(0) && !opened.have.has(5));
    assert_eq!(
        check(&opened.content).iter_missing().collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn a_folder_that_is_gone_is_seen_and_fetched_as_for_the_first_time() {
    let sample = Sample::tree(&[3 * PIECE as usize], 27);
    let place = Place::new();
    let content = published(&place, &sample);
    fs::remove_dir_all(place.target().join("tree")).expect("removed");
    assert_eq!(content.look(all_files(&sample)), Looked::Gone);
    drop(content);
    let content = place.start(&sample);
    assert!(content.have().is_empty() && !content.is_published());
    sample.store(&content, 0);
    assert!(
        !place.target().join("tree").exists(),
        "nothing is seen before it is whole"
    );
    (1..sample.pieces()).for_each(|piece| sample.store(&content, piece));
    content.publish().expect("whole content");
    fs::rename(place.target(), place.folder.path().join("elsewhere")).expect("renamed");
    assert_eq!(content.look(all_files(&sample)), Looked::Gone);
}

#[test]
fn a_recheck_finds_rot_and_blames_nothing_else() {
    let sample = Sample::tree(&[8 * PIECE as usize], 28);
    let place = Place::new();
    let content = published(&place, &sample);
    rot(&place, &sample, 0, u64::from(PIECE) + 1);
    assert_eq!(
        content.look(all_files(&sample)),
        Looked::Same,
        "a stat cannot see it"
    );
    assert_eq!(content.recheck(&[0, 1, 2, 7]), [1]);
    let file = fs::OpenOptions::new().write(true).open(file(&place, &sample, 0)).expect("the file");
    file.set_len(6 * u64::from(PIECE)).expect("cut");
    assert_eq!(content.recheck(&[5, 6, 7]), [6, 7]);
    // a start that comes before the check reads all of a file that was cut
    content.doubt(&[6], &[]).expect("noted");
    assert!(content.have().is_empty());
    assert_eq!(check(&content).iter_missing().collect::<Vec<_>>(), [1, 6, 7]);
    // while it is fetched, too
    let (place, sample) = (Place::new(), Sample::single(4 * PIECE as usize, 29));
    let content = place.start(&sample);
    (0..3).for_each(|piece| sample.store(&content, piece));
    content.sync().expect("synced");
    let staged = place.staging(&sample).join("tree");
    let staged = fs::OpenOptions::new().write(true).open(staged).expect("the file");
    overwrite(&staged, b"rot", 1);
    assert_eq!(content.recheck(&[0, 1, 2, 3]), [0]);
    content.doubt(&[0], &[]).expect("noted");
    assert_eq!(check(&content).iter_ones().collect::<Vec<_>>(), [1, 2]);
    drop(content);
    assert_eq!(
        place.start(&sample).have().iter_ones().collect::<Vec<_>>(),
        [1, 2]
    );
}

#[derive(Clone, Debug)]
enum Step {
    Rot(usize, u64),
    Write(usize),
    Delete(usize),
    Look,
    Verify,
    /// Of the missing pieces.
    Store(u32),
    Sync,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_usize, 0..u64::from(PIECE)).prop_map(|(file, at)| Step::Rot(file, at)),
        (0..3_usize).prop_map(Step::Write),
        (0..3_usize).prop_map(Step::Delete),
        Just(Step::Look),
        Just(Step::Verify),
        (0..20_u32).prop_map(Step::Store),
        Just(Step::Sync),
        Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_to_published_files_they_are_found_out_and_healed(steps in steps()) {
        let sample = Sample::tree(&[3 * PIECE as usize, 4 * PIECE as usize + 100, 2 * PIECE as usize], 30);
        let place = Place::new();
        let mut content = published(&place, &sample);
        for (count, step) in steps.into_iter().enumerate() {
            let go = AtomicBool::new(false);
            match step {
                Step::Rot(index, at) if file(&place, &sample, index).exists() => rot(&place, &sample, index, at),
                Step::Rot(..) => {}
                Step::Write(index) => fs::write(file(&place, &sample, index), vec![0; count]).expect("a file"),
                Step::Delete(index) => drop(fs::remove_file(file(&place, &sample, index))),
                Step::Look => if let Looked::Changed(files) = content.look(0..3) {
                    content.doubt(&[], &files).expect("noted");
                    check(&content);
                },
                Step::Verify => drop(content.verify_all(&|_| {}, &go).expect("a check")),
                Step::Store(count) => {
                    let missing: Vec<u32> = content.have().iter_missing().take(count as usize).collect();
                    missing.into_iter().for_each(|piece| sample.store(&content, piece));
                }
                Step::Sync => content.sync().expect("synced"),
                Step::Kill => {
                    drop(content);
                    content = place.start(&sample);
                }
            }
        }
        let have = content.verify_all(&|_| {}, &AtomicBool::new(false)).expect("a check");
        sample.assert_reads(&content);
        drop(content);
        let content = place.start(&sample);
        prop_assert_eq!(&content.have(), &have, "what was found is remembered");
        have.iter_missing().for_each(|piece| sample.store(&content, piece));
        content.publish().expect("healed content");
        sample.assert_at(&place.target());
        prop_assert_eq!(content.look(0..3), Looked::Same);
        drop(content);
        prop_assert!(place.start(&sample).is_published());
    }
}

#[test]
fn a_record_from_before_learns_the_volume_at_the_next_start() {
    let sample = Sample::single(2 * PIECE as usize, 31);
    let place = Place::new();
    drop(published(&place, &sample));
    let place_in = |text: &str| text.split_once("\"place\":").map(|(_, place)| place.trim_end().to_owned());
    let written = fs::read_to_string(place.record(&sample)).expect("a record");
    let (_, json) = written.split_once('\n').expect("two lines");
    let known = place_in(json).expect("a place");
    let old = json.trim_end().replace(&format!(",\"place\":{known}"), "}");
    assert!(
        place_in(&old).is_none() && old.ends_with(']') || old.ends_with('}'),
        "{old}"
    );
    let sum = sha1::Sha1::digest(&old);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(place.record(&sample), format!("{sum}\n{old}\n")).expect("an old record");
    assert_eq!(place.open(&sample).to_check, 0, "it is understood");
    let now = fs::read_to_string(place.record(&sample)).expect("a record");
    assert_eq!(place_in(&now), Some(known));
}
