//! Where content goes, what it replaces, and where it never goes.

mod common;

use std::fs;
use std::io::Read;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{PIECE, Place, Sample, check};
use narrows_storage::{Content, OpenFiles, StorageError};

#[test]
fn nothing_is_seen_at_the_target_before_the_content_is_whole() {
    let sample = Sample::tree(&[40_000, 10], 1);
    let place = Place::new();
    let content = place.start(&sample);
    (1..sample.pieces()).for_each(|piece| sample.store(&content, piece));
    content.sync().expect("a sync");
    assert!(matches!(
        content.publish(),
        Err(StorageError::Incomplete { missing: 1 })
    ));
    assert!(!place.target().join("tree").exists());
    sample.store(&content, 0);
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
}

#[test]
fn a_new_version_replaces_what_is_ours_and_leaves_nothing_of_it() {
    let (old, new) = (
        Sample::tree(&[40_000, 10, 0], 1),
        Sample::tree(&[40_000, 50_000], 2),
    );
    let place = Place::new();
    for sample in [&old, &new] {
        let content = place.start(sample);
        sample.store_all(&content);
        content.publish().expect("whole content");
        sample.assert_at(&place.target());
    }
    assert!(!place.target().join("tree/file 2 äöü").exists());
    assert!(!place.target().join(".narrows").exists());
}

#[cfg_attr(windows, ignore = "Windows 10 can, Wine cannot replace an open file")]
#[test]
fn a_file_is_replaced_by_a_new_one_under_its_readers() {
    let (old, new) = (Sample::single(40_000, 1), Sample::single(30_000, 2));
    let place = Place::new();
    old.write_to(&place.target());
    let mut reader = fs::File::open(place.target().join("tree")).expect("a reader");
    let content = place.start(&new);
    new.store_all(&content);
    content.publish().expect("whole content");
    new.assert_at(&place.target());
    let mut seen = vec![0; 40_000];
    reader.read_exact(&mut seen).expect("the old file, whole");
    assert!(seen == old.data);
    // nothing says that it is ours
    old.assert_at(&place.target().join(".narrows/replaced"));
}

#[cfg(unix)]
#[test]
fn users_files_are_rescued_if_the_agent_is_killed_between_swapping_and_tidying_up() {
    let (old, new) = (Sample::tree(&[40_000, 10], 1), Sample::tree(&[40_000, 10], 2));
    let place = Place::new();
    let content = place.start(&new);
    new.store_all(&content);
    content.sync().expect("a sync");
    drop(content);
    // what a kill leaves: both trees swapped, a record that says so, and which tree is which
    old.write_to(&place.target());
    fs::write(place.target().join("tree/notes.txt"), "the user's").expect("a file");
    place.note_exchange(&new);
    let (staged, target) = (place.staging(&new).join("tree"), place.target().join("tree"));
    let aside = place.folder.path().join("aside");
    fs::rename(&staged, &aside).expect("a rename");
    fs::rename(&target, &staged).expect("a rename");
    fs::rename(&aside, &target).expect("a rename");
    let record = fs::read_to_string(place.record(&new)).expect("a record");
    let json = record.split_once('\n').expect("two lines").1.trim_end().replace("fetching", "publishing");
    let sum = <sha1::Sha1 as sha1::Digest>::digest(&json);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(place.record(&new), format!("{sum}\n{json}\n")).expect("a record");

    let content = place.start(&new);
    assert!(content.is_published());
    new.assert_at(&place.target());
    old.assert_at(&place.target().join(".narrows/replaced"));
    let notes = fs::read(place.target().join("tree/notes.txt")).expect("it came back");
    assert_eq!(notes, b"the user's");
    assert!(!place.staging(&new).exists());
}

#[test]
fn reads_go_on_while_it_is_published() {
    let sample = Sample::tree(&[400_000, 10], 1);
    let place = Place::new();
    let content = place.start(&sample);
    sample.store_all(&content);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| (0..20).for_each(|_| sample.assert_reads(&content)));
        content.publish().expect("whole content");
        reader.join().expect("every read is right");
    });
}

