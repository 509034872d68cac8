//! Agents as processes with few descriptors: files and connections are shared out, nothing fails for the lack
//! of them. And with none left at all: nothing is taken for lost, and it goes on once there are some.

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

/// A content of many small files, all of which no agent with [`FEW`] descriptors keeps open.
#[cfg(target_os = "linux")]
mod none_left {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use common::peer::{Heard, Peer, from};
    use narrows_protocol::metainfo::Metainfo;
    use narrows_wire::{Block, Message};

    use super::*;

    const FEW: u64 = 100;
    const PIECE: u32 = 16 << 10;
    /// Standard streams alone: what is open stays open, and nothing is opened any more.
    const NONE: u64 = 3;

    struct Scene {
        dir: tempfile::TempDir,
        file: PathBuf,
        meta: Metainfo,
    }

    impl Scene {
        fn new() -> Self {
            let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
            let source = dir.path().join("depot/office");
            fs::create_dir_all(&source).unwrap();
            for file in 0..FILES {
                fs::write(source.join(format!("{file}.bin")), noise(file as u64, 16384)).unwrap();
            }
            let (file, meta) = torrent(&source, &tracker, PIECE);
            Self { dir, file, meta }
        }

        fn seeder(&self, descriptors: u64) -> Agent {
            let depot = self.dir.path().join("depot");
            let seeder = Agent::new(&self.dir.path().join("s"), &[(&self.file, &depot)]);
            let seeder = seeder.limited_to(descriptors).started();
            seeder.wait_for(ContentState::Seeding);
            seeder
        }

        fn leecher(&self, descriptors: u64, limits: &str) -> Agent {
            let target = self.dir.path().join("target");
            let leecher = Agent::new(&self.dir.path().join("l"), &[(&self.file, &target)]);
            leecher.with(limits).limited_to(descriptors).started()
        }

        fn peer(&self, ip: IpAddr, of: &Agent) -> Peer {
            let pieces = self.meta.piece_count();
            let mut peer = Peer::connect_from(ip, of.listen(), self.meta.info_hash, pieces, 1);
            peer.send(&Message::HaveNone);
            peer.send(&Message::Interested);
            peer
        }

        fn is_whole_at(&self, leecher: &Agent) {
            leecher.wait_for(ContentState::Seeding);
            let (depot, target) = (
                self.dir.path().join("depot/office"),
                self.dir.path().join("target/office"),
            );
            assert_same(&depot, &target);
        }
    }

    /// Asks for each piece; which came, and which were refused.
    fn asked(peer: &mut Peer, pieces: u32) -> (BTreeSet<u32>, BTreeSet<u32>) {
        for piece in 0..pieces {
            let (begin, len) = (0, PIECE);
            peer.send(&Message::Request(Block { piece, begin, len }));
        }
        let (mut came, mut refused) = (BTreeSet::new(), BTreeSet::new());
        while came.len() + refused.len() < pieces as usize {
            match peer.hear(Duration::from_secs(30)) {
                Heard::Message(Message::Piece { piece, data, .. }) => {
                    assert!(data == noise(piece_file(piece), PIECE as usize), "piece {piece}");
                    came.insert(piece);
                }
                Heard::Message(Message::Reject(block)) => drop(refused.insert(block.piece)),
                Heard::Message(_) => {}
                Heard::End | Heard::Silence => panic!("{} came, {} refused", came.len(), refused.len()),
            }
        }
        (came, refused)
    }

    /// Which file a piece is: they are in the order of their names.
    fn piece_file(piece: u32) -> u64 {
        let mut names: Vec<String> = (0..FILES).map(|file| format!("{file}.bin")).collect();
        names.sort();
        names[piece as usize].trim_end_matches(".bin").parse().unwrap()
    }

    fn log(agent: &Agent) -> String {
        fs::read_to_string(agent.dir.join("log")).unwrap()
    }

