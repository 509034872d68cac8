//! Peers that stop in the middle: half a handshake, half a message, or requests whose answers are never read. They
//! end in their time, hold little until then, and no other peer notices.

mod common;

use std::io::Read;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use common::agent::Agent;
use common::content::assert_same;
use common::eventually;
use common::peer::{Heard, Peer};
use common::seeder::Scene;
use narrows_agent::ContentState;
use narrows_protocol::PeerId;
use narrows_wire::{Bitfield, Block, Codec, ExtendedHandshake, Handshake, Message};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const BLOCK: u32 = 16384;

/// What an honest peer waits for a block at most while others misbehave; no more than a busy machine needs.
const PROMPT: Duration = Duration::from_secs(3);

impl Scene {
    /// Whether a leecher there gets a block; `false`: it is closed before.
    fn serves(&self, ip: IpAddr, id: u8) -> bool {
        let mut peer = self.peer(ip, id);
        peer.send(&Message::HaveNone);
        peer.send(&Message::Interested);
        peer.send(&Message::Request(block(7)));
        std::iter::from_fn(|| peer.next()).any(|message| matches!(message, Message::Piece { .. }))
    }

    /// An honest machine is served without delay.
    fn serves_others(&self) {
        let began = Instant::now();
        assert!(self.serves(common::address(), 200));
        assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    }

    fn peers(&self, count: usize) {
        eventually(&format!("{count} peers"), || {
            (self.seeder.content().peers == count).then_some(())
        });
    }

    fn handshake(&self) -> [u8; Handshake::LEN] {
        let ours = Handshake {
            info_hash: self.meta.info_hash,
            peer_id: PeerId([8; 20]),
            fast: true,
            extended: true,
        };
        ours.encode()
    }
}

fn block(n: u32) -> Block {
    Block {
        piece: n / 4 % 60,
        begin: n % 4 * BLOCK,
        len: BLOCK,
    }
}

fn encoded<'a>(messages: impl IntoIterator<Item = &'a Message>) -> BytesMut {
    let mut bytes = BytesMut::new();
    messages.into_iter().for_each(|message| Codec::encode(message, &mut bytes));
    bytes
}

/// One of each kind that a peer can leave half.
fn kinds(pieces: u32) -> Vec<Message> {
    vec![
        Message::Bitfield(Bitfield::new(pieces).to_wire()),
        Message::Have(1),
        Message::Extended {
            id: 0,
            payload: ExtendedHandshake::default().encode(),
        },
        Message::Request(block(9)),
        Message::Piece {
            piece: 1,
            begin: 0,
            data: vec![5; BLOCK as usize].into(),
        },
    ]
}

