//! Programs and symbolic links (BEP 47) between our agent and libtorrent, both ways, byte for byte and bit
//! for bit.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::agent::Agent;
use common::content::{noise, torrent};
use common::eventually;
use common::tracker::Tracker;
use narrows_agent::ContentState;

const PIECE: u32 = 32 << 10;

/// A release as programs come: a script, a library with its short names, a link to the present version.
fn release(path: &Path) {
    fs::create_dir_all(path.join("1.2/bin")).unwrap();
    fs::create_dir_all(path.join("1.2/lib")).unwrap();
    fs::write(path.join("1.2/bin/run.sh"), noise(1, 100_000)).unwrap();
    fs::write(path.join("1.2/lib/libx.so.1.2"), noise(2, 70_001)).unwrap();
    fs::write(path.join("readme"), noise(3, 5000)).unwrap();
    for program in ["1.2/bin/run.sh", "1.2/lib/libx.so.1.2"] {
        fs::set_permissions(path.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink("1.2", path.join("current")).unwrap();
    symlink("libx.so.1.2", path.join("1.2/lib/libx.so")).unwrap();
    symlink("../../readme", path.join("1.2/bin/readme")).unwrap();
}

/// What stands at a path.
#[derive(PartialEq, Eq, Debug)]
enum Entry {
    Link(PathBuf),
    File { executable: bool, bytes: Vec<u8> },
}

fn entries(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let (mut out, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let found = if stat.is_dir() {
                folders.push(path);
                continue;
            } else if stat.is_symlink() {
                Entry::Link(fs::read_link(&path).unwrap())
            } else {
                Entry::File {
                    executable: stat.permissions().mode() & 0o100 != 0,
                    bytes: fs::read(&path).unwrap(),
                }
            };
            out.insert(path.strip_prefix(root).unwrap().to_owned(), found);
        }
    }
    out
}

/// Ends when it is dropped.
struct Libtorrent(Child);

impl Libtorrent {
    fn start(torrent: &Path, save: &Path, ip: IpAddr) -> Self {
        fs::create_dir_all(save).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/libtorrent_peer.py");
        let child = Command::new("/usr/bin/python3")
            .arg(script)
            .args([torrent, save])
            .args([&ip.to_string(), "6881"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("apt-get install python3-libtorrent"))
    }
}

impl Drop for Libtorrent {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn libtorrent_fetches_programs_and_links_from_us() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("source/office");
    release(&source);
    let (torrent, meta) = torrent(&source, &tracker, PIECE);
    assert_eq!(meta.files.iter().filter(|file| file.link.is_some()).count(), 3);
    let source_folder = dir.path().join("source");
    let seeder = Agent::new(&dir.path().join("seeder"), &[(&torrent, &source_folder)]).started();
    seeder.wait_for(ContentState::Seeding);
    let save = dir.path().join("libtorrent");
    let expected = entries(&source);
    let _libtorrent = Libtorrent::start(&torrent, &save, common::address());
    eventually("libtorrent has the same tree", || {
        let office = save.join("office");
        (office.exists() && entries(&office) == expected).then_some(())
    });
    assert_eq!(entries(&source), expected, "the original is as it was");
}

#[test]
fn we_fetch_programs_and_links_from_libtorrent_by_its_torrent() {
    const SCRIPT: &str = r"
import os, sys
import libtorrent as lt
path, out, url = sys.argv[1:]
flags = lt.create_torrent.v1_only | lt.create_torrent.symlinks
storage = lt.file_storage()
lt.add_files(storage, path, lambda _: True, flags)
torrent = lt.create_torrent(storage, 32768, flags)
torrent.add_tracker(url)
torrent.set_priv(True)
lt.set_piece_hashes(torrent, os.path.dirname(path))
open(out, 'wb').write(lt.bencode(torrent.generate()))
";
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("source/office");
    release(&source);
    let torrent = dir.path().join("theirs.torrent");
    let made = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .args([&source, &torrent])
        .arg(tracker.url())
        .status();
    assert!(made.expect("apt-get install python3-libtorrent").success());
    let _libtorrent = Libtorrent::start(&torrent, &dir.path().join("source"), common::address());
    let target = dir.path().join("target");
    let agent = Agent::new(&dir.path().join("agent"), &[(&torrent, &target)]).started();
    agent.wait_for(ContentState::Seeding);
    assert_eq!(entries(&target.join("office")), entries(&source));
}

#[test]
fn what_arrives_heeds_the_umask() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("source/office");
    release(&source);
    let (torrent, _) = torrent(&source, &tracker, PIECE);
    let source_folder = dir.path().join("source");
    let seeder = Agent::new(&dir.path().join("seeder"), &[(&torrent, &source_folder)]).started();
    seeder.wait_for(ContentState::Seeding);
    for (umask, program, other) in [
        ("022", 0o755, 0o644),
        ("027", 0o750, 0o640),
        ("077", 0o700, 0o600),
    ] {
        let to = dir.path().join(umask);
        let got = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_narrows-agent"))
            .arg("get")
            .arg(&torrent)
            .arg("--to")
            .arg(&to)
            .args(["--listen", &format!("{}:0", common::address())])
            .output()
            .unwrap();
        assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
        let mode =
            |name: &str| fs::metadata(to.join("office").join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode("1.2/bin/run.sh"), mode("readme")),
            (program, other),
            "{umask}"
        );
    }
}
