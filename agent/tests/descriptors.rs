//! Agents as processes with few descriptors: files and connections are shared out, nothing fails for the lack
//! of them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::agent::Agent;
use common::content::{assert_same, noise, torrent};
use common::eventually;
use common::tracker::Tracker;
use narrows_agent::ContentState;

/// 40 contents need 320; each of them has more files than all may keep open.
const DESCRIPTORS: u64 = 400;
const CONTENTS: usize = 40;
const FILES: usize = 120;

fn all_are_seeding(agent: &Agent) {
    eventually("all contents are seeding", || {
        let content = agent.status().content;
        let whole = |content: &narrows_agent::ContentStatus| content.state == ContentState::Seeding;
        (content.len() == CONTENTS && content.iter().all(whole)).then_some(())
    });
}

fn lacked_none(agent: &Agent) {
    let log = fs::read_to_string(agent.dir.join("log")).unwrap();
    let lacking: Vec<&str> = log.lines().filter(|line| line.contains("Too many open files")).collect();
    assert!(
        lacking.is_empty(),
        "{} lines, the first: {}",
        lacking.len(),
        lacking[0]
    );
}

#[test]
fn forty_contents_of_many_files_are_seeded_and_fetched_with_four_hundred_descriptors() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let depot = dir.path().join("depot");
    let files: Vec<PathBuf> = (0..CONTENTS)
        .map(|number| {
            let folder = depot.join(format!("content-{number}"));
            fs::create_dir_all(&folder).unwrap();
            for file in 0..FILES {
                let seed = (number * FILES + file) as u64;
                fs::write(folder.join(format!("{file}.bin")), noise(seed, 1500)).unwrap();
            }
            torrent(&folder, &tracker, 16 << 10).0
        })
        .collect();
    let target = dir.path().join("target");
    let content = |target: &'_ Path| -> Vec<(PathBuf, PathBuf)> {
        files.iter().map(|file| (file.clone(), target.to_owned())).collect()
    };
    let started = |name: &str, at: &Path| {
        let content = content(at);
        let content: Vec<(&Path, &Path)> = content.iter().map(|(file, at)| (&**file, &**at)).collect();
        Agent::new(&dir.path().join(name), &content).limited_to(DESCRIPTORS).started()
    };
    let seeder = started("s", &depot);
    all_are_seeding(&seeder);
    let leecher = started("l", &target);
    all_are_seeding(&leecher);
    // a content is whole a moment before its staging folder is gone
    eventually("staging is gone", || {
        (!target.join(".narrows").exists()).then_some(())
    });
    assert_same(&depot, &target_without_state(&target, &depot));
    lacked_none(&seeder);
    lacked_none(&leecher);
}

/// The torrents lie in the depot beside the contents; put them into the copy too, so that the trees are
/// alike.
fn target_without_state(target: &Path, depot: &Path) -> PathBuf {
    for entry in fs::read_dir(depot).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, target.join(path.file_name().unwrap())).unwrap();
        }
    }
    target.to_owned()
}
