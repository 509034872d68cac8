//! What a torrent says of files beside their bytes (BEP 47): written, read, published, and healed like bytes.
#![cfg(unix)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use common::{PIECE, Place, Sample, check};
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::create::DraftFile;
use narrows_storage::{Content, CreateOptions, Looked, create};

/// A program, and a file that is none.
fn program() -> Sample {
    let file = |name: &str, executable| DraftFile {
        path: vec!["bin".to_owned(), name.to_owned()],
        length: 2 * u64::from(PIECE) + 5,
        executable,
        link: None,
    };
    Sample::of(vec![file("install.sh", true), file("readme", false)], 1)
}

fn published(place: &Place, sample: &Sample) -> Content {
    let content = place.start(sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    content
}

fn script(place: &Place) -> PathBuf {
    place.target().join("tree/bin/install.sh")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn is_executable(path: &Path) -> bool {
    // who may read may execute
    mode(path) & 0o100 != 0 && mode(path) & 0o111 == (mode(path) & 0o444) >> 2
}

#[test]
fn create_says_which_files_their_owner_may_execute() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).expect("a folder");
    for (name, mode) in [("a", 0o755), ("b", 0o644), ("c", 0o500), ("d", 0o611)] {
        fs::write(tree.join(name), "bytes").expect("a file");
        chmod(&tree.join(name), mode);
    }
    let executable = |path: &Path| {
        let bytes = create(path, CreateOptions::default(), &|_, _| {}).expect("a torrent").torrent;
        let meta = Metainfo::parse(&bytes).expect("readable");
        meta.files.iter().map(|file| file.executable).collect::<Vec<_>>()
    };
    assert_eq!(executable(&tree), [true, false, true, false]);
    assert_eq!(executable(&tree.join("a")), [true]);
    assert_eq!(executable(&tree.join("b")), [false]);
}

#[test]
fn programs_are_published_executable_and_other_files_are_not() {
    let (place, sample) = (Place::new(), program());
    let _content = published(&place, &sample);
    assert!(is_executable(&script(&place)), "{:o}", mode(&script(&place)));
    assert_eq!(mode(&place.target().join("tree/bin/readme")) & 0o111, 0);
}

#[test]
fn a_lost_execute_bit_is_damage_and_is_given_back_without_a_byte_fetched() {
    let (place, sample) = (Place::new(), program());
    let content = published(&place, &sample);
    assert_eq!(content.look(0..2), Looked::Same);
    chmod(&script(&place), 0o640);
    assert_eq!(content.look(0..2), Looked::Changed(vec![0]));
    content.doubt(&[], &[0]).expect("noted");
    assert!(!content.is_published(), "it is not said to be whole");
    assert!(check(&content).is_full());
    assert!(content.is_published());
    assert_eq!(mode(&script(&place)), 0o750);
    assert_eq!(content.look(0..2), Looked::Same);
}

#[test]
fn a_lost_execute_bit_is_seen_by_verify_and_at_a_start() {
    let (place, sample) = (Place::new(), program());
    let content = published(&place, &sample);
    chmod(&script(&place), 0o644);
    content.verify_all(&|_| {}, &AtomicBool::new(false)).expect("hashed");
    assert!(content.is_published() && is_executable(&script(&place)));
    drop(content);
    chmod(&script(&place), 0o644);
    let opened = place.open(&sample);
    assert!(!opened.content.is_published());
    assert_eq!(opened.to_check, 0, "no byte is in doubt");
    check(&opened.content);
    assert!(opened.content.is_published() && is_executable(&script(&place)));
}

#[test]
fn a_copy_that_is_found_is_made_executable_and_bits_that_no_torrent_forbids_stay() {
    let (place, sample) = (Place::new(), program());
    sample.write_to(&place.target());
    let readme = place.target().join("tree/bin/readme");
    chmod(&readme, 0o755);
    let content = place.start(&sample);
    assert!(content.is_published() && is_executable(&script(&place)));
    assert_eq!(mode(&readme), 0o755);
    assert_eq!(content.look(0..2), Looked::Same);
}

#[test]
fn a_program_that_is_mended_in_place_is_executable_again() {
    let (place, sample) = (Place::new(), program());
    let content = published(&place, &sample);
    fs::remove_file(script(&place)).expect("a file");
    assert_eq!(content.look(0..2), Looked::Changed(vec![0]));
    content.doubt(&[], &[0]).expect("noted");
    let have = check(&content);
    have.iter_missing().for_each(|piece| sample.store(&content, piece));
    content.publish().expect("healed");
    assert!(is_executable(&script(&place)));
    sample.assert_at(&place.target());
}

#[test]
fn a_users_version_that_is_kept_keeps_its_rights() {
    let (place, sample) = (Place::new(), program());
    let content = published(&place, &sample);
    let changed = vec![b'x'; usize::try_from(sample.meta.files[0].length).expect("small")];
    fs::write(script(&place), changed).expect("a user's change");
    chmod(&script(&place), 0o4750);
    assert_eq!(content.look(0..2), Looked::Changed(vec![0]));
    content.doubt(&[], &[0]).expect("noted");
    let have = check(&content);
    have.iter_missing().for_each(|piece| sample.store(&content, piece));
    content.publish().expect("healed");
    let kept = place.target().join(".narrows/replaced/tree/bin/install.sh");
    let kept = fs::metadata(kept).expect("kept").permissions().mode();
    assert_eq!(kept & 0o7777, 0o750, "but runs with no other user's rights");
}
