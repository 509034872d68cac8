//! Hostile peers: messages that break the protocol, floods of requests, and events in any order.

use std::time::Duration;

use narrows_protocol::PeerId;
use narrows_swarm::{Action, AnnounceReason, Class, CloseReason, Event, Misdeed, Origin, PeerKey};
use narrows_wire::{Bitfield, Block, Message};
use proptest::prelude::*;

use crate::table::{
    LOCAL, PIECE, PIECES, Table, UPSTREAM, block, closed, gateway, hello, introduction, member, requests,
};

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
fn five_hundred_idle_connections_of_one_machine_do_not_fill_a_seeder() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let mut comes = |number: u64, addr: String| {
        let mut peer_id = [0; 20];
        peer_id[..8].copy_from_slice(&number.to_be_bytes());
        let out = table.tell(Event::Connected {
            peer: PeerKey(number),
            addr: addr.parse().expect("an address"),
            origin: Origin::Accepted,
            peer_id: PeerId(peer_id),
            fast: true,
            extended: false,
        });
        closed(&out)
    };
    let flood = (1..=512).map(|n| comes(n, format!("10.9.9.9:{}", 10_000 + n)));
    let refused = flood.filter(|reason| {
        *reason
            == Some(CloseReason::TooManyOfAddress(
                "10.9.9.9".parse().expect("an address"),
            ))
    });
    assert_eq!(refused.count(), 512 - 16);
    for site in 1..=250 {
        assert_eq!(
            comes(1000 + site, format!("10.{site}.0.2:50000")),
            None,
            "gateway {site}"
        );
    }
    assert_eq!(table.swarm.status(table.now).peers, 16 + 250);
}

#[test]
fn many_connections_of_strangers_do_not_keep_us_from_dialling_whom_the_tracker_named() {
    let mut table = Table::leecher();
    for number in 1..=100_u8 {
        table.peers = number.into();
        let out = table.tell(Event::Connected {
            peer: PeerKey(number.into()),
            addr: format!("10.9.{number}.9:4000").parse().expect("an address"),
            origin: Origin::Accepted,
            peer_id: PeerId([100 + number; 20]),
            fast: true,
            extended: false,
        });
        assert_eq!(closed(&out), None);
    }
    let mut out = table.assign(None, &["10.1.0.2:6881"]);
    out.extend(table.wait(1));
    let dials = out.iter().any(|action| {
        matches!(
            action,
            Action::Dial {
                class: Class::Local,
                ..
            }
        )
    });
    assert!(dials, "{out:?}");
}

#[test]
fn a_peer_that_asks_for_everything_at_once_is_rejected_and_then_closed() {
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
            verifying.extend(out.iter().filter_map(|a| match a { Action::Verify { piece } => Some(*piece), _ => None }));
            let status = table.swarm.status(table.now);
            let missing: u64 = table.swarm.have().iter_missing().map(|_| u64::from(PIECE)).sum();
            prop_assert_eq!(status.left, missing);
        }
    }
}

#[test]
fn data_that_was_not_asked_for_is_no_part_of_what_was_fetched_and_ends_the_connection() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (remote, mut out) = table.agent("10.2.0.1:50000", Origin::Accepted, hello("b2", true, true));
    for n in 0..2000 {
        // another site each time
        table.say(remote, introduction(hello(&format!("site{n}"), true, true)));
        out.extend(table.block(remote, block(n % PIECES, n % 4)));
    }
    assert!(
        matches!(closed(&out), Some(CloseReason::Protocol(_))),
        "it is never closed"
    );
    let named = |action: &Action| {
        matches!(
            action,
            Action::Name {
                misdeed: Misdeed::Flooding,
                ..
            }
        )
    };
    assert!(out.iter().any(named));
    let report = table.swarm.report();
    assert_eq!((report.wan, report.downloaded), (0, 0));
    assert!(report.from.is_empty(), "{:?}", report.from);
}

#[test]
fn what_upstreams_call_their_site_fills_no_memory() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (upstream, _) = table.agent("10.0.0.1:6881", UPSTREAM, hello("hq", false, false));
    for n in 0..500 {
        table.say(upstream, introduction(hello(&format!("site{n}"), false, false)));
        table.block(upstream, block(n % PIECES, n % 4));
    }
    assert!(table.swarm.report().from.len() <= 64);
}

#[test]
fn a_peer_that_offers_to_serve_again_and_again_costs_few_requests_and_is_closed() {
    let mut table = Table::leecher();
    table.assign(member(), &["10.1.0.1:6881"]);
    let (liar, _) = table.connect("10.1.0.1:6881", LOCAL, true);
    table.say(liar, Message::HaveAll);
    let (mut sent, mut reason) = (0, None);
    for _ in 0..1000 {
        for message in [Message::Unchoke, Message::Choke] {
            let out = table.say(liar, message);
            sent += requests(&out).len();
            reason = reason.or(closed(&out));
        }
    }
    assert!(sent <= 5 * 20, "{sent} requests within one moment");
    assert!(matches!(reason, Some(CloseReason::Protocol(_))), "{reason:?}");
}

#[test]
fn a_copied_peer_id_ends_no_connection_of_another_address() {
    for (origin, id) in [
        (LOCAL, 0),
        (LOCAL, 255),
        (Origin::Accepted, 0),
        (Origin::Accepted, 255),
    ] {
        let mut table = Table::leecher();
        table.assign(member(), &["10.1.0.1:6881"]);
        let connect = |table: &mut Table, peer: u64, addr: &str, origin| {
            table.tell(Event::Connected {
                peer: PeerKey(peer),
                addr: addr.parse().expect("an address"),
                origin,
                peer_id: PeerId([id; 20]),
                fast: true,
                extended: true,
            })
        };
        let mut out = connect(&mut table, 1, "10.1.0.1:6881", origin);
        out.extend(connect(&mut table, 2, "10.1.0.66:50000", Origin::Accepted));
        out.extend(connect(&mut table, 3, "10.1.0.66:50001", Origin::Accepted));
        let closes =
            |peer| move |action: &Action| matches!(action, Action::Close { peer: p, .. } if p.0 == peer);
        assert!(!out.iter().any(closes(1)), "{origin:?} {id}: {out:?}");
    }
}

#[test]
fn what_a_peer_says_of_gateways_makes_few_announces() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (liar, _) = table.agent("10.1.0.66:50000", Origin::Accepted, hello("b1", false, true));
    let mut doubts = 0;
    for _ in 0..600 {
        let mut out = table.wait(1);
        out.extend(table.say(liar, introduction(hello("b1", false, false))));
        out.extend(table.say(liar, introduction(hello("b1", false, true))));
        doubts += out.iter().filter(|action| **action == Action::Announce(AnnounceReason::Doubt)).count();
    }
    assert!(doubts <= 600 / 40 + 4, "{doubts} announces in ten minutes");
}
