//! One swarm against scripted peers: stock clients without extensions, and hostile ones.

#![allow(unreachable_pub)] // modules of one test program

#[allow(dead_code)] // the other test programs use the rest
mod pair;
#[allow(dead_code)]
mod table;

use std::time::Duration;

use narrows_protocol::Assignment;
use narrows_swarm::{Action, AnnounceReason, Class, CloseReason, Event, Fault, Origin, PeerKey, State};
use narrows_wire::{Bitfield, Block, Message};
use proptest::prelude::*;
use table::{PIECE, PIECES, Table, block, closed, gateway, member, requests};

#[test]
fn a_stock_client_without_extensions_is_fetched_from_by_its_haves() {
    let mut table = Table::leecher();
    table.assign(None, &["10.1.0.1:6881"]);
    let (peer, greeting) = table.connect("10.1.0.1:6881", Origin::Dialled(Class::Local), false);
    assert_eq!(
        greeting,
        [Action::Send {
            peer,
            message: Message::Unchoke
        }],
        "no bitfield when there is none to send"
    );
    let out = table.say(peer, Message::Have(3));
    assert!(
        out.contains(&Action::Send {
            peer,
            message: Message::Interested
        }) && requests(&out).is_empty()
    );
    assert_eq!(
        requests(&table.say(peer, Message::Unchoke)),
        [block(3, 0), block(3, 1), block(3, 2), block(3, 3)]
    );
    // a choke without the fast extension means that nothing of this will come
    table.say(peer, Message::Choke);
    assert_eq!(requests(&table.say(peer, Message::Unchoke)).len(), 4);
}

#[test]
fn a_whole_piece_is_verified_and_told_to_everybody() {
    let mut table = Table::leecher();
    table.assign(None, &["10.1.0.1:6881", "10.1.0.2:6881"]);
    let (peer, _) = table.connect("10.1.0.1:6881", Origin::Dialled(Class::Local), true);
    let (other, _) = table.connect("10.1.0.2:6881", Origin::Dialled(Class::Local), true);
    table.say(peer, Message::Have(5));
    table.say(peer, Message::Unchoke);
    let mut last = Vec::new();
    for index in 0..4 {
        let (kept, out) = table.receive(peer, block(5, index));
        assert!(kept);
        last = out;
    }
    assert!(last.contains(&Action::Verify { piece: 5, from: peer }));
    let out = table.tell(Event::Verified { piece: 5, ok: true });
    for peer in [peer, other] {
        assert!(out.contains(&Action::Send {
            peer,
            message: Message::Have(5)
        }));
    }
    let again = table.receive(peer, block(5, 0));
    assert_eq!(again, (false, vec![]), "it was not asked for");
}

#[test]
fn an_unknown_peer_is_served_and_never_asked_until_the_tracker_names_it() {
    let mut table = Table::new(Bitfield::new(PIECES));
    table.assign(member(), &[]);
    let (peer, _) = table.connect("10.1.0.7:50000", Origin::Accepted, true);
    table.say(peer, Message::HaveAll);
    assert!(requests(&table.say(peer, Message::Unchoke)).is_empty());
    let out = table.wait(12);
    assert!(out.contains(&Action::Announce(AnnounceReason::MorePeers)));
    assert!(!requests(&table.assign(member(), &["10.1.0.7:6881"])).is_empty());
}

#[test]
fn a_gateway_has_one_active_upstream_and_switches_to_the_spare_when_it_chokes() {
    let mut table = Table::leecher();
    let ups = ["10.0.0.1:6881", "10.0.0.2:6881"];
    let dials = table.assign(gateway(&ups), &[]);
    assert_eq!(
        dials
            .iter()
            .filter(|a| matches!(
                a,
                Action::Dial {
                    class: Class::Upstream,
                    ..
                }
            ))
            .count(),
        2
    );
    let (first, _) = table.connect(ups[0], Origin::Dialled(Class::Upstream), true);
    let (spare, _) = table.connect(ups[1], Origin::Dialled(Class::Upstream), true);
    for peer in [first, spare] {
        table.say(peer, Message::HaveAll);
        let asked = !requests(&table.say(peer, Message::Unchoke)).is_empty();
        assert_eq!(asked, peer == first);
    }
    table.wait(1);
    let out = table.say(first, Message::Choke);
    let to_spare =
        |a: &Action| matches!(a, Action::Send { peer, message: Message::Request(_) } if *peer == spare);
    assert!(out.iter().any(to_spare), "{out:?}");
    // the lease goes: both are dropped at once
    let out = table.assign(member(), &[]);
    assert_eq!(
        out.iter().filter(|a| matches!(a, Action::Close { .. })).count(),
        2,
        "{out:?}"
    );
    let out = table.wait(30);
    assert!(!out.iter().any(|a| matches!(
        a,
        Action::Dial {
            class: Class::Upstream,
            ..
        }
    )));
}

