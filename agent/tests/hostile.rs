//! Peers that break the protocol are closed, and no other peer notices.

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use bytes::BytesMut;
use common::agent::Agent;
use common::content::{assert_same, folder, noise, torrent};
use common::offences::{is_named, is_told, kinds};
use common::peer::Peer;
use common::tracker::Tracker;
use narrows_agent::ContentState;
use narrows_protocol::metainfo::Metainfo;
use narrows_wire::{Bitfield, Block, Codec, Message};

const MB: usize = 1_000_000;
const PIECE: u32 = 128 << 10;

/// From where, how many messages, and which.
type Flood<'a> = (IpAddr, u32, &'a dyn Fn(u32) -> Message);

struct Scene {
    dir: tempfile::TempDir,
    tracker: Tracker,
    file: std::path::PathBuf,
    meta: Metainfo,
}

impl Scene {
    fn new() -> Self {
        let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let source = dir.path().join("seeder/office");
        folder(&source, 1, 4 * MB + 200_000);
        let (file, meta) = torrent(&source, &tracker, PIECE);
        Self {
            dir,
            tracker,
            file,
            meta,
        }
    }

    fn seeder(&self) -> Agent {
        let seeder = Agent::new(
            &self.dir.path().join("s"),
            &[(&self.file, &self.dir.path().join("seeder"))],
        )
        .started();
        seeder.wait_for(ContentState::Seeding);
        seeder
    }

    fn leecher(&self) -> Agent {
        let leecher = Agent::new(
            &self.dir.path().join("l"),
            &[(&self.file, &self.dir.path().join("target"))],
        )
        .started();
        leecher.wait_for(ContentState::Fetching);
        leecher
    }

    fn peer(&self, agent: &Agent, id: u8) -> Peer {
        Peer::connect(agent.listen(), self.meta.info_hash, self.meta.piece_count(), id)
    }

    /// The agent has named this machine, and told the tracker.
    fn names(&self, agent: &Agent, offence: &str, ip: IpAddr, times: u64) {
        is_named(agent, offence, ip, times);
        is_told(|| self.tracker.said_by(agent.listen()), offence, ip);
    }

    /// The transfer goes on whatever happened.
    fn completes(&self, leecher: &Agent) {
        let _seeder = self.seeder();
        leecher.wait_for(ContentState::Seeding);
        assert_same(
            &self.dir.path().join("seeder/office"),
            &self.dir.path().join("target/office"),
        );
    }
}

#[test]
fn streams_that_are_not_the_protocol_are_closed_and_the_transfer_goes_on() {
    let scene = Scene::new();
    let leecher = scene.leecher();
    let pieces = scene.meta.piece_count();
    let bits = pieces.div_ceil(8);
    let spare = {
        let mut bits = Bitfield::new(pieces).to_wire().to_vec();
        *bits.last_mut().unwrap() |= 1;
        bits
    };
    assert!(!pieces.is_multiple_of(8), "the content has spare bits");
    let message = |len: u32, rest: &[u8]| [&len.to_be_bytes()[..], rest].concat();
    let scripts: Vec<(&str, Vec<u8>)> = vec![
        ("a length beyond every message", message(u32::MAX, &[7])),
        ("a length just beyond", message(16 * 1024 + 10, &[7])),
        ("a choke with a body", message(2, &[0, 0])),
        ("a have of three bytes", message(4, &[4, 0, 0, 0])),
        ("a have of no piece", message(5, &[4, 0xff, 0xff, 0xff, 0xff])),
        ("a bitfield too long", message(2 + bits, &[5])),
        ("a bitfield too short", message(bits, &[5])),
        (
            "a bitfield with spare bits",
            message(1 + bits, &[&[5], &spare[..]].concat()),
        ),
        (
            "a second bitfield",
            [message(1, &[15]), message(1, &[14])].concat(),
        ),
        (
            "a request longer than a block",
            [
                message(1, &[15]),
                message(13, &[&[6], &[0; 8][..], &[0, 1, 0, 0]].concat()),
            ]
            .concat(),
        ),
    ];
    for (n, (what, bytes)) in scripts.iter().enumerate() {
        let mut peer = scene.peer(&leecher, n as u8 + 1);
        peer.raw(bytes);
        assert!(peer.is_closed(), "{what}");
    }
    scene.completes(&leecher);
}

#[test]
fn handshakes_that_are_none_or_of_another_content_are_closed() {
    let scene = Scene::new();
    let seeder = scene.seeder();
    let mut other = narrows_wire::Handshake {
        info_hash: narrows_protocol::InfoHash([7; 20]),
        peer_id: narrows_protocol::PeerId([1; 20]),
        fast: true,
        extended: true,
    }
    .encode();
    let unknown = other.to_vec();
    other[3] = b'X';
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0; 4096],
        unknown,
        other.to_vec(),
    ] {
        let mut stream = TcpStream::connect(seeder.listen()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(&bytes);
        let mut got = Vec::new();
        match stream.read_to_end(&mut got) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        assert!(got.is_empty(), "nothing is told to strangers");
    }
    assert_eq!(seeder.content().peers, 0);
}

