use std::sync::Barrier;
use std::thread;

use narrows_assignment::Policy;
use narrows_protocol::{AnnounceEvent, PeerId};

use super::*;
use crate::state::begun::MAX_OF_HOST;

const MAP: &str = "
version: 1
sites: {hq: {networks: [10.0.0.0/8, \"2001:db8::/32\"]}}
";

fn store() -> Store {
    Store::new(Conditions::new(
        Policy::default(),
        SiteMap::parse("sites.yaml", MAP).unwrap(),
    ))
}

fn content(n: u32) -> InfoHash {
    InfoHash([&[7; 16][..], &n.to_be_bytes()].concat().try_into().unwrap())
}

fn say(store: &Store, ip: &str, n: u32, event: AnnounceEvent) -> Result<(), Denied> {
    let announce = Announce {
        addr: SocketAddr::new(ip.parse().unwrap(), 6881),
        peer_id: PeerId([1; 20]),
        left: 1,
        downloaded: 0,
        uploaded: 0,
        event,
        numwant: None,
        key: None,
        agent: None,
    };
    store.announce(content(n), None, &announce, |_, _| ())
}

fn begins(store: &Store, ip: &str, n: u32) -> bool {
    match say(store, ip, n, AnnounceEvent::Started) {
        Ok(()) => true,
        Err(refused) => {
            assert_eq!(refused, Denied::NoRoom(Full::OfHost));
            false
        }
    }
}

#[test]
fn of_contents_that_are_begun_at_the_same_time_no_more_than_there_is_room_for_are_there() {
    let store = store();
    for n in 1..MAX_OF_HOST {
        assert!(begins(&store, "10.0.0.1", n));
    }
    // four times in each round for the last place
    for round in 1..=200 {
        let (start, at) = (Barrier::new(4), |n: u32| round * 10_000 + n);
        let there = thread::scope(|scope| {
            let (start, store) = (&start, &store);
            let race = |n| {
                scope.spawn(move || {
                    start.wait();
                    begins(store, "10.0.0.1", at(n))
                })
            };
            let racing: Vec<_> = (0..4).map(race).collect();
            racing.into_iter().map(|one| one.join().unwrap()).filter(|there| *there).count()
        });
        assert_eq!(there, 1, "round {round}");
        let swept = store.sweep(|hash, _| (0..4).all(|n| *hash != content(at(n))));
        assert_eq!(swept.swarms, 1);
    }
}

#[test]
fn what_leaves_no_swarm_behind_takes_no_room_and_what_is_there_is_announced_on() {
    let store = store();
    for n in 0..2 * MAX_OF_HOST {
        assert_eq!(say(&store, "10.0.0.1", n, AnnounceEvent::Stopped), Ok(()));
        let unmapped = say(&store, "192.0.2.1", n, AnnounceEvent::Started);
        assert!(matches!(unmapped, Err(Denied::By(_))), "{unmapped:?}");
    }
    for n in 0..MAX_OF_HOST {
        assert!(begins(&store, "10.0.0.1", n));
    }
    assert!(!begins(&store, "10.0.0.1", MAX_OF_HOST));
    assert!(begins(&store, "10.0.0.1", 0) && begins(&store, "10.0.0.2", MAX_OF_HOST));
    assert!(begins(&store, "10.0.0.1", MAX_OF_HOST), "another began it");
}

#[test]
fn contents_that_come_back_after_a_restart_are_those_of_the_host_that_began_them() {
    let before = store();
    for n in 0..MAX_OF_HOST {
        assert!(begins(&before, "2001:db8::1", n));
    }
    let after = store();
    for hash in before.hashes() {
        assert_eq!(
            after.restore(hash, None, before.record(hash).unwrap(), Duration::ZERO),
            1
        );
    }
    assert!(!begins(&after, "2001:db8::ffff", MAX_OF_HOST));
    assert!(begins(&after, "2001:db8:0:1::1", MAX_OF_HOST) && begins(&after, "2001:db8::ffff", 7));
    // one goes, another comes
    assert_eq!(after.sweep(|hash, _| *hash != content(7)).swarms, 1);
    assert!(begins(&after, "2001:db8::ffff", MAX_OF_HOST + 1));
    assert!(!begins(&after, "2001:db8::ffff", MAX_OF_HOST + 2));
}