#[test]
fn a_silent_upstream_is_left_for_the_spare_within_seconds() {
    let mut table = Table::leecher();
    let ups = ["10.0.0.1:6881", "10.0.0.2:6881"];
    table.assign(gateway(&ups), &[]);
    let mut keys = Vec::new();
    for addr in ups {
        let (peer, _) = table.connect(addr, Origin::Dialled(Class::Upstream), true);
        table.say(peer, Message::HaveAll);
        table.say(peer, Message::Unchoke);
        keys.push(peer);
    }
    let out = table.wait(6);
    let asked =
        |a: &Action| matches!(a, Action::Send { peer, message: Message::Request(_) } if *peer == keys[1]);
    assert!(out.iter().any(asked));
}

#[test]
fn a_gateway_without_upstreams_says_so_at_once() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (peer, _) = table.connect("10.0.0.1:6881", Origin::Dialled(Class::Upstream), true);
    let out = table.tell(Event::Closed { peer });
    assert!(out.contains(&Action::Announce(AnnounceReason::Stalled)));
    assert!(table.swarm.report().stalled);
}

#[test]
fn the_loss_of_the_gateway_is_announced_at_once() {
    let mut table = Table::leecher();
    let roster = vec!["10.1.0.1:6881".parse().expect("an address")];
    table.assign(
        member().map(|a| Assignment {
            gateways: roster.clone(),
            ..a
        }),
        &["10.1.0.1:6881"],
    );
    let (peer, _) = table.connect("10.1.0.1:6881", Origin::Dialled(Class::Local), true);
    assert_eq!(table.swarm.report().gateway, Some(roster[0]));
    table.say(peer, Message::HaveNone);
    let out = table.tell(Event::Closed { peer });
    assert!(out.contains(&Action::Announce(AnnounceReason::Lost(roster[0]))));
    assert_eq!(table.swarm.report().lost, Some(roster[0]));
}

#[test]
fn hostile_messages_close_the_connection_and_nothing_else() {
    let far = Block {
        piece: 3,
        begin: PIECE - 100,
        len: 16384,
    };
    let cases: Vec<Vec<Message>> = vec![
        vec![Message::Bitfield(vec![0xff; 2].into())],
        vec![Message::Bitfield(vec![0xff; 3].into())],
        vec![Message::Have(1), Message::HaveAll],
        vec![Message::HaveNone, Message::HaveNone],
        vec![Message::Have(PIECES)],
        vec![Message::Request(far)],
        vec![Message::Request(block(PIECES, 0))],
        vec![Message::Request(Block {
            piece: 1,
            begin: u32::MAX,
            len: 16384,
        })],
        vec![Message::Request(Block {
            piece: 1,
            begin: 0,
            len: 0,
        })],
        vec![Message::Request(Block {
            piece: 1,
            begin: 0,
            len: 1 << 17,
        })],
        vec![Message::Extended {
            id: 0,
            payload: b"i1e".to_vec().into(),
        }],
    ];
    for messages in cases {
        let mut table = Table::leecher();
        let (peer, _) = table.connect("10.1.0.1:50000", Origin::Accepted, true);
        let out: Vec<Action> = messages.iter().flat_map(|message| table.say(peer, message.clone())).collect();
        assert!(
            matches!(closed(&out), Some(CloseReason::Protocol(_))),
            "{messages:?}: {out:?}"
        );
        assert_eq!(table.swarm.status(table.now).peers, 0);
    }
}

#[test]
fn who_asks_for_everything_at_once_is_rejected_and_then_closed() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let (peer, _) = table.connect("10.1.0.1:50000", Origin::Accepted, true);
    let (mut served, mut rejected, mut reason) = (0, 0, None);
    for n in 0..10_000 {
        for action in table.say(peer, Message::Request(block(n % PIECES, n / PIECES % 4))) {
            match action {
                Action::Serve { block, .. } => served += block.len,
                Action::Send {
                    message: Message::Reject(_),
                    ..
                } => rejected += 1,
                Action::Close { reason: why, .. } => reason = Some(why),
                _ => {}
            }
        }
    }
    assert!(
        served <= 1 << 20,
        "{served} bytes handed out without being flushed"
    );
    assert!(rejected > 0);
    assert_eq!(reason, Some(CloseReason::TooManyRequests));
}

/// A local peer with all pieces connects, and sends what it is asked for; `wrong` pieces have wrong hashes.
/// Returns all that the swarm did.
fn whole(table: &mut Table, addr: &str, wrong: &[u32]) -> (PeerKey, Vec<Action>) {
    let (peer, _) = table.connect(addr, Origin::Dialled(Class::Local), true);
    table.say(peer, Message::HaveAll);
    let out = table.say(peer, Message::Unchoke);
    let out = serve(table, peer, out, wrong);
    (peer, out)
}

/// The peer answers all requests in `out`, and those that follow.
fn serve(table: &mut Table, peer: PeerKey, mut out: Vec<Action>, wrong: &[u32]) -> Vec<Action> {
    let mut next = 0;
    while let Some(action) = out.get(next).cloned() {
        next += 1;
        match action {
            Action::Send {
                peer: to,
                message: Message::Request(block),
            } if to == peer => out.extend(table.block(peer, block)),
            Action::Verify { piece, .. } => {
                let ok = !wrong.contains(&piece);
                out.extend(table.tell(Event::Verified { piece, ok }));
            }
            _ => {}
        }
    }
    out
}

