//! Files of users at a content's place: whatever comes, they are still there.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use common::{PIECE, Place, Sample, check};
use narrows_storage::Content;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn publish(place: &Place, sample: &Sample) -> Content {
    let content = place.start(sample);
    sample.store_all(&content);
    content.publish().expect("whole content");
    sample.assert_at(&place.target());
    content
}

fn write(path: &Path, bytes: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, bytes).expect("a file");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn files_that_no_version_names_stay_at_their_paths_over_versions() {
    let place = Place::new();
    publish(&place, &Sample::tree(&[40_000, 10, 5], 1));
    let tree = place.target().join("tree");
    let users = ["licence.key", "data/users.db", "sub0/notes.txt"];
    users.iter().for_each(|path| write(&tree.join(path), path));
    fs::create_dir(tree.join("spool")).expect("an empty folder");
    for seed in 2..5 {
        publish(&place, &Sample::tree(&[40_000, 10], seed));
        users.iter().for_each(|path| assert_eq!(read(&tree.join(path)), *path));
        assert!(tree.join("spool").is_dir());
        assert!(
            !tree.join("file 2 äöü").exists(),
            "what only the old version had is ours"
        );
        assert!(!place.target().join(".narrows").exists());
    }
}

#[cfg(unix)]
#[test]
fn links_that_users_made_are_carried_over_and_not_followed() {
    let place = Place::new();
    publish(&place, &Sample::tree(&[100, 10], 1));
    let outside = place.folder.path().join("outside");
    write(&outside.join("file"), "theirs");
    let link = place.target().join("tree/link");
    std::os::unix::fs::symlink(&outside, &link).expect("a link");
    publish(&place, &Sample::tree(&[100, 10], 2));
    assert_eq!(fs::read_link(&link).expect("a link"), outside);
    assert_eq!(read(&outside.join("file")), "theirs");
}

#[test]
fn a_file_of_the_content_that_a_user_changed_is_kept_and_no_later_version_removes_it() {
    let place = Place::new();
    publish(&place, &Sample::tree(&[100, 10], 1));
    let kept = place.target().join(".narrows/replaced");
    for (seed, folder) in [(2, "tree"), (3, "tree.2"), (4, "tree.3")] {
        write(
            &place.target().join("tree/file 1 äöü"),
            &format!("changed {seed}"),
        );
        publish(&place, &Sample::tree(&[100, 10], seed));
        assert_eq!(
            read(&kept.join(folder).join("file 1 äöü")),
            format!("changed {seed}")
        );
    }
    assert_eq!(read(&kept.join("tree/file 1 äöü")), "changed 2");
    assert!(!kept.join("tree/sub0").exists(), "what is ours is not kept");
}

#[test]
fn a_single_file_that_is_not_ours_is_kept_and_one_that_is_ours_is_not() {
    let place = Place::new();
    write(&place.target().join("tree"), "a user's");
    publish(&place, &Sample::single(100, 1));
    assert_eq!(read(&place.target().join(".narrows/replaced/tree")), "a user's");
    publish(&place, &Sample::single(100, 2));
    assert!(!place.target().join(".narrows/replaced/tree.2").exists());
}

#[test]
fn what_is_mended_in_place_keeps_a_copy_of_what_a_user_wrote_but_not_of_decay() {
    let sample = Sample::tree(&[40_000, 10_000, 10], 1);
    let place = Place::new();
    let content = publish(&place, &sample);
    let (config, kept) = (
        place.target().join("tree/file 1 äöü"),
        place.target().join(".narrows/replaced"),
    );
    write(&config, "settings of the application");
    for _ in 0..2 {
        content.verify_all(&|_| {}, &AtomicBool::new(false)).expect("a verify");
    }
    drop(content);
    // killed in the middle of the repair
    let content = place.start(&sample);
    sample.store_all(&content);
    content.publish().expect("mended");
    sample.assert_at(&place.target());
    assert_eq!(read(&kept.join("tree/file 1 äöü")), "settings of the application");
    assert_eq!(
        fs::read_dir(&kept).expect("a folder").count(),
        1,
        "one copy of one change"
    );
}

