//! `create` makes the torrents that other tools make: the same tree has the same info hash.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use narrows_protocol::metainfo::Metainfo;
use narrows_storage::{CreateOptions, create};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const URL: &str = "http://127.0.0.1:6969/announce";
const PIECE: u32 = 32 * 1024;

/// Names in which the order of paths and of components differ, sizes around piece borders.
fn fixture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let sizes = [
        ("a/b", 40_000),
        ("a-b/c", 32_768),
        ("a.txt", 1),
        ("Z", 100_000),
        ("deep/er/and/deeper", 70_001),
        ("unicode-äöü/日本", 5),
        ("with space", 65_536),
    ];
    let mut random = StdRng::seed_from_u64(1);
    for (path, size) in sizes {
        let path = folder.path().join("tree").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        let mut bytes = vec![0; size];
        random.fill_bytes(&mut bytes);
        fs::write(path, bytes).expect("a file");
    }
    folder
}

fn ours(path: &Path) -> (Metainfo, PathBuf) {
    let options = CreateOptions {
        announce: vec![vec![URL.to_owned()]],
        piece_length: Some(PIECE),
        ..CreateOptions::default()
    };
    let bytes = create(path, options, &|_, _| {}).expect("a torrent").torrent;
    let file = path.parent().expect("a parent").join("ours.torrent");
    fs::write(&file, &bytes).expect("written");
    (Metainfo::parse(&bytes).expect("readable"), file)
}

fn parse(file: &Path) -> Metainfo {
    Metainfo::parse(&fs::read(file).expect("a torrent was made")).expect("their torrent opens in ours")
}

fn run(command: &mut Command, package: &str) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{:?} does not run ({error}): apt-get install {package}",
            command.get_program()
        )
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{:?} failed; is {package} installed? {said}",
        command.get_program()
    );
    output
}

fn both(check: impl Fn(&Path)) {
    let folder = fixture();
    check(&folder.path().join("tree"));
    check(&folder.path().join("tree/Z"));
}

#[test]
fn mktorrent_makes_the_same_torrent() {
    both(|path| {
        let (our, _) = ours(path);
        let file = path.with_extension("mktorrent.torrent");
        let power = PIECE.ilog2().to_string();
        run(
            Command::new("mktorrent").args(["-p", "-a", URL, "-l", &power, "-o"]).arg(&file).arg(path),
            "mktorrent",
        );
        let their = parse(&file);
        assert_eq!(their.files, our.files);
        assert_eq!((their.info_hash, their.announce), (our.info_hash, our.announce));
    });
}

#[test]
fn transmission_create_makes_the_same_torrent_but_for_the_order_of_files() {
    both(|path| {
        let (our, _) = ours(path);
        let file = path.with_extension("transmission.torrent");
        let kib = (PIECE / 1024).to_string();
        let mut command = Command::new("transmission-create");
        run(
            command.args(["-p", "-t", URL, "-s", &kib, "-o"]).arg(&file).arg(path),
            "transmission-cli",
        );
        let their = parse(&file);
        assert!(their.private);
        assert_eq!(
            (their.total, their.piece_length, &their.name),
            (our.total, our.piece_length, &our.name)
        );
        if their.files == our.files {
            assert_eq!(their.pieces, our.pieces);
        }
        let sorted = |meta: &Metainfo| {
            let mut files: Vec<_> = meta.files.iter().map(|file| (file.path.clone(), file.length)).collect();
            files.sort();
            files
        };
        assert_eq!(sorted(&their), sorted(&our));
    });
}

#[test]
fn transmission_show_reads_ours() {
    both(|path| {
        let (our, file) = ours(path);
        let output = run(Command::new("transmission-show").arg(file), "transmission-cli");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains(&our.info_hash.to_string()), "{shown}");
        assert!(
            shown.contains("Private torrent") && shown.contains(URL),
            "{shown}"
        );
    });
}