fn asks(out: &[Action], piece: u32) -> usize {
    requests(out).iter().filter(|block| block.piece == piece).count()
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
        "nobody else has it"
    );
    let out = table.wait(13);
    assert_eq!(table.swarm.status(table.now).state, State::Fetching);
    serve(&mut table, peer, out, &[]);
    assert_eq!(table.swarm.status(table.now).state, State::Seeding);
}

/// As libtorrent up to 2.0.10, of which a piece was not flushed when we shook hands.
#[test]
fn a_stock_peer_that_seems_to_lack_the_last_piece_is_dialled_anew_once_a_minute() {
    let mut table = Table::leecher();
    let addr = "10.1.0.1:6881";
    table.assign(None, &[addr]);
    let mut all_but_one = Bitfield::full(PIECES);
    all_but_one.unset(5);
    let meet = |table: &mut Table| {
        let (peer, _) = table.connect(addr, Origin::Dialled(Class::Local), false);
        table.say(peer, Message::Bitfield(all_but_one.to_wire()));
        let out = table.say(peer, Message::Unchoke);
        serve(table, peer, out, &[])
    };
    let anew = |out: &[Action]| {
        let dials = out.iter().any(|action| matches!(action, Action::Dial { .. }));
        dials && closed(out) == Some(CloseReason::Again)
    };
    meet(&mut table);
    assert_eq!(table.swarm.have().iter_missing().collect::<Vec<_>>(), [5]);
    assert!(!anew(&table.wait(4)) && anew(&table.wait(2)));
    meet(&mut table);
    assert!(!anew(&table.wait(52)), "it may really lack it");
    assert!(anew(&table.wait(10)));
    // it has it now
    whole(&mut table, addr, &[]);
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
    assert_eq!(closed(&out), None, "nobody is banned for good");
}

#[test]
fn two_peers_that_send_one_piece_wrong_halt_nobody_and_a_third_heals_it() {
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
fn an_agent_that_got_a_piece_wrong_from_everybody_comes_back_to_those_who_are_mended() {
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

#[test]
fn an_idle_connection_is_kept_alive_and_a_dead_one_closed() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let (peer, _) = table.connect("10.1.0.1:50000", Origin::Accepted, true);
    assert!(table.wait(61).contains(&Action::Send {
        peer,
        message: Message::KeepAlive
    }));
    assert_eq!(closed(&table.wait(120)), Some(CloseReason::Idle));
}

fn any_message() -> impl Strategy<Value = Message> {
    let any_block = || {
        (0..PIECES + 1, 0u32..5, 0u32..20_000).prop_map(|(piece, n, len)| Block {
            piece,
            begin: n * 16384,
            len,
        })
    };
    prop_oneof![
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        (0..PIECES + 1).prop_map(Message::Have),
        any_block().prop_map(Message::Request),
        any_block().prop_map(Message::Cancel),
        any_block().prop_map(Message::Reject),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(|b| Message::Bitfield(b.into())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| Message::Extended {
            id: 0,
            payload: b.into()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_events_breaks_the_books(
        seed_pieces in 0..PIECES,
        steps in proptest::collection::vec((0usize..4, any_message(), 0u8..12, 0..PIECES, 0u32..4, 0u64..3000), 1..200),
    ) {
        let mut have = Bitfield::new(PIECES);
        (0..seed_pieces).for_each(|piece| { have.set(piece); });
        let mut table = Table::new(have);
        let addrs = ["10.1.0.1:6881", "10.1.0.2:6881", "10.0.0.1:6881", "10.0.0.2:6881"];
        table.assign(gateway(&addrs[2..]), &addrs[..2]);
        let mut keys = [PeerKey(0); 4];
        let mut verifying = Vec::new();
        for (who, message, what, piece, index, ms) in steps {
            table.now += Duration::from_millis(ms);
            let peer = keys[who];
            let class = if who < 2 { Class::Local } else { Class::Upstream };
            let out = match what {
                0 => { let (key, out) = table.connect(addrs[who], Origin::Dialled(class), true); keys[who] = key; out }
                1 => table.tell(Event::Closed { peer }),
                2 => table.assign(if index == 0 { member() } else { gateway(&addrs[2..]) }, &addrs[..2]),
                3 => table.tell(match index { 0 => Event::Pause, 1 => Event::Resume, 2 => Event::StoreHealed, _ => Event::AnnounceFailed }),
                4 | 5 => match verifying.pop() {
                    Some(piece) if index == 0 => table.tell(Event::StoreFailed { piece, full: true }),
                    Some(piece) => table.tell(Event::Verified { piece, ok: index != 1 }),
                    None => table.tell(Event::Tick),
                },
                6..9 => table.block(peer, block(piece, index)),
                _ => table.say(peer, message),
            };
            verifying.extend(out.iter().filter_map(|a| match a { Action::Verify { piece, .. } => Some(*piece), _ => None }));
            let status = table.swarm.status(table.now);
            let missing: u64 = table.swarm.have().iter_missing().map(|_| u64::from(PIECE)).sum();
            prop_assert_eq!(status.left, missing);
        }
    }
}
