//! A full disk is a state that heals. Needs root for a small tmpfs of its own; says so and passes where that
//! cannot be.
#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::tracker::Tracker;
use narrows_agent::ContentState;

const MB: usize = 1_000_000;

/// A file system of its own, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "narrows-test"]).arg(at).status();
        status.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_that_heals_and_loses_nothing() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let Some(small) = Tmpfs::mount(&dir.path().join("small"), "16m") else {
        eprintln!("skipped: this user cannot mount a tmpfs");
        return;
    };
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 10 * MB);
    let (file, meta) = torrent(&source, &tracker, 128 << 10);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let ballast = small.0.join("ballast");
    std::fs::write(&ballast, vec![1; 10 << 20]).unwrap();
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &small.0)]).started();
    let stuck = leecher.wait_for(ContentState::Error);
    let error = stuck.error.unwrap();
    assert!(error.contains("full") && error.contains("small"), "{error}");
    std::fs::remove_file(&ballast).unwrap();
    let done = leecher.wait_for(ContentState::Seeding);
    assert_same(&source, &small.0.join("office"));
    assert!(done.bytes_lan <= meta.total + done.bytes_wasted);
    drop(leecher);
    drop(small);
}

#[test]
fn rot_on_a_full_disk_is_healed_in_place() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let Some(small) = Tmpfs::mount(&dir.path().join("small"), "16m") else {
        eprintln!("skipped: this user cannot mount a tmpfs");
        return;
    };
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 10 * MB);
    let (file, _) = torrent(&source, &tracker, 128 << 10);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let agent = Agent::new(&dir.path().join("l"), &[(&file, &small.0)]).started();
    let before = agent.wait_for(ContentState::Seeding).bytes_lan;
    // no room for a second copy, nor for a piece
    let _ = std::fs::write(small.0.join("ballast"), vec![1; 16 << 20]);
    let damaged = small.0.join("office/rest.bin");
    let open = std::fs::OpenOptions::new().write(true).open(&damaged).unwrap();
    // as a disk rots: a file that was changed is kept first, which waits for room
    let modified = open.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&open, b"rot", 5000).unwrap();
    open.set_modified(modified).unwrap();
    assert_eq!(agent.post("/verify").0, 200);
    let healed = agent.wait("it is healed", |content| {
        content.pieces_healed == 1 && content.state == ContentState::Seeding
    });
    assert_same(&source, &small.0.join("office"));
    assert!(healed.bytes_lan - before <= 2 * (128 << 10), "{healed:?}");
    drop(agent);
    drop(small);
}
