//! Content for tests: bytes that do not compress and differ everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use narrows_protocol::metainfo::Metainfo;
use narrows_storage::CreateOptions;

use super::tracker::Tracker;

/// `len` bytes that depend on `seed`.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// A folder with files of many sizes, `len` bytes in all and a little.
pub(crate) fn folder(path: &Path, seed: u64, len: usize) {
    fs::create_dir_all(path.join("deep/er")).unwrap();
    fs::write(path.join("empty"), b"").unwrap();
    fs::write(path.join("one byte"), b"1").unwrap();
    fs::write(path.join("deep/small.txt"), noise(seed + 1, 70_001)).unwrap();
    fs::write(path.join("deep/er/half.bin"), noise(seed + 2, len / 2)).unwrap();
    fs::write(path.join("rest.bin"), noise(seed + 3, len - len / 2)).unwrap();
}

/// A torrent made of `path`, beside it; and what it says.
pub(crate) fn torrent(path: &Path, tracker: &Tracker, piece_length: u32) -> (PathBuf, Metainfo) {
    torrent_of(path, tracker.url(), piece_length)
}

/// The same, of a tracker with this URL.
pub(crate) fn torrent_of(path: &Path, url: String, piece_length: u32) -> (PathBuf, Metainfo) {
    let options = CreateOptions {
        announce: vec![vec![url]],
        piece_length: Some(piece_length),
        ..CreateOptions::default()
    };
    let bytes = narrows_storage::create(path, options, &|_, _| {}).unwrap().torrent;
    let meta = Metainfo::parse(&bytes).unwrap();
    let file = PathBuf::from(format!("{}.torrent", path.display()));
    fs::write(&file, bytes).unwrap();
    (file, meta)
}

/// Asserts that two trees hold the same files with the same bytes.
pub(crate) fn assert_same(a: &Path, b: &Path) {
    let (mut left, mut right) = (files(a), files(b));
    left.sort();
    right.sort();
    assert_eq!(left, right, "{} and {}", a.display(), b.display());
    for file in left {
        let same = fs::read(a.join(&file)).unwrap() == fs::read(b.join(&file)).unwrap();
        assert!(
            same,
            "{} differs between {} and {}",
            file.display(),
            a.display(),
            b.display()
        );
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let (mut out, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                out.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    out
}
