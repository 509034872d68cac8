//! Replacing a tree where the system swaps no two in one step, as on Windows: the old one is moved away, then the
//! new one in. That this is under way is written down first, so that a start after a kill can put the old one
//! [back](crate::put_back).

use std::path::Path;

use crate::put_back::comes_back;
use crate::{Content, StorageError};

/// One after the other; a kill may come after each.
#[derive(Clone, Copy, Debug)]
enum Step {
    Note,
    MoveAway,
    MoveIn,
}

const STEPS: [Step; 3] = [Step::Note, Step::MoveAway, Step::MoveIn];

impl Content {
    /// If one fails, the old tree comes back.
    pub(super) fn replace_in_two_steps(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let done = STEPS.into_iter().try_for_each(|step| self.step(step, from, to));
        done.inspect_err(|_| self.undo_two_steps())
    }

    fn step(&self, step: Step, from: &Path, to: &Path) -> Result<(), StorageError> {
        match step {
            Step::Note => self.change_claim(|claim| claim.replacing = true),
            Step::MoveAway => self.put_aside(to).map(drop),
            Step::MoveIn => self.rename(from, to),
        }
    }

    /// Puts the old tree back if it is away. Best effort: it is tried again with the next attempt, and at the next
    /// start.
    pub(super) fn undo_two_steps(&self) {
        let mut claim = self.claim();
        if !claim.replacing {
            return;
        }
        let undone = comes_back(&self.disk.folder, self.layout().meta().info_hash, &mut claim);
        let noted = undone.and_then(|changed| match changed {
            true => self.change_claim(|old| *old = claim),
            false => Ok(()),
        });
        if let Err(error) = noted {
            tracing::error!(%error, "what stood in the place of a content is away, and cannot be put back yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use bytes::Bytes;
    use narrows_protocol::metainfo::Metainfo;

    use super::*;
    use crate::layout::Side;
    use crate::records::claim::Origin;
    use crate::records::resume::{Phase, Record};
    use crate::{CreateOptions, OpenFiles, clean_leftovers, create, put_back};

    /// A user's folder `office`, of which a new version has come.
    struct Scene {
        _dir: tempfile::TempDir,
        target: PathBuf,
        state: PathBuf,
        files: Arc<OpenFiles>,
        meta: Arc<Metainfo>,
        data: Vec<u8>,
    }

    impl Scene {
        /// All of the new version is in staging, as far as before it takes its place.
        fn new() -> (Self, Content) {
            let dir = tempfile::tempdir().unwrap();
            let (new, target) = (dir.path().join("depot/office"), dir.path().join("target"));
            let data: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
            fs::create_dir_all(&new).unwrap();
            fs::write(new.join("program"), &data).unwrap();
            fs::create_dir_all(target.join("office/settings")).unwrap();
            fs::write(target.join("office/program"), "old").unwrap();
            fs::write(target.join("office/settings/own"), "the user's").unwrap();
            let made = create(&new, CreateOptions::default(), &|_, _| {}).unwrap();
            let scene = Self {
                state: dir.path().join("state"),
                _dir: dir,
                target,
                files: OpenFiles::new(8),
                meta: Arc::new(Metainfo::parse(&made.torrent).unwrap()),
                data,
            };
            let content = scene.open();
            scene.fetch(&content);
            content.sync().unwrap();
            (scene, content)
        }

        /// On a system that swaps no trees.
        fn open(&self) -> Content {
            let meta = Arc::clone(&self.meta);
            let mut content = Content::open(meta, &self.target, &self.state, &self.files).unwrap().content;
            content.swap = |_, _, _| Err(io::ErrorKind::Unsupported.into());
            content
        }

        /// What is not there yet.
        fn fetch(&self, content: &Content) {
            let have = content.check(&|_| {}, &AtomicBool::new(false)).unwrap();
            for piece in have.iter_missing() {
                let begin = piece as usize * self.meta.piece_length as usize;
                let end = begin + self.meta.piece_size(piece) as usize;
                content.store(piece, &[Bytes::copy_from_slice(&self.data[begin..end])]).unwrap();
            }
        }

        /// So many steps, and then it is killed.
        fn killed_after(&self, content: Content, steps: usize) {
            content.complete_tree().unwrap();
            content.change_claim(|claim| claim.origin = Some(Origin::Fetched)).unwrap();
            let have = content.have();
            let (phase, stamps) = (Phase::Publishing, None);
            content.save(&Record { phase, have, stamps }).unwrap();
            let (from, to) = (content.disk.top(Side::Staging), content.disk.top(Side::Target));
            for step in &STEPS[..steps] {
                content.step(*step, &from, &to).unwrap();
            }
        }

        /// `office` is there, old or new, and whole.
        fn stands(&self, new: bool) {
            let program = fs::read(self.target.join("office/program")).unwrap();
            assert!(program == if new { &*self.data } else { b"old" });
            if !new {
                self.has_users_file();
            }
        }

        fn has_users_file(&self) {
            let own = fs::read_to_string(self.target.join("office/settings/own"));
            assert_eq!(own.unwrap(), "the user's");
        }

        /// At last the new one is there, with the user's file, and nothing waits.
        fn comes_to_its_end(&self) {
            let content = self.open();
            self.fetch(&content);
            content.publish().unwrap();
            self.stands(true);
            self.has_users_file();
            assert!(!self.target.join(crate::put_back::set_aside(self.meta.info_hash)).exists());
            assert!(!content.claim().replacing);
        }
    }

    #[test]
    fn killed_after_any_step_the_users_folder_is_whole_at_the_next_start_whatever_is_started() {
        for steps in 0..=STEPS.len() {
            for way in ["the agent", "the content", "one without the content"] {
                let (scene, content) = Scene::new();
                scene.killed_after(content, steps);
                assert_eq!(
                    scene.target.join("office").exists(),
                    steps != 2,
                    "the old one is away"
                );
                match way {
                    "the agent" => put_back(&scene.state),
                    "the content" => drop(scene.open()),
                    _ => drop(clean_leftovers(&scene.state, &[], &scene.files)),
                }
                scene.stands(steps == 3);
                put_back(&scene.state);
                scene.stands(steps == 3);
                scene.comes_to_its_end();
            }
        }
    }

    #[test]
    fn in_two_steps_a_new_version_takes_its_place_and_users_files_stay() {
        let (scene, content) = Scene::new();
        content.publish().unwrap();
        drop(content);
        scene.stands(true);
        scene.has_users_file();
        scene.comes_to_its_end();
    }

    #[test]
    fn if_the_new_one_cannot_come_the_old_one_is_back_at_once() {
        let (scene, content) = Scene::new();
        let to = content.disk.top(Side::Target);
        content.replace_in_two_steps(Path::new("nothing"), &to).unwrap_err();
        scene.stands(false);
        assert!(!content.claim().replacing);
        drop(content);
        scene.comes_to_its_end();
    }

    #[test]
    fn a_volume_that_is_mounted_later_has_its_folder_back_then() {
        let (scene, content) = Scene::new();
        scene.killed_after(content, 2);
        let elsewhere = scene.target.with_extension("unmounted");
        fs::rename(&scene.target, &elsewhere).unwrap();
        put_back(&scene.state);
        // its mount point
        fs::create_dir(&scene.target).unwrap();
        put_back(&scene.state);
        fs::remove_dir(&scene.target).unwrap();
        fs::rename(&elsewhere, &scene.target).unwrap();
        put_back(&scene.state);
        scene.stands(false);
        scene.comes_to_its_end();
    }

    #[test]
    fn what_an_earlier_version_left_to_sort_out_is_not_taken_for_a_folder_that_is_away() {
        let (scene, content) = Scene::new();
        let aside = scene.target.join(crate::put_back::set_aside(scene.meta.info_hash));
        fs::create_dir_all(&aside).unwrap();
        drop(content);
        // the operator's doing
        fs::remove_dir_all(scene.target.join("office")).unwrap();
        put_back(&scene.state);
        assert!(aside.exists() && !scene.target.join("office").exists());
    }
}