    #[test]
    fn a_seeder_that_can_open_nothing_takes_no_piece_for_lost_and_serves_all_once_it_can() {
        let scene = Scene::new();
        let seeder = scene.seeder(FEW);
        let pieces = scene.meta.piece_count();
        let mut peer = scene.peer(common::address(), &seeder);
        seeder.wait("a peer", |content| content.peers == 1);
        seeder.limit_now(NONE);
        // these two wait where connections come in
        let (rogue, before) = (common::address(), seeder.processor_time());
        let waiting: Vec<TcpStream> =
            [seeder.listen(), seeder.control()].into_iter().map(|to| from(rogue, to).unwrap()).collect();
        let (_, refused) = asked(&mut peer, pieces);
        assert!(!refused.is_empty(), "it had all of them open");
        std::thread::sleep(Duration::from_secs(5));
        let spent = seeder.processor_time() - before;
        assert!(spent < Duration::from_millis(1500), "{spent:?} in 5 s");

        seeder.limit_now(FEW);
        let content = seeder.content();
        assert_eq!(
            (content.state, content.pieces_damaged),
            (ContentState::Seeding, 0)
        );
        let (came, refused) = asked(&mut peer, pieces);
        assert!(
            came.len() == pieces as usize,
            "{} refused: {refused:?}",
            refused.len()
        );
        drop(waiting);
        let log = log(&seeder);
        for told in [
            "cannot accept connections",
            "cannot read what a peer asked for",
            "accepted again",
        ] {
            assert!(log.contains(told), "{told}");
        }
        // each a few times, not for each try
        let lines = log.lines().filter(|line| line.contains("Too many open files")).count();
        assert!(lines < 150, "{lines} lines");
        // and another neighbour
        scene.is_whole_at(&scene.leecher(1000, ""));
    }

    #[test]
    fn a_leecher_that_can_open_nothing_says_so_and_loses_nothing_of_what_it_had() {
        let scene = Scene::new();
        let seeder = scene.seeder(1000);
        let leecher = scene.leecher(FEW, "limits: {download: 1600 kbit/s}");
        leecher.wait("a quarter", |content| content.progress > 0.25);
        leecher.limit_now(NONE);
        eventually("it says that it cannot store", || {
            let log = log(&leecher);
            log.lines()
                .any(|line| line.contains("cannot store") && line.contains("Too many open files"))
                .then_some(())
        });
        leecher.limit_now(FEW);
        let then = leecher.content();
        assert!(then.progress > 0.25, "{}", then.progress);
        scene.is_whole_at(&leecher);
        let content = leecher.content();
        assert_eq!(
            (content.pieces_bad, content.pieces_damaged, content.error),
            (0, 0, None)
        );
        // what was on its way when it could not be stored comes again
        let came = content.bytes_lan + content.bytes_wan;
        assert!(
            came <= scene.meta.total * 3 / 2,
            "{came} bytes of {}",
            scene.meta.total
        );
        drop(seeder);
    }

    #[test]
    fn one_machine_that_takes_all_descriptors_of_a_seeder_keeps_no_neighbour_waiting_for_long() {
        let scene = Scene::new();
        // some dozen for all connections
        let seeder = scene.seeder(48);
        let (rogue, to) = (common::address(), seeder.listen());
        let connect = |id| {
            let pieces = scene.meta.piece_count();
            Peer::connect_from(rogue, to, scene.meta.info_hash, pieces, id)
        };
        let idle: Vec<Peer> = (1..=12).map(connect).collect();
        let stop = AtomicBool::new(false);
        let begun = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    held.extend(from(rogue, to).ok());
                    if held.len() > 500 {
                        held.drain(..250);
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            eventually("there is none left", || {
                log(&seeder).contains("cannot accept connections").then_some(())
            });
            let begun = Instant::now();
            scene.is_whole_at(&scene.leecher(1000, ""));
            stop.store(true, Ordering::Relaxed);
            begun
        });
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
        drop(idle);
        common::offences::is_named(&seeder, "handshake_flood", rogue, 1);
        let content = seeder.content();
        assert_eq!(
            (content.state, content.pieces_damaged),
            (ContentState::Seeding, 0)
        );
    }
}