#[test]
fn libtorrent_makes_the_same_torrent_and_reads_ours() {
    const SCRIPT: &str = r"
import os, sys
import libtorrent as lt
path, ours, out, url, piece = sys.argv[1:]
storage = lt.file_storage()
base = os.path.dirname(path)
if os.path.isdir(path):
    found = [os.path.relpath(os.path.join(d, f), base) for d, _, fs in os.walk(path) for f in fs]
    for f in sorted(found, key=os.fsencode):
        storage.add_file(f, os.path.getsize(os.path.join(base, f)))
else:
    storage.add_file(os.path.basename(path), os.path.getsize(path))
torrent = lt.create_torrent(storage, int(piece), lt.create_torrent.v1_only if hasattr(lt.create_torrent, 'v1_only') else 64)
torrent.add_tracker(url)
torrent.set_priv(True)
lt.set_piece_hashes(torrent, base)
open(out, 'wb').write(lt.bencode(torrent.generate()))
info = lt.torrent_info(ours)
print(info.info_hash(), info.num_files(), info.total_size(), info.priv())
";
    both(|path| {
        let (our, our_file) = ours(path);
        let file = path.with_extension("libtorrent.torrent");
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", SCRIPT]).args([path, &our_file, &file]).args([URL, &PIECE.to_string()]);
        let output = run(&mut python, "python3-libtorrent");
        let their = parse(&file);
        assert_eq!(their.files, our.files);
        assert_eq!(their.info_hash, our.info_hash);
        let expected = format!("{} {} {} True", our.info_hash, our.files.len(), our.total);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected);
    });
}

#[test]
fn libtorrent_and_ours_mark_programs_alike_and_read_each_other() {
    const SCRIPT: &str = r"
import os, sys
import libtorrent as lt
path, ours, out = sys.argv[1:]
storage = lt.file_storage()
lt.add_files(storage, path)
torrent = lt.create_torrent(storage, 32768, lt.create_torrent.v1_only)
lt.set_piece_hashes(torrent, os.path.dirname(path))
open(out, 'wb').write(lt.bencode(torrent.generate()))
files = lt.torrent_info(ours).files()
for index in range(files.num_files()):
    if files.file_flags(index) & lt.file_storage.flag_executable:
        print(files.file_path(index))
";
    both(|path| {
        let program = match path.is_dir() {
            true => path.join("a-b/c"),
            false => path.to_owned(),
        };
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        let (our, our_file) = ours(path);
        let file = path.with_extension("libtorrent.torrent");
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", SCRIPT]).args([path, &our_file, &file]);
        let output = run(&mut python, "python3-libtorrent");
        let named = program.strip_prefix(path.parent().expect("a parent")).expect("below");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            named.to_str().expect("text")
        );
        let programs = |meta: &Metainfo| {
            let files = meta.files.iter().filter(|file| file.executable);
            files.map(|file| file.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(programs(&parse(&file)), programs(&our));
        assert_eq!(programs(&our).len(), 1);
    });
}

#[test]
fn a_hybrid_torrent_of_libtorrent_opens_as_v1_and_a_v2_one_is_refused_in_words() {
    const SCRIPT: &str = r"
import sys
import libtorrent as lt
path, hybrid, v2 = sys.argv[1:]
import os
for out, flags in ((hybrid, 0), (v2, lt.create_torrent.v2_only)):
    storage = lt.file_storage()
    lt.add_files(storage, path, lambda _: True, flags | lt.create_torrent.symlinks)
    torrent = lt.create_torrent(storage, 32768, flags | lt.create_torrent.symlinks)
    lt.set_piece_hashes(torrent, os.path.dirname(path))
    open(out, 'wb').write(lt.bencode(torrent.generate()))
print(lt.torrent_info(hybrid).info_hashes().v1)
";
    both(|path| {
        if path.is_dir() {
            fs::set_permissions(path.join("a-b/c"), fs::Permissions::from_mode(0o755)).expect("a mode");
            std::os::unix::fs::symlink("a-b/c", path.join("link")).expect("a link");
        }
        let (hybrid, v2) = (
            path.with_extension("hybrid.torrent"),
            path.with_extension("v2.torrent"),
        );
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", SCRIPT]).args([path, &hybrid, &v2]);
        let output = run(&mut python, "python3-libtorrent");
        let their = parse(&hybrid);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            their.info_hash.to_string()
        );
        let of_links = their.files.iter().filter_map(|file| file.link.as_ref());
        let links: Vec<String> = of_links.map(|link| link.join("/")).collect();
        let programs = their.files.iter().filter(|file| file.executable).count();
        match path.is_dir() {
            true => assert_eq!((links, programs), (vec!["a-b/c".to_owned()], 1)),
            false => assert_eq!((links.len(), programs), (0, 0)),
        }
        let refused = Metainfo::parse(&fs::read(&v2).expect("made")).expect_err("v2 only").to_string();
        assert!(refused.contains("v2"), "{refused}");
    });
}
