//! An agent serves the networks of the tracker's map alone, and other sites at the rate of the path there,
//! whatever a peer says.

mod common;

use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::agent::Agent;
use common::content::{folder, torrent};
use common::eventually;
use common::offences::{is_named, is_told};
use common::peer::{Heard, Peer};
use common::tracker::Tracker;
use narrows_agent::ContentState;
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::{Networks, PathRate, PathRates, PeerId};
use narrows_wire::{Block, Handshake, Hello, Message};

const PIECE: u32 = 64 << 10;
/// Of the path to b1, in bytes per second.
const RATE: u64 = 200_000;

struct Scene {
    _dir: tempfile::TempDir,
    tracker: Tracker,
    seeder: Agent,
    meta: Metainfo,
    /// An address at b1.
    b1: IpAddr,
    /// An address in no network.
    nowhere: IpAddr,
}

impl Scene {
    fn new(config: &str) -> Self {
        let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let source = dir.path().join("seeder/office");
        folder(&source, 1, 4_000_000);
        let (file, meta) = torrent(&source, &tracker, PIECE);
        let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).with(config);
        let mut scene = Self {
            _dir: dir,
            tracker,
            seeder,
            meta,
            b1: common::address(),
            nowhere: common::address(),
        };
        scene.tell(PathRate::Limited(RATE));
        scene.seeder.start();
        scene.seeder.wait_for(ContentState::Seeding);
        scene
    }

    /// The map has b1 and hq, where the seeder is.
    fn tell(&self, to_b1: PathRate) {
        let networks = [[self.b1.into()], [self.seeder.ip.into()]];
        let networks = Networks::new(networks, false).expect("short");
        let rates = PathRates::new([to_b1, PathRate::Unlimited], PathRate::Stopped, Vec::new());
        self.tracker.tell(networks, rates);
    }

    /// A machine of b1 that says that it is of hq, and asks for a hundred blocks at once.
    fn liar(&self) -> Peer {
        let hello = Hello {
            agent: "liar".to_owned(),
            site: "hq".to_owned(),
            wan: false,
            gateway: false,
            forgotten: false,
            non_sharing: false,
        };
        let (to, pieces) = (self.seeder.listen(), self.meta.piece_count());
        let mut peer = Peer::connect_as(hello, self.b1, to, self.meta.info_hash, pieces);
        peer.send(&Message::HaveNone);
        peer.send(&Message::Interested);
        for n in 0..100 {
            let (piece, begin) = (n / 4, n % 4 * 16384);
            peer.send(&Message::Request(Block {
                piece,
                begin,
                len: 16384,
            }));
        }
        peer
    }

    /// The seeder has named this machine, and told the tracker.
    fn names(&self, offence: &str, ip: IpAddr, times: u64) {
        is_named(&self.seeder, offence, ip, times);
        is_told(|| self.tracker.said_by(self.seeder.listen()), offence, ip);
    }
}

/// Payload that comes within so long, in bytes.
fn payload(peer: &mut Peer, within: Duration) -> u64 {
    let (end, mut bytes) = (Instant::now() + within, 0);
    loop {
        match peer.hear(end.saturating_duration_since(Instant::now())) {
            Heard::Message(Message::Piece { data, .. }) => bytes += data.len() as u64,
            Heard::Message(_) => {}
            Heard::End | Heard::Silence => return bytes,
        }
    }
}

#[test]
fn an_address_in_no_network_gets_not_a_byte_and_is_named() {
    let scene = Scene::new("");
    let mut stream = common::peer::from(scene.nowhere, scene.seeder.listen()).unwrap();
    let ours = Handshake {
        info_hash: scene.meta.info_hash,
        peer_id: PeerId([7; 20]),
        fast: true,
        extended: true,
    };
    stream.write_all(&ours.encode()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "{answer:?}");
    scene.names("unmapped_address", scene.nowhere, 1);
}

#[test]
fn with_serve_any_the_map_is_not_asked_for() {
    let scene = Scene::new("serve: any");
    let (to, pieces) = (scene.seeder.listen(), scene.meta.piece_count());
    Peer::connect_from(scene.nowhere, to, scene.meta.info_hash, pieces, 7);
    let said = scene.tracker.announces();
    assert!(said.iter().all(|(_, request)| request.narrows.as_ref().is_none_or(|it| it.networks.is_none())));
}

#[test]
fn a_machine_of_another_site_that_says_it_is_of_ours_is_paced_counted_and_named() {
    let scene = Scene::new("");
    let start = Instant::now();
    let mut liar = scene.liar();
    // another connection of that site shares its rate
    let mut other = scene.liar();
    let within = Duration::from_secs(3);
    let bytes = std::thread::scope(|scope| {
        let one = scope.spawn(|| payload(&mut liar, within));
        payload(&mut other, within) + one.join().unwrap()
    });
    let seconds = start.elapsed().as_secs_f64();
    // what was saved up, and a block for each connection
    let most = seconds * RATE as f64 * 1.25 + 100_000.0;
    assert!(bytes > 100_000 && (bytes as f64) < most, "{bytes} in {seconds} s");
    let content = scene.seeder.content();
    assert!(
        content.uploaded_wan > 0 && content.uploaded_lan == 0,
        "{content:?}"
    );
    scene.names("false_site", scene.b1, 2);
}

#[test]
fn a_braked_link_is_still_from_the_next_announce_on_and_goes_on_after_it() {
    let scene = Scene::new("");
    let mut liar = scene.liar();
    assert!(payload(&mut liar, Duration::from_secs(1)) > 50_000);
    scene.tell(PathRate::Stopped);
    let heard = scene.tracker.announces().len() + 1;
    eventually("another announce", || {
        (scene.tracker.announces().len() > heard).then_some(())
    });
    // what was written before is on its way
    payload(&mut liar, Duration::from_millis(500));
    assert_eq!(payload(&mut liar, Duration::from_secs(2)), 0);
    scene.tell(PathRate::Limited(RATE));
    eventually("it goes on", || {
        (payload(&mut liar, Duration::from_millis(200)) > 0).then_some(())
    });
}

#[test]
fn a_network_that_the_map_loses_is_closed_at_the_next_announce() {
    let scene = Scene::new("");
    let mut liar = scene.liar();
    assert!(payload(&mut liar, Duration::from_secs(1)) > 0);
    let networks = Networks::new([vec![], vec![scene.seeder.ip.into()]], false);
    let rates = PathRates::new([], PathRate::Stopped, Vec::new());
    scene.tracker.tell(networks.expect("short"), rates);
    assert!(liar.is_closed());
}
