//! Torrents that are made, and trees of which none can be.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
#[cfg(unix)]
use std::path::Path;
use std::sync::Mutex;

use narrows_protocol::metainfo::Metainfo;
use narrows_storage::{CreateError, CreateOptions, create};

#[cfg(unix)]
fn make(path: &Path, options: CreateOptions) -> Result<Metainfo, CreateError> {
    create(path, options, &|_, _| {})
        .map(|made| Metainfo::parse(&made.torrent).expect("what is made can be read"))
}

fn tree(files: &[(&str, usize)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, length) in files {
        let path = folder.path().join("tree").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, vec![3; *length]).expect("a file");
    }
    folder
}

#[test]
fn the_same_tree_gives_the_same_bytes_whatever_the_number_of_threads() {
    let folder = tree(&[
        ("b", 100_000),
        ("a/x", 70_000),
        ("a-b", 5),
        ("empty", 0),
        ("ä", 40_000),
    ]);
    let path = folder.path().join("tree");
    let made: Vec<_> = [1, 2, 7]
        .into_iter()
        .map(|threads| {
            let options = CreateOptions {
                threads: Some(threads),
                piece_length: Some(16384),
                ..Default::default()
            };
            create(&path, options, &|_, _| {}).expect("a torrent").torrent
        })
        .collect();
    assert!(made[0] == made[1] && made[1] == made[2]);
    let meta = Metainfo::parse(&made[0]).expect("readable");
    let paths: Vec<_> = meta.files.iter().map(|file| file.path.join("/")).collect();
    assert_eq!(paths, ["a-b", "a/x", "b", "empty", "ä"]);
    assert!(meta.private && meta.multi_file && meta.name == "tree" && meta.total == 210_005);
}

#[test]
fn announce_tiers_names_and_progress_are_as_asked_for() {
    let folder = tree(&[("file", 600_000)]);
    let seen = Mutex::new(Vec::new());
    let tiers = vec![
        vec!["http://a/announce".to_owned(), "http://b/announce".to_owned()],
        vec!["http://c/".to_owned()],
    ];
    let options = CreateOptions {
        announce: tiers.clone(),
        name: Some("other".to_owned()),
        created: Some(5),
        ..Default::default()
    };
    let bytes = create(&folder.path().join("tree/file"), options, &|done, of| {
        seen.lock().expect("lock").push((done, of))
    })
    .expect("a torrent")
    .torrent;
    let meta = Metainfo::parse(&bytes).expect("readable");
    assert_eq!(
        (meta.announce, meta.name.as_str(), meta.multi_file),
        (tiers, "other", false)
    );
    let mut seen = seen.into_inner().expect("lock");
    seen.sort_unstable();
    assert_eq!(seen.last(), Some(&(600_000, 600_000)));
    assert_eq!(seen.len(), meta.pieces.len());
    assert!(bytes.windows(17).any(|window| window == b"creation datei5e4"));
}

/// A name, how such a thing is made, and what the refusal says.
#[cfg(unix)]
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