#[test]
fn a_seeder_serves_what_exists_and_refuses_the_rest() {
    let scene = Scene::new();
    let seeder = scene.seeder();
    let mut peer = scene.peer(&seeder, 1);
    peer.send(&Message::HaveNone);
    peer.send(&Message::Interested);
    let good = Block {
        piece: 3,
        begin: 16384,
        len: 16384,
    };
    peer.send(&Message::Request(good));
    let data = loop {
        match peer.next().expect("the seeder serves") {
            Message::Piece {
                piece: 3,
                begin: 16384,
                data,
            } => break data,
            Message::Piece { .. } => panic!("not what was asked for"),
            _ => {}
        }
    };
    assert_eq!(data.len(), 16384);
    let mut hasty = scene.peer(&seeder, 2);
    hasty.send(&Message::HaveNone);
    hasty.send(&Message::Request(Block {
        piece: 1_000_000,
        begin: 0,
        len: 16384,
    }));
    let refused = loop {
        match hasty.next() {
            None | Some(Message::Reject(_)) => break true,
            Some(Message::Piece { .. }) => break false,
            Some(_) => {}
        }
    };
    assert!(refused);
}

#[test]
fn data_that_was_not_asked_for_is_not_taken() {
    let scene = Scene::new();
    let leecher = scene.leecher();
    let mut peer = scene.peer(&leecher, 1);
    peer.send(&Message::HaveNone);
    for begin in 0..8 {
        peer.send(&Message::Piece {
            piece: 0,
            begin: begin * 16384,
            data: noise(9, 16384).into(),
        });
    }
    scene.completes(&leecher);
    assert_eq!(leecher.content().pieces_bad, 0);
}

#[test]
fn a_seeder_of_wrong_data_is_found_out_and_the_right_one_completes_the_content() {
    let scene = Scene::new();
    // not the address of the agents: it will be banned
    let listener = TcpListener::bind((common::address(), 0)).unwrap();
    let liar: SocketAddr = listener.local_addr().unwrap();
    scene.tracker.add(scene.meta.info_hash, liar);
    let (info_hash, pieces) = (scene.meta.info_hash, scene.meta.piece_count());
    let lying = std::thread::spawn(move || {
        let mut served = 0;
        let mut peer = Peer::accept(&listener, info_hash, pieces, 66);
        peer.send(&Message::HaveAll);
        peer.send(&Message::Unchoke);
        while let Some(message) = peer.next() {
            if let Message::Request(block) = message {
                let data = noise(13, block.len as usize).into();
                peer.send(&Message::Piece {
                    piece: block.piece,
                    begin: block.begin,
                    data,
                });
                served += 1;
            }
        }
        served
    });
    let leecher = scene.leecher();
    assert!(
        lying.join().unwrap() >= PIECE / 16384,
        "it was asked for at least a piece before it was closed"
    );
    scene.completes(&leecher);
    assert!(leecher.content().pieces_bad >= 1);
    // until it was banned
    scene.names(&leecher, "wrong_pieces", liar.ip(), 2);
}

#[test]
fn machines_that_ask_or_send_or_offer_without_end_are_closed_and_named_and_the_transfer_goes_on() {
    let scene = Scene::new();
    let leecher = scene.leecher();
    let [asks, sends, offers] = [(); 3].map(|()| common::address());
    let block = |n: u32| Block {
        piece: n % 8,
        begin: n / 8 % 8 * 16384,
        len: 16384,
    };
    let data: bytes::Bytes = noise(5, 16384).into();
    let unasked = |n| Message::Piece {
        piece: block(n).piece,
        begin: block(n).begin,
        data: data.clone(),
    };
    let scripts: [Flood<'_>; 3] = [
        (asks, 5000, &|n| Message::Request(block(n))),
        (sends, 1100, &unasked),
        (offers, 600, &|n| match n % 2 {
            0 => Message::Unchoke,
            _ => Message::Choke,
        }),
    ];
    for (ip, count, message) in scripts {
        for id in 1..=2 {
            let (to, pieces) = (leecher.listen(), scene.meta.piece_count());
            let mut peer = Peer::connect_from(ip, to, scene.meta.info_hash, pieces, id);
            peer.send(&Message::HaveNone);
            let mut bytes = BytesMut::new();
            (0..count).for_each(|n| Codec::encode(&message(n), &mut bytes));
            peer.raw(&bytes);
            assert!(peer.is_closed(), "{ip}");
        }
        scene.names(&leecher, "flooding", ip, 2);
    }
    scene.completes(&leecher);
}

#[test]
fn each_kind_of_offence_that_an_agent_counts_is_tried_in_a_test_over_sockets() {
    let tests = [
        include_str!("doors.rs"),
        include_str!("floods.rs"),
        include_str!("hostile.rs"),
        include_str!("liar.rs"),
        include_str!("networks.rs"),
    ];
    let asserts = |kind: &str, line: &str| {
        let line = line.trim_start();
        (line.starts_with("scene.names(") || line.starts_with("is_named(")) && line.contains(kind)
    };
    let dir = tempfile::tempdir().unwrap();
    let kinds = kinds(&Agent::new(dir.path(), &[]).started());
    assert!(kinds.len() >= 9, "{kinds:?}");
    for (kind, _) in kinds {
        let kind = format!("\"{kind}\"");
        let is_tried = tests.iter().any(|test| test.lines().any(|line| asserts(&kind, line)));
        assert!(is_tried, "{kind} is named in none of the tests");
    }
}