/// Waits for the end; how long after `began` it came.
fn ended(mut stream: TcpStream, began: Instant) -> Duration {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    match stream.read(&mut [0; 1]) {
        Ok(0) => {}
        Ok(_) => panic!("half a handshake is answered"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    began.elapsed()
}

#[test]
fn half_a_handshake_has_ten_seconds_and_others_are_served_meanwhile() {
    let scene = Scene::new();
    let whole = scene.handshake();
    let rogue = common::address();
    let began = Instant::now();
    let halves: Vec<TcpStream> = [1, 19, 20, 28, 47, 48, 67]
        .into_iter()
        .map(|cut| {
            let mut stream = common::peer::from(rogue, scene.seeder.listen()).unwrap();
            std::io::Write::write_all(&mut stream, &whole[..cut]).unwrap();
            stream
        })
        .collect();
    scene.serves_others();
    for stream in halves {
        let after = ended(stream, began);
        assert!(
            after > Duration::from_secs(9) && after < Duration::from_secs(14),
            "{after:?}"
        );
    }
    assert!(scene.serves(rogue, 1), "the machine itself may come again");
}

/// A stream of requests among other messages, cut anywhere: what is whole is answered, and what is half is heard
/// once the rest is there.
#[test]
fn a_stream_that_is_cut_anywhere_is_answered_up_to_there_and_goes_on_with_the_rest() {
    let scene = Scene::new();
    let kinds = kinds(scene.meta.piece_count());
    let messages = prop::collection::vec(
        prop_oneof![2 => Just(None), 1 => (1..5_usize).prop_map(Some)],
        1..12,
    );
    let cut = any::<prop::sample::Index>();
    let config = Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    };
    let scene = &scene;
    let answers = |peer: &mut Peer, wanted: usize| {
        let mut got = 0;
        while got < wanted {
            let message = peer.next().expect("it is not closed");
            got += usize::from(matches!(message, Message::Piece { .. }));
        }
    };
    TestRunner::new(config)
        .run(&(messages, cut), |(wanted, cut)| {
            let mut n = 0;
            let mut request = || {
                n += 1;
                Message::Request(block(n + 16))
            };
            let stream: Vec<Message> = [Message::HaveNone, Message::Interested]
                .into_iter()
                .chain(wanted.iter().map(|kind| kind.map_or_else(&mut request, |kind| kinds[kind].clone())))
                .collect();
            let ends: Vec<usize> = (1..=stream.len()).map(|len| encoded(&stream[..len]).len()).collect();
            let bytes = encoded(&stream);
            let cut = cut.index(bytes.len());
            let asks = |message: &&Message| matches!(message, Message::Request(_));
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let before = stream[..whole].iter().filter(asks).count();
            let mut peer = scene.peer(common::address(), 1);
            peer.raw(&bytes[..cut]);
            answers(&mut peer, before);
            // what is half is not taken for anything
            while let Heard::Message(message) = peer.hear(Duration::from_millis(50)) {
                assert!(
                    !matches!(message, Message::Piece { .. }),
                    "more than was asked for"
                );
            }
            scene.serves_others();
            peer.raw(&bytes[cut..]);
            answers(&mut peer, stream[whole..].iter().filter(asks).count());
            Ok(())
        })
        .unwrap();
    scene.peers(0);
}

/// Each kind of message, cut in its length and in its middle, by all connections that an address may have; nothing
/// follows but an end of patience.
#[test]
fn connections_with_half_a_message_hold_little_and_give_their_places_to_others_of_their_address() {
    let scene = Scene::new();
    let rogue = common::address();
    let began = Instant::now();
    let mut halves = Vec::new();
    for id in 1..=16 {
        let mut peer = scene.peer(rogue, id);
        let kinds = kinds(scene.meta.piece_count());
        let message = &kinds[usize::from(id) % kinds.len()];
        let bytes = encoded([message]);
        peer.raw(&bytes[..if id % 2 == 0 { 2 } else { bytes.len() / 2 + 1 }]);
        halves.push(peer);
    }
    scene.peers(16);
    scene.serves_others();
    assert!(!scene.serves(rogue, 100), "all places of that address are taken");
    // and free again after 20 s without use; more often would be a flood
    while !scene.serves(rogue, 101) {
        assert!(began.elapsed() < common::PATIENCE);
        std::thread::sleep(Duration::from_millis(500));
    }
    let after = began.elapsed();
    assert!(
        after > Duration::from_secs(18) && after < Duration::from_secs(30),
        "{after:?}"
    );
    scene.serves_others();
}

/// 16 connections that ask for 24 MiB each and read nothing, some of which speak on.
#[cfg(target_os = "linux")]
#[test]
fn peers_that_ask_and_never_read_end_within_their_time_hold_little_and_delay_no_other() {
    let scene = Scene::new();
    scene.serves_others();
    let before = scene.seeder.peak_memory();
    let requests: Vec<Message> = (0..1500).map(|n| Message::Request(block(n))).collect();
    let began = Instant::now();
    let [a, b] = [(); 2].map(|()| common::address());
    let mut held: Vec<Peer> = (1..=16)
        .map(|id| {
            let mut peer = scene.peer(if id % 2 == 0 { a } else { b }, id);
            peer.send(&Message::HaveNone);
            peer.send(&Message::Interested);
            peer.raw(&encoded(&requests));
            peer
        })
        .collect();
    scene.peers(16);
    scene.serves_others();
    // a whole content, too
    let target = scene.dir.path().join("target");
    let leecher = Agent::new(&scene.dir.path().join("l"), &[(&scene.file, &target)]).started();
    leecher.wait_for(ContentState::Seeding);
    assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
    assert_same(&scene.dir.path().join("seeder/office"), &target.join("office"));
    drop(leecher);
    let grown = scene.seeder.peak_memory() - before;
    assert!(grown < 24 << 20, "{} MiB", grown >> 20);
    // 18 s without progress; to speak on does not help
    while scene.seeder.content().peers > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        held.iter_mut().step_by(3).for_each(|peer| peer.send(&Message::KeepAlive));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(began.elapsed() > Duration::from_secs(17), "{:?}", began.elapsed());
    assert!(scene.serves(a, 100));
}

/// One says that it has everything and sends half a block, or one byte of it each second.
#[test]
fn neighbours_that_send_half_a_block_hold_no_content_up() {
    let scene = Scene::new();
    let (info_hash, pieces) = (scene.meta.info_hash, scene.meta.piece_count());
    for trickles in [false, true] {
        let listener = TcpListener::bind((common::address(), 0)).unwrap();
        scene.tracker.add(info_hash, listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut peer = Peer::accept(&listener, info_hash, pieces, 66);
            peer.send(&Message::HaveAll);
            peer.send(&Message::Unchoke);
            while let Some(message) = peer.next() {
                if let Message::Request(block) = message {
                    let piece = Message::Piece {
                        piece: block.piece,
                        begin: block.begin,
                        data: vec![0; block.len as usize].into(),
                    };
                    let bytes = encoded([&piece]);
                    peer.raw(&bytes[..8000]);
                    for byte in &bytes[8000..] {
                        std::thread::sleep(Duration::from_secs(1));
                        if trickles {
                            peer.raw(&[*byte]);
                        }
                    }
                }
            }
        });
    }
    let began = Instant::now();
    let target = scene.dir.path().join("target");
    let leecher = Agent::new(&scene.dir.path().join("l"), &[(&scene.file, &target)]).started();
    leecher.wait_for(ContentState::Seeding);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_same(&scene.dir.path().join("seeder/office"), &target.join("office"));
}
