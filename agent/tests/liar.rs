//! A neighbour that says it has everything and brings nothing stops no gateway, and is named.

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use common::address;
use common::agent::Agent;
use common::answers::{answering, hearing};
use common::content::{assert_same, folder, torrent_of};
use common::offences::{is_named, is_told};
use common::peer::Peer;
use narrows_agent::ContentState;
use narrows_protocol::{AnnounceRequest, AnnounceResponse, Assignment, InfoHash, Role};
use narrows_wire::{Codec, Message};

const PIECE: u32 = 128 << 10;
/// A term of 4 s, and what comes before and after it on a busy machine.
const SOON: Duration = Duration::from_secs(40);

/// A tracker's answer: these peers of the site, and as gateway these upstreams.
fn reply(local: &[SocketAddr], role: Role, site: &str, upstream: &[SocketAddr]) -> Vec<u8> {
    let response = AnnounceResponse {
        interval: 5,
        min_interval: 1,
        peers: local
            .iter()
            .map(|addr| narrows_protocol::Peer {
                addr: *addr,
                peer_id: None,
            })
            .collect(),
        narrows: Some(Assignment {
            role,
            site: site.into(),
            lease: if role == Role::Gateway { 60 } else { 0 },
            rate: 4_000_000,
            upstream: upstream.to_vec(),
            ..Assignment::default()
        }),
        ..AnnounceResponse::default()
    };
    let mut body = Vec::new();
    response.encode(true, true, &mut body);
    body
}

/// Takes each connection, says that it has everything, and chokes and unchokes for as long as it is let.
fn lie(listener: &TcpListener, info_hash: InfoHash, pieces: u32) {
    for id in 1.. {
        let mut peer = Peer::accept(listener, info_hash, pieces, id);
        std::thread::spawn(move || {
            let mut say = |message: &Message| {
                let mut bytes = BytesMut::new();
                Codec::encode(message, &mut bytes);
                peer.stream.write_all(&bytes).is_ok()
            };
            let mut goes_on = say(&Message::HaveAll);
            while goes_on {
                goes_on = say(&Message::Unchoke);
                std::thread::sleep(Duration::from_millis(700));
                goes_on &= say(&Message::Choke);
                std::thread::sleep(Duration::from_millis(700));
            }
        });
    }
}

#[test]
fn a_neighbour_that_has_everything_and_toggles_its_choke_holds_no_gateway_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 8_000_000);
    let seeder_says = reply(&[], Role::Member, "hq", &[]);
    let url = answering(move || ("200 OK", seeder_says.clone()));
    let (file, meta) = torrent_of(&source, url, PIECE);
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, &dir.path().join("seeder"))]).started();
    seeder.wait_for(ContentState::Seeding);

    let listener = TcpListener::bind((address(), 6881)).unwrap();
    let liar = listener.local_addr().unwrap();
    let (info_hash, pieces) = (meta.info_hash, meta.piece_count());
    std::thread::spawn(move || lie(&listener, info_hash, pieces));
    let gateway_says = reply(&[liar], Role::Gateway, "b1", &[seeder.listen()]);
    let said: Arc<Mutex<Vec<AnnounceRequest>>> = Arc::default();
    let heard = said.clone();
    let url = hearing(move |line| {
        let query = line.split(' ').nth(1).and_then(|path| path.split_once('?'));
        heard.lock().unwrap().extend(query.and_then(|(_, query)| AnnounceRequest::parse(query).ok()));
        ("200 OK", gateway_says.clone())
    });
    let theirs = dir.path().join("gateway.torrent");
    let (beside, same) = torrent_of(&source, url, PIECE);
    assert_eq!(same.info_hash, info_hash);
    std::fs::rename(beside, &theirs).unwrap();

    let begun = Instant::now();
    let gateway = Agent::new(&dir.path().join("g"), &[(&theirs, &dir.path().join("target"))]).started();
    gateway.wait_for(ContentState::Seeding);
    let took = begun.elapsed();
    assert!(took < SOON, "{took:?}");
    assert_same(&source, &dir.path().join("target/office"));
    let crossed = gateway.content().bytes_wan;
    assert!(
        crossed <= meta.total * 115 / 100,
        "{crossed} bytes of {}",
        meta.total
    );
    is_named(&gateway, "no_delivery", liar.ip(), 1);
    is_told(|| said.lock().unwrap().clone(), "no_delivery", liar.ip());
}
