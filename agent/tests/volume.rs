//! A volume that is not mounted is an error in words, not a reason to fetch everything again onto the disk
//! below. Needs root for mounts of its own; says so and passes where that cannot be.
#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::skip;
use common::tracker::Tracker;
use narrows_agent::ContentState;

const MB: usize = 1_000_000;

/// Unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(what: &[&str], from: &Path, at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let status = Command::new("mount").args(what).arg(from).arg(at).status();
        status.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_volume_that_is_not_mounted_is_said_and_waited_for_and_nothing_is_fetched_below() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    // the volume stays mounted at one place, and comes and goes at the other
    let (disk, opt) = (dir.path().join("disk"), dir.path().join("opt"));
    let Some(_volume) = Mount::new(&["-t", "tmpfs"], Path::new("narrows-test"), &disk) else {
        return skip("A missing volume", "this user cannot mount");
    };
    let Some(mounted) = Mount::new(&["--bind"], &disk, &opt) else {
        return skip("A missing volume", "this user cannot mount");
    };
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 3 * MB);
    let (file, _) = torrent(&source, &tracker, 128 << 10);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let target = opt.join("deploy");
    let mut agent = Agent::new(&dir.path().join("l"), &[(&file, &target)]).started();
    agent.wait_for(ContentState::Seeding);

    // while it runs
    drop(mounted);
    assert_eq!(agent.post("/look").0, 200);
    assert_ne!(agent.content().state, ContentState::Seeding);
    let missing = agent.wait_for(ContentState::Error);
    let error = missing.error.unwrap();
    assert!(
        error.contains("is it mounted?") && error.contains("deploy"),
        "{error}"
    );
    assert!(!target.exists(), "nothing is made on the disk below");
    let mounted = Mount::new(&["--bind"], &disk, &opt).unwrap();
    let back = agent.wait_for(ContentState::Seeding);
    assert_eq!(back.bytes_lan, missing.bytes_lan, "nothing was fetched again");

    // over a restart
    agent.terminate();
    drop(mounted);
    agent.start();
    let missing = agent.wait_for(ContentState::Error);
    assert_eq!((missing.bytes_lan, target.exists()), (0, false));
    let mounted = Mount::new(&["--bind"], &disk, &opt).unwrap();
    agent.wait_for(ContentState::Seeding);
    assert_eq!(agent.content().bytes_lan, 0);

    // and by the operator's word it is fetched to where it is now, for good
    agent.terminate();
    drop(mounted);
    agent.start();
    agent.wait_for(ContentState::Error);
    let output = agent.command(&["verify", "office"]);
    assert!(output.status.success());
    agent.wait_for(ContentState::Seeding);
    assert_same(&source, &target.join("office"));
    agent.kill();
    agent.start();
    agent.wait_for(ContentState::Seeding);
    assert_eq!(agent.content().bytes_lan, 0);
}

#[test]
fn a_place_that_nothing_can_be_moved_to_is_refused_by_check_and_before_a_byte_is_fetched() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let target = dir.path().join("opt");
    let (place, inner) = (target.join("office"), target.join("office/deep"));
    let staging = target.join(".narrows");
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 3 * MB);
    let (file, _) = torrent(&source, &tracker, 128 << 10);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let mut agent = Agent::new(&dir.path().join("l"), &[(&file, &target)]);
    agent.set_content(&[(&file, &target)]);
    let check = |agent: &Agent| {
        let checked = Command::new(env!("CARGO_BIN_EXE_narrows-agent"))
            .args(["check", "--config"])
            .arg(agent.config_path())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&checked.stderr).into_owned();
        (checked.status.success(), output)
    };
    for (at, part) in [
        (&inner, "inside of what"),
        (&staging, "unfinished content"),
        (&place, "is a mount point"),
    ] {
        let Some(mounted) = Mount::new(&["-t", "tmpfs"], Path::new("narrows-test"), at) else {
            return skip("A missing volume", "this user cannot mount");
        };
        let (good, output) = check(&agent);
        assert!(
            !good && output.contains(at.to_str().unwrap()) && output.contains(part),
            "{output}"
        );
        agent.start();
        let refused = agent.wait_for(ContentState::Error);
        let error = refused.error.unwrap();
        assert!(
            error.contains(at.to_str().unwrap()) && error.contains(part),
            "{error}"
        );
        assert_eq!(refused.bytes_lan, 0, "nothing is fetched in vain");
        agent.terminate();
        drop(mounted);
        assert!(check(&agent).0, "{at:?}");
    }
    // what is whole there needs no move: it is served, and mended where it stands
    let mounted = Mount::new(&["-t", "tmpfs"], Path::new("narrows-test"), &place).unwrap();
    folder(&place, 1, 3 * MB);
    assert!(check(&agent).0);
    agent.start();
    agent.wait_for(ContentState::Seeding);
    std::fs::remove_file(place.join("one byte")).unwrap();
    assert!(check(&agent).0, "the agent knows that it was there");
    assert_eq!(agent.post("/look").0, 200);
    agent.wait("it is mended", |content| {
        content.pieces_healed > 0 && content.state == ContentState::Seeding
    });
    assert_same(&source, &place);
    // and once nothing is mounted any more, it is fetched as usual
    agent.terminate();
    drop(mounted);
    std::fs::remove_dir_all(dir.path().join("l/state")).unwrap();
    agent.start();
    agent.wait_for(ContentState::Seeding);
    assert_same(&source, &place);
}
