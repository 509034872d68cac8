//! Pieces with wrong hashes: which peer they are asked of next, and which address is banned.

use narrows_swarm::{Action, CloseReason, Fault, Origin, PeerKey, State};
use narrows_wire::Message;

use crate::table::{LOCAL, Table, closed, requests, serve};

fn asks(out: &[Action], piece: u32) -> usize {
    requests(out).iter().filter(|block| block.piece == piece).count()
}

/// A local peer with all pieces connects, and sends what it is asked for; `wrong` pieces have wrong hashes.
/// Returns all that the swarm did.
pub fn whole(table: &mut Table, addr: &str, wrong: &[u32]) -> (PeerKey, Vec<Action>) {
    let (peer, _) = table.connect(addr, LOCAL, true);
    table.say(peer, Message::HaveAll);
    let out = table.say(peer, Message::Unchoke);
    let out = serve(table, peer, out, wrong);
    (peer, out)
}

#[test]
fn a_wrong_piece_is_not_asked_of_its_sender_for_some_seconds_and_then_again() {
    let mut table = Table::leecher();
    table.assign(None, &["10.1.0.1:6881"]);
    let (peer, out) = whole(&mut table, "10.1.0.1:6881", &[5]);
    assert_eq!(closed(&out), None, "one wrong piece says nothing of the others");
    assert_eq!(asks(&out, 5), 4, "once");
    assert_eq!(table.swarm.have().iter_missing().collect::<Vec<_>>(), [5]);
    let status = table.swarm.status(table.now);
    let fault = Some(Fault::WrongHash {
        piece: 5,
        addresses: 1,
    });
    assert_eq!(
        (status.state, status.fault),
        (State::Error, fault),
        "no other peer has it"
    );
    let out = table.wait(13);
    assert_eq!(table.swarm.status(table.now).state, State::Fetching);
    serve(&mut table, peer, out, &[]);
    assert_eq!(table.swarm.status(table.now).state, State::Seeding);
}

#[test]
fn a_peer_that_sends_three_wrong_pieces_is_banned_for_some_minutes() {
    let mut table = Table::leecher();
    table.assign(None, &["10.1.0.1:6881"]);
    let (_, out) = whole(&mut table, "10.1.0.1:6881", &[3, 4, 5]);
    assert_eq!(closed(&out), Some(CloseReason::WrongData));
    let now = table.now;
    let bans = |action: &Action| matches!(action, Action::Ban { until: Some(until), .. } if *until > now);
    assert!(out.iter().any(bans));
    let (_, out) = table.connect("10.1.0.1:6881", Origin::Accepted, true);
    assert_eq!(closed(&out), Some(CloseReason::Banned));
    table.wait(400);
    let (_, out) = table.connect("10.1.0.1:6881", Origin::Accepted, true);
    assert_eq!(closed(&out), None, "no address is banned for good");
}

#[test]
fn two_peers_that_send_one_piece_wrong_stop_no_other_and_a_third_heals_it() {
    let mut table = Table::leecher();
    let addrs = ["10.1.0.1:6881", "10.1.0.2:6881", "10.1.0.3:6881"];
    table.assign(None, &addrs);
    whole(&mut table, addrs[0], &[5]);
    whole(&mut table, addrs[1], &[5]);
    let status = table.swarm.status(table.now);
    let fault = Some(Fault::WrongHash {
        piece: 5,
        addresses: 2,
    });
    assert_eq!((status.state, status.fault), (State::Error, fault));
    whole(&mut table, addrs[2], &[]);
    assert_eq!(table.swarm.status(table.now).state, State::Seeding);
}

#[test]
fn an_agent_that_got_a_piece_wrong_from_every_peer_comes_back_to_those_that_are_mended() {
    let mut table = Table::leecher();
    let addrs = ["10.1.0.1:6881", "10.1.0.2:6881"];
    table.assign(None, &addrs);
    let (first, _) = whole(&mut table, addrs[0], &[5]);
    let (second, _) = whole(&mut table, addrs[1], &[5]);
    let mut minutes = |most: u64, wrong: &[u32]| {
        (0..most * 60).find(|elapsed| {
            let out = table.wait(1);
            for peer in [first, second] {
                if elapsed % 60 == 0 {
                    table.say(peer, Message::KeepAlive);
                }
                serve(&mut table, peer, out.clone(), wrong);
            }
            table.swarm.status(table.now).state == State::Seeding
        })
    };
    assert_eq!(minutes(10, &[5]), None);
    assert!(minutes(13, &[]).is_some());
}