#[cfg(unix)]
#[test]
fn trees_that_no_fleet_could_hold_are_refused_with_the_path_and_the_reason() {
    let cases: &[Case] = &[
        (
            "link",
            &|path| symlink("/etc/passwd", path).expect("a link"),
            "symbolic link",
        ),
        (
            "CON.txt",
            &|path| fs::write(path, "x").expect("a file"),
            "device CON",
        ),
        ("a:b", &|path| fs::write(path, "x").expect("a file"), "':'"),
        (
            "trailing ",
            &|path| fs::write(path, "x").expect("a file"),
            "space",
        ),
        (
            "FILE",
            &|path| fs::write(path, "x").expect("a file"),
            "only in case",
        ),
    ];
    for (name, make_it, reason) in cases {
        let folder = tree(&[("file", 10), ("sub/x", 10)]);
        make_it(&folder.path().join("tree").join(name));
        let error = make(&folder.path().join("tree"), CreateOptions::default()).expect_err(name).to_string();
        assert!(
            error.to_lowercase().contains(&name.to_lowercase()) && error.contains(reason),
            "{name}: {error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_travel_is_told_once_for_each_kind_with_a_number_and_an_example() {
    use narrows_storage::{Loss, Lost};
    use std::os::unix::fs::PermissionsExt;
    let folder = tree(&[
        ("bin/su", 10),
        ("etc/key", 10),
        ("etc/key2", 10),
        ("plain", 10),
        ("group", 10),
    ]);
    let tree = folder.path().join("tree");
    let lost = || create(&tree, CreateOptions::default(), &|_, _| {}).expect("a torrent").lost;
    let chmod = |path: &str, mode| {
        fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    for path in ["", "bin", "etc"] {
        chmod(path, 0o755);
    }
    for (path, mode) in [
        ("bin/su", 0o755),
        ("etc/key", 0o644),
        ("etc/key2", 0o644),
        ("plain", 0o644),
        ("group", 0o664),
    ] {
        chmod(path, mode);
    }
    assert_eq!(lost(), [], "of an ordinary tree nothing is lost");

    fs::create_dir_all(tree.join("var/log/empty")).expect("folders");
    for path in ["var", "var/log", "var/log/empty"] {
        chmod(path, 0o755);
    }
    chmod("bin/su", 0o4755);
    chmod("etc/key", 0o600);
    chmod("etc/key2", 0o640);
    drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).expect("a socket"));
    symlink("plain", tree.join("link")).expect("a link");
    let mut told = lost();
    told.sort_by_key(|lost| lost.to_string());
    let one = |loss, path: &str| Lost {
        loss,
        count: 1,
        first: tree.join(path),
    };
    for expected in [
        one(Loss::EmptyFolder, "var/log/empty"),
        one(Loss::Special, "socket"),
        one(Loss::SetId, "bin/su"),
        one(Loss::LinkOnWindows, "link"),
    ] {
        assert!(told.contains(&expected), "{expected} is not in {told:?}");
        let said = expected.to_string();
        assert!(
            said.contains("(1): ") && said.contains(expected.first.to_str().expect("text")),
            "{said}"
        );
    }
    let access = told.iter().find(|lost| lost.loss == Loss::Access).expect("0600 and 0640");
    assert!(access.count == 2 && access.first.starts_with(tree.join("etc")));
    assert!(access.to_string().contains("0644") && access.to_string().ends_with(", ..."));
    assert_eq!(told.len(), 5);
    let labelled = rustix::fs::setxattr(
        tree.join("plain"),
        "user.note",
        b"x",
        rustix::fs::XattrFlags::empty(),
    );
    match labelled {
        Ok(()) => assert!(lost().contains(&one(Loss::ExtendedAttributes, "plain"))),
        Err(errno) => assert_eq!(
            errno,
            rustix::io::Errno::OPNOTSUPP,
            "a file system without such attributes"
        ),
    }
    let special = create(&tree.join("socket"), CreateOptions::default(), &|_, _| {});
    assert!(matches!(special, Err(CreateError::Special(_))));
}

#[cfg(unix)]
#[test]
fn other_refusals_say_what_to_do() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tree(&[("empty", 0)]);
    let path = folder.path().join("tree");
    assert!(matches!(
        make(&path, CreateOptions::default()),
        Err(CreateError::Empty(_))
    ));
    assert!(matches!(
        make(&path.join("none"), CreateOptions::default()),
        Err(CreateError::Io { .. })
    ));
    for length in [0, 5, 8192, 3 * 16384, 128 << 20] {
        let options = CreateOptions {
            piece_length: Some(length),
            ..Default::default()
        };
        assert!(
            matches!(make(&path, options), Err(CreateError::PieceLength(_))),
            "{length}"
        );
    }
    fs::write(path.join(std::ffi::OsStr::from_bytes(b"\xff")), "x").expect("a file");
    assert!(matches!(
        make(&path, CreateOptions::default()),
        Err(CreateError::NotUtf8(_))
    ));
    let link = folder.path().join("link");
    symlink(&path, &link).expect("a link");
    assert!(matches!(
        make(&link, CreateOptions::default()),
        Err(CreateError::Symlink(_))
    ));
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error() {
    for change in [0_usize, 1, 2] {
        let folder = tree(&[("a", 600_000), ("b", 600_000)]);
        let path = folder.path().join("tree");
        let once = std::sync::Once::new();
        let options = CreateOptions {
            threads: Some(1),
            ..Default::default()
        };
        let result = create(&path, options, &|_, _| {
            once.call_once(|| match change {
                0 => fs::write(path.join("b"), vec![3; 5]).expect("shorter"),
                1 => fs::write(path.join("b"), vec![3; 900_000]).expect("longer"),
                _ => fs::remove_file(path.join("b")).expect("gone"),
            });
        });
        assert!(
            matches!(result, Err(CreateError::Changed(_) | CreateError::Io { .. })),
            "{change}: {result:?}"
        );
    }
}
