//! Random versions of a content, with programs, links, and files that turn into folders and links, one after
//! the other at one place: each arrives as it is, and no file of a user is lost.
#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Place, Sample};
use narrows_protocol::metainfo::create::DraftFile;
use narrows_storage::Looked;
use proptest::prelude::*;

/// Length and whether it is a program; or a link, to one of the files.
#[derive(Clone, Debug)]
enum Entry {
    File(u64, bool),
    Link(prop::sample::Index),
}

fn version() -> impl Strategy<Value = Vec<DraftFile>> {
    let entry = prop_oneof![
        3 => (1_u64..40_000, any::<bool>()).prop_map(|(length, executable)| Entry::File(length, executable)),
        1 => any::<prop::sample::Index>().prop_map(Entry::Link),
    ];
    prop::collection::btree_map(prop::collection::vec("[abc]", 1..4), entry, 1..8).prop_map(|entries| {
        // where a file or link stands, no folder can
        let mut kept: BTreeMap<Vec<String>, Entry> = BTreeMap::new();
        for (path, entry) in entries {
            let above = |other: &Vec<String>| path.starts_with(other);
            if !kept.keys().any(above) {
                kept.insert(path, entry);
            }
        }
        kept.insert(vec!["z".to_owned()], Entry::File(5, false)); // one at least has bytes
        let is_file = |(_, entry): &(&Vec<String>, &Entry)| matches!(entry, Entry::File(..));
        let targets: BTreeSet<Vec<String>> = kept
            .iter()
            .filter(is_file)
            .flat_map(|(path, _)| (1..=path.len()).map(|depth| path[..depth].to_vec()))
            .collect();
        let targets: Vec<Vec<String>> = targets.into_iter().collect();
        let draft = |(path, entry)| match entry {
            Entry::File(length, executable) => DraftFile {
                path,
                length,
                executable,
                link: None,
            },
            Entry::Link(index) => DraftFile {
                path,
                link: Some(index.get(&targets).clone()),
                ..DraftFile::default()
            },
        };
        kept.into_iter().map(draft).collect()
    })
}

/// All files below a folder, by their bytes; no link is followed.
fn files_below(folder: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stat = fs::symlink_metadata(&path).expect("a stat");
        if stat.is_dir() {
            files_below(&path, out);
        } else if stat.is_file() {
            out.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
}

/// Puts a file of the user into a random folder of the tree; answers its bytes.
fn add_users_file(tree: &Path, folder: prop::sample::Index, number: usize) -> Vec<u8> {
    let mut folders = vec![tree.to_owned()];
    let mut at = 0;
    while let Some(folder) = folders.get(at).cloned() {
        at += 1;
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        folders.extend(
            entries.filter(|entry| entry.file_type().expect("a type").is_dir()).map(|entry| entry.path()),
        );
    }
    folders.sort();
    let bytes = format!("the user's {number}").into_bytes();
    fs::write(folder.get(&folders).join(format!("user{number}")), &bytes).expect("a file");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn each_version_arrives_as_it_is_and_no_file_of_a_user_is_lost(
        versions in prop::collection::vec((version(), any::<prop::sample::Index>(), any::<bool>()), 2..4),
    ) {
        let place = Place::new();
        let tree = place.target().join("tree");
        let mut users: Vec<Vec<u8>> = Vec::new();
        for (number, (files, folder, is_restarted)) in versions.into_iter().enumerate() {
            let sample = Sample::of(files, number as u64);
            let mut content = place.start(&sample);
            let missing: Vec<u32> = content.have().iter_missing().collect();
            missing.into_iter().for_each(|piece| sample.store(&content, piece));
            if is_restarted {
                content.close().expect("closed");
                drop(content);
                content = place.start(&sample);
            }
            content.publish().expect("whole content");
            sample.assert_at(&place.target());
            for file in sample.meta.files.iter().filter(|file| file.is_stored()) {
                let mode = fs::metadata(sample.path(&place.target(), &file.path)).expect("a file").permissions().mode();
                prop_assert_eq!(mode & 0o100 != 0, file.executable, "{:?}", file.path);
            }
            prop_assert_eq!(content.look(0..sample.meta.files.len()), Looked::Same);
            let mut found = Vec::new();
            files_below(&place.target(), &mut found);
            for user in &users {
                prop_assert!(found.iter().any(|(_, bytes)| bytes == user), "{}", String::from_utf8_lossy(user));
            }
            // of the older versions nothing is left, neither in the tree nor hidden
            let named: BTreeSet<PathBuf> =
                sample.meta.files.iter().map(|file| sample.path(&place.target(), &file.path)).collect();
            for (path, bytes) in &found {
                prop_assert!(named.contains(path) || users.contains(bytes), "{} is left", path.display());
            }
            users.push(add_users_file(&tree, folder, number));
            drop(content);
            let opened = place.open(&sample);
            prop_assert!(opened.content.is_published() && opened.to_check == 0, "at the next start");
        }
    }
}
