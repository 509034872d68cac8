//! One swarm against scripted peers: what extension messages (BEP 10) tell, and how far they are believed.

use bytes::Bytes;
use narrows_swarm::{Action, CloseReason, Event, Origin, State};
use narrows_wire::{Bitfield, ExtendedHandshake, Extensions, Message, UPLOAD_ONLY, WRONG};

use crate::table::{LOCAL, PIECES, Table, block, closed, requests, serve};

const ADDR: &str = "10.1.0.1:6881";

/// A peer that lists these extensions under ids of its own.
fn introduction(takes: Extensions) -> Message {
    let handshake = ExtendedHandshake {
        takes,
        ..ExtendedHandshake::default()
    };
    Message::Extended {
        id: 0,
        payload: handshake.encode(),
    }
}

fn complaint(piece: u32, id: u8) -> Message {
    let payload = Bytes::copy_from_slice(&piece.to_be_bytes());
    Message::Extended { id, payload }
}

fn sent(out: &[Action], wanted: &Message) -> usize {
    let is_it = |action: &&Action| matches!(action, Action::Send { message, .. } if message == wanted);
    out.iter().filter(is_it).count()
}

fn doubted(out: &[Action]) -> Vec<u32> {
    let doubted = out.iter().filter_map(|action| match action {
        Action::Doubt { piece, .. } => Some(*piece),
        _ => None,
    });
    doubted.collect()
}

#[test]
fn the_sender_of_a_wrong_piece_hears_of_it_under_the_id_it_chose_and_others_do_not() {
    for (takes, told) in [(Some(9), 1), (None, 0)] {
        let mut table = Table::leecher();
        table.assign(None, &[ADDR]);
        let (peer, _) = table.connect(ADDR, LOCAL, true);
        table.say(
            peer,
            introduction(Extensions {
                wrong: takes,
                upload_only: None,
            }),
        );
        table.say(peer, Message::HaveAll);
        let out = table.say(peer, Message::Unchoke);
        let out = serve(&mut table, peer, out, &[5]);
        assert_eq!(sent(&out, &complaint(5, 9)), told);
        assert_eq!(closed(&out), None);
    }
}

#[test]
fn a_later_handshake_changes_only_the_ids_that_it_lists() {
    for (later, told) in [
        (&b"d4:reqqi9ee"[..], 1),
        (b"d1:md11:upload_onlyi3eee", 1),
        (b"d1:md13:narrows_wrongi0eee", 0),
    ] {
        let mut table = Table::leecher();
        table.assign(None, &[ADDR]);
        let (peer, _) = table.connect(ADDR, LOCAL, true);
        let takes = Extensions {
            wrong: Some(9),
            upload_only: None,
        };
        table.say(peer, introduction(takes));
        let payload = Bytes::from_static(later);
        table.say(peer, Message::Extended { id: 0, payload });
        table.say(peer, Message::HaveAll);
        let out = table.say(peer, Message::Unchoke);
        let out = serve(&mut table, peer, out, &[5]);
        assert_eq!(sent(&out, &complaint(5, 9)), told);
    }
}

#[test]
fn a_complaint_is_looked_into_and_changes_nothing_by_itself() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let (peer, _) = table.connect("10.1.0.1:5000", Origin::Accepted, true);
    table.say(peer, Message::HaveNone);
    table.say(peer, Message::Interested);
    for index in 0..4 {
        table.say(peer, Message::Request(block(3, index)));
        let bytes = 16384;
        table.tell(Event::Sent { peer, bytes });
    }
    let out = table.say(peer, complaint(3, WRONG));
    assert_eq!(doubted(&out), [3]);
    assert!(table.swarm.have().has(3));
    assert_eq!(table.swarm.status(table.now).state, State::Seeding);
}

#[test]
fn no_peer_can_complain_of_more_than_was_sent_to_it() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let (peer, _) = table.connect("10.1.0.1:5000", Origin::Accepted, true);
    assert_eq!(doubted(&table.say(peer, complaint(0, WRONG))), [0; 0]);
    let bytes = 2 * crate::table::PIECE;
    table.tell(Event::Sent { peer, bytes });
    let all: Vec<u32> =
        (0..PIECES).flat_map(|piece| doubted(&table.say(peer, complaint(piece, WRONG)))).collect();
    assert_eq!(all, [0, 1], "two pieces were sent, two are read again");
    assert_eq!(doubted(&table.say(peer, complaint(PIECES, WRONG))), [0; 0]);
}

#[test]
fn a_complaint_of_another_length_breaks_the_protocol() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let (peer, _) = table.connect("10.1.0.1:5000", Origin::Accepted, true);
    let payload = Bytes::from_static(b"123");
    let out = table.say(peer, Message::Extended { id: WRONG, payload });
    assert!(matches!(closed(&out), Some(CloseReason::Protocol(_))));
}

/// As libtorrent up to 2.0.10, which says `upload_only` once it is complete and not what was missing in its
/// bitfield.
#[test]
fn a_stock_peer_that_says_it_is_complete_and_seems_not_to_be_is_dialled_anew_at_once() {
    let mut table = Table::leecher();
    table.assign(None, &[ADDR]);
    let mut few = Bitfield::new(PIECES);
    few.set(1);
    let (peer, _) = table.connect(ADDR, LOCAL, false);
    table.say(peer, introduction(Extensions::default()));
    table.say(peer, Message::Bitfield(few.to_wire()));
    let out = table.say(peer, Message::Unchoke);
    serve(&mut table, peer, out, &[]);
    assert_eq!(
        closed(&table.wait(30)),
        None,
        "it has a twentieth and may be fetching"
    );
    let payload = Bytes::from_static(&[1]);
    table.say(
        peer,
        Message::Extended {
            id: UPLOAD_ONLY,
            payload,
        },
    );
    assert_eq!(closed(&table.wait(1)), Some(CloseReason::Again));
    let (peer, _) = table.connect(ADDR, LOCAL, false);
    table.say(peer, Message::Bitfield(Bitfield::full(PIECES).to_wire()));
    let out = table.say(peer, Message::Unchoke);
    assert!(!requests(&out).is_empty());
    serve(&mut table, peer, out, &[]);
    assert_eq!(table.swarm.status(table.now).state, State::Seeding);
}
