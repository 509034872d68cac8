//! `get` into a folder where something is already.
#![cfg(unix)]

mod common;

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::tracker::Tracker;
use narrows_agent::ContentState;
use narrows_protocol::metainfo::Metainfo;
use narrows_storage::{Content, OpenFiles};

const MB: usize = 1_000_000;
const PIECE: u32 = 16 << 10;

/// A seeder, its torrent, and a folder into which something is to be got.
struct Case {
    dir: tempfile::TempDir,
    torrent: PathBuf,
    meta: Metainfo,
    _seeder: Agent,
    _tracker: Tracker,
}

impl Case {
    fn start() -> Self {
        let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let source = dir.path().join("source/office");
        folder(&source, 1, 3 * MB);
        let (torrent, meta) = torrent(&source, &tracker, PIECE);
        let seeder = Agent::new(&dir.path().join("s"), &[(&torrent, source.parent().unwrap())]).started();
        seeder.wait_for(ContentState::Seeding);
        let _tracker = tracker;
        Self {
            dir,
            torrent,
            meta,
            _seeder: seeder,
            _tracker,
        }
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source/office")
    }

    fn to(&self) -> PathBuf {
        self.dir.path().join("to")
    }

    fn state(&self) -> PathBuf {
        self.to().join(".narrows-get").join(self.meta.info_hash.to_string())
    }

    fn get(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrows-agent"));
        command.arg("get").arg(&self.torrent).arg("--to").arg(self.to());
        command.args(["--listen", &format!("{}:0", common::address())]).output().unwrap()
    }
}

/// Changes bytes and nothing that a stat shows.
fn rot(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"rot", 1000).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn a_record_that_lies_there_spares_no_byte_its_hash() {
    let case = Case::start();
    fs::create_dir_all(case.to().join(".narrows-get")).unwrap();
    fs::set_permissions(case.to().join(".narrows-get"), Permissions::from_mode(0o700)).unwrap();
    let opened = Content::open(
        Arc::new(case.meta.clone()),
        &case.to(),
        &case.state(),
        &OpenFiles::new(8),
    )
    .unwrap();
    let content = opened.content;
    content.check(&|_| {}, &AtomicBool::new(false)).unwrap();
    let mut whole = Vec::new();
    for file in &case.meta.files {
        whole.extend(fs::read(case.source().join(file.path.join("/"))).unwrap());
    }
    for (piece, bytes) in (0..).zip(whole.chunks(PIECE as usize)) {
        content.store(piece, &[Bytes::copy_from_slice(bytes)]).unwrap();
    }
    content.publish().unwrap();
    content.close().unwrap();
    drop(content);
    fs::set_permissions(case.state(), Permissions::from_mode(0o700)).unwrap();
    rot(&case.to().join("office/rest.bin"));
    let got = case.get();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert_same(&case.source(), &case.to().join("office"));
    assert!(!case.to().join(".narrows-get").exists());
}

#[test]
fn a_state_folder_that_others_can_write_to_is_refused_with_what_to_do() {
    let case = Case::start();
    let planted = case.to().join(".narrows-get");
    let refused = |what: &str| {
        let got = case.get();
        let said = String::from_utf8_lossy(&got.stderr).into_owned();
        assert!(!got.status.success(), "{what}");
        assert!(
            said.contains(planted.to_str().unwrap()) && said.contains("choose another folder"),
            "{what}: {said}"
        );
        assert!(!case.to().join("office").exists());
    };
    fs::create_dir_all(&planted).unwrap();
    fs::set_permissions(&planted, Permissions::from_mode(0o777)).unwrap();
    refused("everybody writes");
    fs::set_permissions(&planted, Permissions::from_mode(0o700)).unwrap();
    if fs::metadata(&planted).unwrap().uid() == 0 {
        chown(&planted, Some(65534), None).unwrap();
        refused("another user's");
    }
    fs::remove_dir(&planted).unwrap();
    let elsewhere = case.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &planted).unwrap();
    refused("a link");
    fs::remove_file(&planted).unwrap();
    fs::write(&planted, "a file").unwrap();
    refused("a file");
    fs::remove_file(&planted).unwrap();
    assert!(case.get().status.success());
    assert_same(&case.source(), &case.to().join("office"));
}