/// One place over the time of several versions, and what users have there.
struct History {
    place: Place,
    chance: StdRng,
    versions: u64,
    running: Option<(Sample, Content)>,
    /// Files that no version names; they must be where they were made.
    own: BTreeMap<PathBuf, String>,
    /// The last change of each of the content's files, until the agent has seen it.
    unseen: BTreeMap<PathBuf, String>,
    /// Changes that the agent has seen; they must be somewhere.
    changes: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        Self {
            place: Place::new(),
            chance: StdRng::seed_from_u64(seed),
            versions: 0,
            running: None,
            own: BTreeMap::new(),
            unseen: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    fn step(&mut self) -> String {
        match self.chance.random_range(0..7) {
            0 | 1 => self.user_writes(),
            2 => self.user_changes(),
            3 => self.version(None),
            4 => {
                let at = self.chance.random_range(0..3);
                self.version(Some(at))
            }
            5 => self.repair(),
            _ => self.restart(),
        }
    }

    fn tree(&self) -> PathBuf {
        self.place.target().join("tree")
    }

    fn user_writes(&mut self) -> String {
        let paths = [
            "own.txt",
            "sub0/own",
            "sub3/own",
            "deep/er/own",
            "deep/own",
            "file",
            "sub1",
        ];
        let path = self.tree().join(paths[self.chance.random_range(0..paths.len())]);
        let bytes = format!("own {}", self.chance.next_u64());
        write(&path, &bytes);
        self.own.insert(path, bytes);
        "a user writes a file".to_owned()
    }

    fn user_changes(&mut self) -> String {
        if let Some((sample, _)) = &self.running {
            let file = &sample.meta.files[self.chance.random_range(0..sample.meta.files.len())];
            let bytes = format!("change {}", self.chance.next_u64());
            let path = sample.path(&self.place.target(), &file.path);
            write(&path, &bytes);
            self.unseen.insert(path, bytes); // what the user wrote there before, the user replaced
        }
        "a user changes a file of the content".to_owned()
    }

    /// A new version comes; `kill`: the agent is killed before the exchange, after it, or with the old tree
    /// set aside.
    fn version(&mut self, kill: Option<u32>) -> String {
        self.running = None;
        self.seen();
        self.versions += 1;
        let lengths: Vec<usize> = (0..self.chance.random_range(2..6))
            .map(|_| self.chance.random_range(0..3 * PIECE as usize))
            .chain([1])
            .collect();
        let sample = Sample::tree(&lengths, self.versions);
        let content = self.place.start(&sample);
        sample.store_all(&content);
        content.sync().expect("a sync");
        if let Some(at) = kill {
            drop(content);
            let (staged, target) = (self.place.staging(&sample).join("tree"), self.tree());
            if at > 0 && target.exists() {
                let aside = self.place.folder.path().join("aside");
                if cfg!(unix) {
                    #[cfg(unix)]
                    self.place.note_exchange(&sample);
                    fs::rename(&staged, &aside).expect("a rename");
                    fs::rename(&target, &staged).expect("a rename");
                    fs::rename(&aside, &target).expect("a rename");
                    if at > 1 {
                        let old = format!("{}.old", sample.meta.info_hash);
                        let old = self.place.target().join(".narrows").join(old);
                        fs::rename(&staged, old).expect("a rename");
                    }
                    fs::remove_file(self.place.record(&sample)).expect("a record");
                }
            }
            let content = self.place.start(&sample);
            sample.store_all(&content);
            content.publish().expect("whole content");
            self.running = Some((sample, content));
        } else {
            content.publish().expect("whole content");
            self.running = Some((sample, content));
        }
        format!("version {}, killed {kill:?}", self.versions)
    }

    fn repair(&mut self) -> String {
        self.seen();
        if let Some((sample, content)) = &self.running {
            content.verify_all(&|_| {}, &AtomicBool::new(false)).expect("a verify");
            sample.store_all(content);
            content.publish().expect("mended");
        }
        "a repair".to_owned()
    }

    fn restart(&mut self) -> String {
        self.seen();
        if let Some((sample, content)) = self.running.take() {
            drop(content);
            let opened = self.place.open(&sample);
            check(&opened.content);
            self.running = Some((sample, opened.content));
        }
        "a restart".to_owned()
    }

    fn seen(&mut self) {
        self.changes.extend(std::mem::take(&mut self.unseen).into_values());
    }

    fn assert_nothing_is_lost(&self, steps: &[String]) {
        for (path, bytes) in &self.own {
            let found = fs::read_to_string(path).ok();
            assert_eq!(found.as_ref(), Some(bytes), "{} after {steps:#?}", path.display());
        }
        let mut all = Vec::new();
        collect(&self.place.target(), &mut all);
        for change in self.changes.iter().chain(self.unseen.values()) {
            assert!(all.contains(change), "{change} is lost after {steps:#?}");
        }
    }
}

fn collect(folder: &Path, out: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), out);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            out.push(text);
        }
    }
}

#[test]
fn after_any_history_every_file_of_a_user_is_there_with_its_bytes() {
    for seed in 0..40 {
        let mut history = History::new(seed);
        let mut steps = vec![format!("seed {seed}")];
        for _ in 0..12 {
            steps.push(history.step());
            history.assert_nothing_is_lost(&steps);
        }
    }
}
