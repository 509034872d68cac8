//! A folder's tree is removed, whatever is put in its way meanwhile.

use std::fs::{create_dir, create_dir_all, remove_file, rename, write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Folder;

#[test]
fn a_tree_is_removed_with_its_links_and_not_with_what_they_lead_to() {
    let dir = tempfile::tempdir().unwrap();
    let (here, outside) = (dir.path().join("here"), dir.path().join("outside"));
    create_dir_all(here.join("tree/a/b")).unwrap();
    create_dir(&outside).unwrap();
    write(outside.join("theirs"), "theirs").unwrap();
    write(here.join("tree/a/b/ours"), "ours").unwrap();
    symlink(&outside, here.join("tree/a/link")).unwrap();
    symlink(&outside, here.join("way")).unwrap();
    let folder = Folder::open(&here).unwrap();
    assert!(folder.remove_tree(Path::new("way")).is_err() && here.join("way").exists());
    assert!(folder.remove_tree(Path::new("way/theirs")).is_err() && outside.join("theirs").exists());
    folder.remove_tree(Path::new("tree")).unwrap();
    assert!(!here.join("tree").exists() && outside.join("theirs").exists());
}

#[test]
fn a_link_that_takes_the_place_of_the_folder_above_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (target, outside) = (dir.path().join("target"), dir.path().join("outside"));
    for root in [&target, &outside] {
        create_dir_all(root.join("staging/tree")).unwrap();
        write(root.join("staging/tree/file"), "bytes").unwrap();
    }
    let folder = Folder::open(&target).unwrap();
    assert!(folder.stat(Path::new("staging/tree")).unwrap().is_some());
    // between the look and the removal
    rename(&target, dir.path().join("moved")).unwrap();
    symlink(&outside, &target).unwrap();
    folder.remove_tree(Path::new("staging/tree")).unwrap();
    assert!(outside.join("staging/tree/file").exists());
    assert!(!dir.path().join("moved/staging/tree").exists());
}

#[test]
fn a_link_that_comes_and_goes_while_a_tree_is_removed_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (here, outside) = (dir.path().join("here"), dir.path().join("outside"));
    create_dir(&here).unwrap();
    create_dir(&outside).unwrap();
    for n in 0..20 {
        write(outside.join(n.to_string()), "theirs").unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (inner, aside) = (here.join("tree/inner"), here.join("aside"));
            while !done.load(Ordering::Relaxed) {
                let _ = rename(&inner, &aside);
                let _ = symlink(&outside, &inner);
                let _ = remove_file(&inner);
                let _ = rename(&aside, &inner);
            }
        });
        let folder = Folder::open(&here).unwrap();
        for _ in 0..300 {
            let _ = create_dir_all(here.join("tree/inner/deep"));
            let _ = write(here.join("tree/inner/deep/0"), "ours");
            let _ = folder.remove_tree(Path::new("tree"));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!((0..20).all(|n| outside.join(n.to_string()).exists()));
}
