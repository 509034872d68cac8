//! Symbolic links of a content (BEP 47): written, made when it is published, never followed, and healed where
//! they stand.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::{PIECE, Place, Sample, check};
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::create::DraftFile;
use narrows_storage::{Content, CreateError, CreateOptions, Looked, OpenFiles, create};

fn path(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

fn link(from: &str, to: &str) -> DraftFile {
    DraftFile {
        path: path(from),
        link: Some(path(to)),
        ..DraftFile::default()
    }
}

fn file(name: &str, pieces: u64) -> DraftFile {
    DraftFile::plain(path(name), pieces * u64::from(PIECE) + 5)
}

/// `current` leads to the folder `v1`; others to files, also over links.
fn release() -> Sample {
    let files = vec![
        link("current", "v1"),
        file("v1/bin/run", 2),
        link("v1/bin/start", "v1/bin/run"),
        file("v1/readme", 0),
        link("v1/deep/er/readme", "current/readme"),
    ];
    Sample::of(files, 1)
}

fn published(place: &Place, sample: &Sample) -> Content {
    let content = place.start(sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    content
}

fn all(sample: &Sample) -> std::ops::Range<usize> {
    0..sample.meta.files.len()
}

fn link_to(path: &Path) -> String {
    let text = fs::read_link(path).expect("a link");
    text.to_str().expect("text").to_owned()
}

/// The shell's part.
fn look_and_check(content: &Content, sample: &Sample) -> Vec<usize> {
    let Looked::Changed(files) = content.look(all(sample)) else {
        panic!("a change that is not seen");
    };
    content.doubt(&[], &files).expect("noted");
    assert!(!content.is_published(), "it is not said to be whole");
    assert!(check(content).is_full(), "no byte is in doubt");
    assert!(content.is_published());
    assert_eq!(content.look(all(sample)), Looked::Same);
    files
}

#[test]
fn links_are_made_when_content_is_published_and_lead_inside() {
    let (place, sample) = (Place::new(), release());
    let content = published(&place, &sample);
    sample.assert_at(&place.target());
    let tree = place.target().join("tree");
    for (from, text) in [
        ("current", "v1"),
        ("v1/bin/start", "run"),
        ("v1/deep/er/readme", "../../../current/readme"),
    ] {
        assert_eq!(link_to(&tree.join(from)), text);
    }
    let same = |a: &str, b: &str| fs::read(tree.join(a)).expect("a") == fs::read(tree.join(b)).expect("b");
    assert!(same("v1/bin/start", "v1/bin/run") && same("v1/deep/er/readme", "v1/readme"));
    assert_eq!(content.look(all(&sample)), Looked::Same);
    drop(content);
    let opened = place.open(&sample);
    assert!(opened.content.is_published() && opened.to_check == 0);
    // nothing is left of a torrent that is not wanted any more, but what stands at its target
    opened.content.forget().expect("forgotten");
    assert!(!place.target().join(".narrows").exists());
}

#[test]
fn what_create_makes_of_a_tree_with_links_is_the_same_tree_elsewhere() {
    let (source, sample) = (Place::new(), release());
    sample.write_to(&source.target());
    let tree = source.target().join("tree");
    fs::remove_file(tree.join("v1/bin/start")).expect("a link");
    symlink(".././bin/run", tree.join("v1/bin/start")).expect("the same in other words");
    let options = CreateOptions {
        piece_length: Some(PIECE),
        ..CreateOptions::default()
    };
    let bytes = create(&tree, options, &|_, _| {}).expect("a torrent").torrent;
    let meta = Arc::new(Metainfo::parse(&bytes).expect("readable"));
    let mut files = meta.files.clone();
    files.sort_by_key(|file| sample.meta.files.iter().position(|other| other.path == file.path));
    let links = |files: &[narrows_protocol::metainfo::File]| {
        let both = files.iter().map(|file| (file.path.clone(), file.link.clone()));
        both.collect::<Vec<_>>()
    };
    assert_eq!(links(&files), links(&sample.meta.files));
    // the original is whole as it is, whatever the words of its links
    let seeder = Content::open(
        Arc::clone(&meta),
        &source.target(),
        &source.state(),
        &OpenFiles::new(8),
    )
    .expect("opens");
    check(&seeder.content);
    assert!(seeder.content.is_published());
    assert_eq!(link_to(&tree.join("v1/bin/start")), ".././bin/run");
}

#[test]
fn a_link_that_was_changed_or_removed_is_healed_and_what_stood_there_is_kept() {
    let (place, sample) = (Place::new(), release());
    let content = published(&place, &sample);
    let tree = place.target().join("tree");
    fs::remove_file(tree.join("current")).expect("a link");
    assert_eq!(look_and_check(&content, &sample), [0]);
    fs::remove_file(tree.join("current")).expect("a link");
    symlink("/etc", tree.join("current")).expect("a user's");
    fs::remove_file(tree.join("v1/bin/start")).expect("a link");
    fs::write(tree.join("v1/bin/start"), "a user's").expect("a file");
    assert_eq!(look_and_check(&content, &sample), [0, 2]);
    sample.assert_at(&place.target());
    let kept = place.target().join(".narrows/replaced/tree");
    assert_eq!(link_to(&kept.join("current")), "/etc");
    assert_eq!(fs::read(kept.join("v1/bin/start")).expect("kept"), b"a user's");
}

#[test]
fn a_changed_link_is_seen_by_verify_and_at_a_start() {
    let (place, sample) = (Place::new(), release());
    let content = published(&place, &sample);
    let start = place.target().join("tree/v1/bin/start");
    fs::remove_file(&start).expect("a link");
    content.verify_all(&|_| {}, &AtomicBool::new(false)).expect("hashed");
    assert!(content.is_published() && link_to(&start) == "run");
    drop(content);
    fs::remove_file(&start).expect("a link");
    symlink("../readme", &start).expect("another");
    let opened = place.open(&sample);
    assert!(!opened.content.is_published());
    check(&opened.content);
    assert!(opened.content.is_published() && link_to(&start) == "run");
}

#[test]
fn a_new_version_replaces_links_by_files_and_folders_and_the_reverse() {
    let place = Place::new();
    let old = release();
    drop(published(&place, &old));
    fs::write(place.target().join("tree/v1/users"), "a user's").expect("a file");
    symlink("v1", place.target().join("tree/mine")).expect("a user's link");
    let new = Sample::of(
        vec![
            file("current/readme", 1),
            file("v1/bin/start", 1),
            link("v1/readme", "current/readme"),
            file("v2/run", 1),
        ],
        2,
    );
    drop(published(&place, &new));
    new.assert_at(&place.target());
    let tree = place.target().join("tree");
    assert!(!tree.join("v1/bin/run").exists() && !tree.join("v1/deep").exists());
    assert_eq!(
        fs::read(tree.join("v1/users")).expect("carried over"),
        b"a user's"
    );
    assert_eq!(link_to(&tree.join("mine")), "v1");
    assert!(
        !place.target().join(".narrows").exists(),
        "nothing of ours is kept"
    );
    // and back: a folder of ours gives way to a link
    drop(published(&place, &old));
    old.assert_at(&place.target());
    assert_eq!(
        fs::read(tree.join("v1/users")).expect("carried over"),
        b"a user's"
    );
    assert!(
        !place.target().join(".narrows").exists(),
        "nothing of ours is kept"
    );
}

#[test]
fn users_files_in_a_folder_that_becomes_a_link_are_kept() {
    let place = Place::new();
    let old = Sample::of(vec![file("current/readme", 1), file("v1/run", 1)], 3);
    drop(published(&place, &old));
    fs::write(place.target().join("tree/current/users"), "a user's").expect("a file");
    let new = Sample::of(vec![link("current", "v1"), file("v1/run", 1)], 3);
    drop(published(&place, &new));
    new.assert_at(&place.target());
    let kept = place.target().join(".narrows/replaced/tree/current");
    assert_eq!(fs::read(kept.join("users")).expect("kept"), b"a user's");
    assert!(!kept.join("readme").exists(), "that was ours");
}

#[test]
fn links_that_cannot_travel_are_refused_with_the_path_and_what_to_do() {
    for (from, text, said) in [
        ("out", "../elsewhere", "out of the content"),
        ("sub/out", "../../tree/file", "out of the content"),
        ("absolute", "/etc/passwd", "absolute"),
        ("dangling", "nothing", "leads to nothing"),
        ("empty", "sub/hollow", "leads to nothing"),
        ("loop", "loop", "to itself"),
        ("self", ".", "own folder"),
        ("back", "sub/../file", "in its middle"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("sub/hollow")).expect("folders");
        fs::write(tree.join("file"), "bytes").expect("a file");
        symlink(text, tree.join(from)).expect("a link");
        let error = create(&tree, CreateOptions::default(), &|_, _| {}).expect_err(from);
        assert!(matches!(error, CreateError::Link { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(tree.join(from).to_str().expect("text")), "{error}");
        assert!(error.contains(said) && error.contains("relative path"), "{error}");
    }
}
