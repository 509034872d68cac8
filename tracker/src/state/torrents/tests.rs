//! The folder of .torrent files: what is tracked, and what a wrong file does.

use super::*;

fn torrent(name: &str, fill: u8) -> Vec<u8> {
    let info = format!(
        "d6:lengthi5e4:name{}:{name}12:piece lengthi16384e6:pieces20:",
        name.len()
    );
    [
        b"d4:info".as_slice(),
        info.as_bytes(),
        &[fill; 20],
        b"7:privatei1eee",
    ]
    .concat()
}

#[test]
fn files_come_and_go_and_broken_ones_disturb_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path().to_owned());
    fs::write(dir.path().join("a.torrent"), torrent("a", 1)).unwrap();
    fs::write(dir.path().join("broken.torrent"), b"d4:info").unwrap();
    fs::write(dir.path().join("README"), b"not a torrent").unwrap();
    let contents = folder.scan().unwrap().expect("the first scan finds files");
    assert_eq!((contents.len(), contents.broken), (1, 1));
    assert!(folder.scan().unwrap().is_none(), "nothing has changed");

    fs::write(dir.path().join("broken.torrent"), torrent("b", 1)).unwrap();
    let contents = folder.scan().unwrap().expect("a file has changed");
    assert_eq!((contents.len(), contents.broken), (2, 0));

    fs::remove_file(dir.path().join("a.torrent")).unwrap();
    assert_eq!(folder.scan().unwrap().expect("a file is gone").len(), 1);
}

#[test]
fn a_file_that_is_overwritten_in_place_is_tracked_as_before_until_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path().to_owned());
    let path = dir.path().join("a.torrent");
    fs::write(&path, torrent("a", 1)).unwrap();
    let before: Vec<InfoHash> = folder.scan().unwrap().unwrap().by_hash.into_keys().collect();
    let new = torrent("other", 2);
    fs::write(&path, &new[..new.len() / 2]).unwrap();
    let contents = folder.scan().unwrap().unwrap();
    assert_eq!(contents.broken, 1);
    assert_eq!(contents.by_hash.into_keys().collect::<Vec<_>>(), before);
    fs::write(&path, &new).unwrap();
    let contents = folder.scan().unwrap().unwrap();
    assert_eq!(contents.broken, 0);
    assert_ne!(contents.by_hash.into_keys().collect::<Vec<_>>(), before);
}

#[test]
fn contents_of_one_name_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::new(dir.path().to_owned());
    fs::write(dir.path().join("1.torrent"), torrent("office", 1)).unwrap();
    fs::write(dir.path().join("2.torrent"), torrent("office", 2)).unwrap();
    fs::write(dir.path().join("2-copy.torrent"), torrent("office", 2)).unwrap();
    let contents = folder.scan().unwrap().unwrap();
    let mut names: Vec<_> = contents.by_hash.values().map(|content| content.name.to_string()).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    assert!(
        names[0] != names[1] && names.iter().all(|name| name.starts_with("office (")),
        "{names:?}"
    );
    let own_names = contents.iter().map(|(_, content)| &*content.own_name);
    assert!(own_names.eq(["office", "office"]));
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error() {
    assert!(Folder::new("/nonexistent/torrents".into()).scan().is_err());
}
