//! One swarm among peers, with `share: never`, and among peers one of which does not share.

use narrows_protocol::Sharing;
use narrows_swarm::{Action, CloseReason, Event, Origin};
use narrows_wire::{Bitfield, ExtendedHandshake, Hello, Message};

use crate::table::{LOCAL, PIECES, Table, UPSTREAM, block, closed, gateway, hello, member, serve};

/// One that does not share, and lacks the last `lacks` pieces.
fn non_sharing(lacks: u32) -> Table {
    let mut have = Bitfield::new(PIECES);
    (0..PIECES - lacks).for_each(|piece| {
        have.set(piece);
    });
    Table::sharing(have, Sharing::Never)
}

fn said(actions: &[Action]) -> Vec<&Message> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send { message, .. } => Some(message),
        _ => None,
    });
    sent.collect()
}

/// Whether anything was said that makes others ask.
fn invites(actions: &[Action]) -> bool {
    use Message::{Bitfield, Have, HaveAll, Unchoke};
    said(actions).iter().any(|message| matches!(message, Bitfield(_) | Have(_) | HaveAll | Unchoke))
}

fn serves(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Serve { .. }))
}

#[test]
fn a_non_sharing_agent_says_that_it_has_nothing_and_leaves_every_peer_choked() {
    let mut table = non_sharing(1);
    table.assign(member(), &["10.1.0.1:6881"]);
    let (_, out) = table.connect("10.1.0.1:6881", LOCAL, true);
    assert_eq!(said(&out).first(), Some(&&Message::HaveNone));
    assert!(!invites(&out), "{out:?}");
    let (_, out) = table.connect("10.1.0.2:5000", Origin::Accepted, false);
    assert!(said(&out).is_empty(), "{out:?}");
    let (_, out) = table.agent("10.1.0.3:6881", LOCAL, hello("b1", false, false));
    let introduced = said(&out).into_iter().find_map(|message| match message {
        Message::Extended { payload, .. } => ExtendedHandshake::decode(payload).ok()?.narrows,
        _ => None,
    });
    assert!(introduced.expect("an agent").non_sharing);
}

#[test]
fn requests_to_it_are_rejected_or_met_with_silence() {
    let mut table = non_sharing(1);
    table.assign(member(), &["10.1.0.1:6881", "10.1.0.2:6881"]);
    let (fast, _) = table.connect("10.1.0.1:6881", LOCAL, true);
    let (plain, _) = table.connect("10.1.0.2:6881", LOCAL, false);
    let out = table.say(fast, Message::Request(block(0, 0)));
    assert_eq!(said(&out), [&Message::Reject(block(0, 0))]);
    let out = table.say(plain, Message::Request(block(0, 0)));
    assert_eq!((said(&out).len(), closed(&out)), (0, None));
    let out = table.wait(10);
    assert!(!serves(&out) && closed(&out).is_none(), "{out:?}");
}

#[test]
fn it_fetches_without_a_word_about_it_and_then_leaves() {
    let mut table = non_sharing(3);
    table.assign(member(), &["10.1.0.1:6881", "10.1.0.2:6881"]);
    let (seeder, _) = table.connect("10.1.0.1:6881", LOCAL, true);
    let (other, _) = table.connect("10.1.0.2:6881", LOCAL, true);
    table.say(other, Message::HaveNone);
    table.say(seeder, Message::HaveAll);
    let next = table.say(seeder, Message::Unchoke);
    let out = serve(&mut table, seeder, next, &[]);
    assert!(out.contains(&Action::Completed) && !invites(&out) && !serves(&out));
    for peer in [seeder, other] {
        let reason = CloseReason::Finished;
        assert!(out.contains(&Action::Close { peer, reason }), "{out:?}");
    }
    // no peer is taken in or dialled from here on
    let (_, out) = table.connect("10.1.0.3:5000", Origin::Accepted, true);
    assert_eq!(closed(&out), Some(CloseReason::Finished));
    let mut out = table.assign(member(), &["10.1.0.1:6881", "10.1.0.3:6881"]);
    out.extend(table.wait(60));
    assert!(!out.iter().any(|action| matches!(action, Action::Dial { .. })));
}

#[test]
fn as_gateway_for_itself_it_does_not_call_itself_the_gateway_of_its_site() {
    let mut table = non_sharing(3);
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let (_, out) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
    let gateways = said(&out).into_iter().filter_map(|message| match message {
        Message::Extended { payload, .. } => ExtendedHandshake::decode(payload).ok()?.narrows,
        _ => None,
    });
    assert!(gateways.map(|hello| hello.gateway).all(|gateway| !gateway));
    let (upstream, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    table.say(upstream, Message::HaveAll);
    let next = table.say(upstream, Message::Unchoke);
    assert!(serve(&mut table, upstream, next, &[]).contains(&Action::Completed));
}

fn non_sharing_hello() -> Hello {
    Hello {
        non_sharing: true,
        ..hello("b1", false, false)
    }
}

#[test]
fn others_serve_it_and_stay_connected_although_it_never_has_anything() {
    let mut table = Table::new(Bitfield::full(PIECES));
    table.assign(member(), &[]);
    let (non_sharing, out) = table.agent("10.1.0.1:5000", Origin::Accepted, non_sharing_hello());
    assert!(said(&out).contains(&&Message::Unchoke));
    table.say(non_sharing, Message::HaveNone);
    table.say(non_sharing, Message::Interested);
    for minute in 0..10 {
        let out = table.say(non_sharing, Message::Request(block(minute, 0)));
        assert!(serves(&out), "{out:?}");
        table.tell(Event::Sent {
            peer: non_sharing,
            bytes: 16384,
        });
        let out = table.wait(60);
        assert_eq!(closed(&out), None);
        table.say(non_sharing, Message::KeepAlive);
    }
}

#[test]
fn a_gateway_does_not_wait_for_it_to_pass_pieces_on() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (non_sharing, _) = table.agent("10.1.0.1:5000", Origin::Accepted, non_sharing_hello());
    table.say(non_sharing, Message::HaveNone);
    table.say(non_sharing, Message::Interested);
    let (upstream, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    table.say(upstream, Message::HaveAll);
    let next = table.say(upstream, Message::Unchoke);
    let out = serve(&mut table, upstream, next, &[]);
    assert!(
        out.contains(&Action::Completed),
        "no time has passed, and it has all"
    );
}