#[cfg(unix)]
#[test]
fn symbolic_links_below_the_target_are_refused_and_never_followed() {
    let sample = Sample::tree(&[40_000, 10], 1); // tree/sub0/file 0, tree/file 1
    for link in ["tree", "tree/sub0", "tree/file 1 äöü", ".narrows"] {
        let place = Place::new();
        let outside = place.folder.path().join("outside");
        fs::create_dir(&outside).expect("a folder");
        sample.write_to(&outside);
        let link = place.target().join(link);
        fs::create_dir_all(link.parent().expect("a parent")).expect("folders");
        symlink(&outside, &link).expect("a link");
        let refused = place.try_open(&sample);
        let Err(StorageError::Unsafe { path, .. }) = refused else {
            panic!("{link:?}: {refused:?}")
        };
        assert!(path.starts_with(place.target()));
        assert_eq!(
            fs::read_dir(&outside).expect("a folder").count(),
            1,
            "nothing was written there"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_that_appears_meanwhile_is_not_written_through() {
    let sample = Sample::tree(&[40_000, 10], 1);
    let place = Place::new();
    let outside = place.folder.path().join("outside");
    fs::create_dir_all(outside.join("tree/sub0")).expect("folders");
    let content = place.start(&sample);
    fs::create_dir_all(place.target().join(".narrows")).expect("a folder");
    symlink(&outside, place.staging(&sample)).expect("a link");
    assert!(matches!(
        content.store(0, &sample.blocks(0)),
        Err(StorageError::Unsafe { .. })
    ));
    assert!(matches!(content.reserve(), Err(StorageError::Unsafe { .. })));
    assert_eq!(
        fs::read_dir(outside.join("tree/sub0")).expect("a folder").count(),
        0
    );
    assert!(content.have().is_empty());
}

#[cfg(unix)]
#[test]
fn the_target_itself_may_be_a_symbolic_link() {
    let sample = Sample::tree(&[40_000, 10], 1);
    let place = Place::new();
    let real = place.folder.path().join("real");
    fs::create_dir(&real).expect("a folder");
    symlink(&real, place.target()).expect("a link");
    let content = place.start(&sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    sample.assert_at(&real);
}

#[test]
fn a_folder_where_a_file_belongs_is_refused_in_words() {
    let place = Place::new();
    fs::create_dir_all(place.target().join("tree")).expect("a folder");
    let error = place.try_open(&Sample::single(10, 1)).expect_err("refused").to_string();
    let where_it_is = Path::new("target").join("tree").display().to_string();
    assert!(
        error.contains(&where_it_is) && error.contains("is not a file"),
        "{error}"
    );
    fs::remove_dir(place.target().join("tree")).expect("removed");
    fs::write(place.target().join("tree"), "a file").expect("a file");
    let error = place.try_open(&Sample::tree(&[10], 1)).expect_err("refused").to_string();
    assert!(error.contains("is not a folder"), "{error}");
}

#[test]
fn forgetting_removes_what_was_fetched_but_not_what_was_published() {
    let (done, open) = (Sample::tree(&[40_000], 1), Sample::single(PIECE as usize, 2));
    let place = Place::new();
    let content = place.start(&done);
    done.store_all(&content);
    content.publish().expect("whole content");
    content.forget().expect("forgotten");
    done.assert_at(&place.target());
    let elsewhere = Place::new();
    let content = elsewhere.start(&open);
    open.store_all(&content);
    content.sync().expect("a sync");
    content.forget().expect("forgotten");
    assert!(!elsewhere.target().join(".narrows").exists());
    assert!(!elsewhere.record(&open).exists() && !elsewhere.journal(&open).exists());
    assert!(!place.record(&done).exists());
}

#[test]
fn what_a_removed_content_left_is_cleaned_and_nothing_else() {
    use narrows_storage::{OpenFiles, clean_leftovers};
    let (done, half, kept) = (
        Sample::tree(&[40_000], 1),
        Sample::single(40_000, 2),
        Sample::single(9, 3),
    );
    let (place, elsewhere) = (Place::new(), Place::new());
    // whole, half-way and wanted contents of one agent
    for (sample, folder, whole) in [
        (&done, "done", true),
        (&half, "half", false),
        (&kept, "kept", false),
    ] {
        let target = place.target().join(folder);
        let opened =
            Content::open(sample.meta.clone(), &target, &place.state(), &OpenFiles::new(8)).expect("opens");
        sample.store(&opened.content, 0);
        if whole {
            sample.store_all(&opened.content);
            opened.content.publish().expect("whole content");
        } else {
            opened.content.close().expect("closed");
        }
    }
    fs::write(place.target().join("half/own"), "the user's").expect("a file");
    let other = elsewhere.start(&half);
    half.store(&other, 0);
    let staged = place.target().join("half/.narrows");
    assert!(staged.exists());
    let wanted = [(kept.meta.info_hash, place.target().join("kept"))];
    let removed = clean_leftovers(&place.state(), &wanted, &OpenFiles::new(8));
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert!(!staged.exists() && place.target().join("half/own").exists());
    assert!(!place.record(&half).exists() && !place.journal(&half).exists());
    assert!(place.target().join("kept/.narrows").exists() && place.record(&kept).exists());
    assert!(
        elsewhere.staging(&half).exists(),
        "another agent's is not known to this one"
    );
    done.assert_at(&place.target().join("done"));
    assert!(
        place.record(&done).exists(),
        "it stands there, and is known when it is wanted again"
    );
    assert!(clean_leftovers(&place.state(), &wanted, &OpenFiles::new(8)).is_empty());
    // wanted at another target: what was staged at the old one goes, what is known of it stays
    let wanted = [(kept.meta.info_hash, place.target().join("moved"))];
    assert_eq!(
        clean_leftovers(&place.state(), &wanted, &OpenFiles::new(8)).len(),
        1
    );
    assert!(place.record(&kept).exists());
}

#[test]
fn a_tree_of_many_files_needs_few_open_ones() {
    let sample = Sample::tree(&vec![100; 1500], 1);
    let place = Place::new();
    let content = place.start(&sample);
    sample.store_all(&content);
    sample.assert_reads(&content);
    content.sync().expect("a sync");
    #[cfg(target_os = "linux")]
    {
        let open = fs::read_dir("/proc/self/fd").expect("proc").count();
        assert!(open < 700, "{open} files are open");
    }
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
    drop(content);
    assert!(check(&place.open(&sample).content).is_full());
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_as_such_and_heals() {
    if !common::is_root() {
        eprintln!("SKIPPED a_full_disk_is_told_as_such_and_heals: mounting a small file system needs root");
        return;
    }
    let place = Place::new();
    let Some(_mount) = Mount::tmpfs(&place.target(), "400k") else {
        eprintln!("SKIPPED a_full_disk_is_told_as_such_and_heals: mount is not permitted here");
        return;
    };
    let sample = Sample::tree(&[100_000, 60_000, 100_000], 1);
    let ballast = place.target().join("ballast");
    fs::write(&ballast, vec![1; 250 * 1024]).expect("room");
    let content = place.start(&sample);
    let reserved = content.reserve().expect_err("not enough room");
    let StorageError::Full { needed, free, .. } = &reserved else {
        panic!("{reserved}")
    };
    assert!(
        reserved.is_full() && *needed > 250_000 && *free < 150 * 1024,
        "{reserved}"
    );
    let mut stored = 0;
    let error = loop {
        match content.store(stored, &sample.blocks(stored)) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    assert!((3..sample.pieces()).contains(&stored));
    assert_eq!(content.have().count(), stored, "what was stored stays");
    sample.assert_reads(&content);
    content.sync().expect("a sync");
    assert!(content.reserve().expect_err("still full").is_full());

    fs::remove_file(&ballast).expect("removed");
    content.reserve().expect("room now");
    assert_eq!(content.needed_space().expect("known"), 0);
    (stored..sample.pieces()).for_each(|piece| sample.store(&content, piece));
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
    drop(content);
}

/// A file system that goes with the test.
#[cfg(unix)]
struct Mount(std::path::PathBuf);

#[cfg(unix)]
impl Mount {
    fn tmpfs(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        let options = format!("size={size}");
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(path)
            .status()
            .ok()?;
        status.success().then(|| Self(path.to_owned()))
    }
}

#[cfg(unix)]
impl Drop for Mount {
    fn drop(&mut self) {
        std::process::Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn padding_is_hashed_but_never_stored() {
    use bytes::Bytes;
    use narrows_protocol::metainfo::Metainfo;
    let data = [7_u8; 100];
    let mut piece = data.to_vec();
    piece.resize(PIECE as usize, 0);
    let hashes: Vec<u8> = [&piece[..], &data[..]]
        .into_iter()
        .flat_map(|piece| <[u8; 20]>::from(<sha1::Sha1 as sha1::Digest>::digest(piece)))
        .collect();
    let pad = PIECE - 100;
    let mut torrent = format!(
        "d4:infod5:filesld6:lengthi100e4:pathl1:aeed4:attr1:p6:lengthi{pad}e4:pathl4:.pad5:{pad}eed6:lengthi100e4:pathl1:beee\
         4:name4:tree12:piece lengthi{PIECE}e6:pieces40:"
    )
    .into_bytes();
    torrent.extend(hashes);
    torrent.extend(b"7:privatei1eee");
    let meta = std::sync::Arc::new(Metainfo::parse(&torrent).expect("a torrent with padding"));
    let place = Place::new();
    let content =
        Content::open(meta, &place.target(), &place.state(), &OpenFiles::new(8)).expect("opens").content;
    check(&content);
    content.store(0, &[Bytes::from(piece.clone())]).expect("stored");
    content.store(1, &[Bytes::copy_from_slice(&data)]).expect("stored");
    content.publish().expect("whole content");
    let mut out = bytes::BytesMut::new();
    content.read(0, 0, PIECE, &mut out).expect("read");
    assert!(out == piece);
    assert!(!place.target().join("tree/.pad").exists());
    assert_eq!(fs::read(place.target().join("tree/b")).expect("b"), data);
}
