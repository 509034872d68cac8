//! What one machine cannot do to an agent by opening connections: others get theirs, and it is named.

mod common;

use std::net::IpAddr;

use bytes::BytesMut;
use common::eventually;
use common::offences::{is_named, is_told};
use common::peer::Peer;
use common::seeder::Scene;
use narrows_wire::{Block, Codec, Message};

/// How many connections for one content an address may have while places are plentiful.
const PER_ADDRESS: usize = 16;

impl Scene {
    /// A leecher there gets a block.
    fn is_served(&self, ip: IpAddr, id: u8) -> bool {
        let mut peer = self.peer(ip, id);
        peer.send(&Message::HaveNone);
        peer.send(&Message::Interested);
        peer.send(&Message::Request(Block {
            piece: 1,
            begin: 0,
            len: 16384,
        }));
        std::iter::from_fn(|| peer.next()).any(|message| matches!(message, Message::Piece { piece: 1, .. }))
    }

    /// The seeder has named this machine several times, and told the tracker.
    fn names(&self, offence: &str, ip: IpAddr) {
        is_named(&self.seeder, offence, ip, 2);
        is_told(|| self.tracker.said_by(self.seeder.listen()), offence, ip);
    }
}

#[test]
fn idle_connections_of_one_machine_leave_a_seeder_to_others_and_it_is_named() {
    let scene = Scene::new();
    let (rogue, honest) = (common::address(), common::address());
    let idle: Vec<Peer> = (1..=100).map(|id| scene.peer(rogue, id)).collect();
    eventually("further connections are refused", || {
        (scene.seeder.content().peers == PER_ADDRESS).then_some(())
    });
    assert!(scene.is_served(honest, 200));
    scene.names("too_many_connections", rogue);
    drop(idle);
}

#[test]
fn a_machine_that_opens_connections_without_a_handshake_keeps_no_other_out_and_is_named() {
    let scene = Scene::new();
    let (rogue, honest) = (common::address(), common::address());
    let flood: Vec<_> =
        (0..400).filter_map(|_| common::peer::from(rogue, scene.seeder.listen()).ok()).collect();
    assert!(scene.is_served(honest, 1));
    scene.names("handshake_flood", rogue);
    drop(flood);
}

/// 512 connections that each fill what they can get: a receive buffer, by sending without end and then half a
/// message, and a send buffer, by asking and not reading.
#[cfg(target_os = "linux")]
#[test]
fn all_connections_together_hold_no_more_memory_than_is_shared_by_them() {
    let scene = Scene::new();
    let before = scene.seeder.peak_memory();
    // more than the system takes; and what comes is not asked for, ending within a message
    let mut bytes = BytesMut::new();
    Codec::encode(&Message::HaveNone, &mut bytes);
    for n in 0..600 {
        let (piece, begin) = (n / 4 % 60, n % 4 * 16384);
        let block = Block {
            piece,
            begin,
            len: 16384,
        };
        Codec::encode(&Message::Request(block), &mut bytes);
    }
    let data = vec![0; 16384].into();
    let junk = Message::Piece {
        piece: 0,
        begin: 0,
        data,
    };
    (0..64).for_each(|_| Codec::encode(&junk, &mut bytes));
    bytes.extend_from_slice(&[0, 0, 0x40, 9, 7]);
    let mut held = Vec::new();
    while held.len() < 512 {
        let rogue = common::address();
        for id in 1..=if held.len() < 256 { 16 } else { 4 } {
            let mut peer = scene.peer(rogue, id);
            peer.raw(&bytes);
            held.push(peer);
        }
    }
    assert_eq!(scene.seeder.content().peers, 512);
    let grown = scene.seeder.peak_memory() - before;
    assert!(grown < 120 << 20, "{} MiB", grown >> 20);
    assert!(scene.is_served(common::address(), 99));
}
