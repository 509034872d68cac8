//! Stock clients: peers without extensions.

use narrows_swarm::{Action, AnnounceReason, CloseReason, Event, Origin, State};
use narrows_wire::{Bitfield, Message};

use crate::table::{LOCAL, PIECES, Table, block, closed, member, requests, serve};
use crate::wrong_hash::whole;

#[test]
fn a_stock_client_without_extensions_is_fetched_from_by_its_haves() {
    let mut table = Table::leecher();
    table.assign(None, &["10.1.0.1:6881"]);
    let (peer, greeting) = table.connect("10.1.0.1:6881", LOCAL, false);
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
fn a_whole_piece_is_verified_and_announced_to_every_peer() {
    let mut table = Table::leecher();
    table.assign(None, &["10.1.0.1:6881", "10.1.0.2:6881"]);
    let (peer, _) = table.connect("10.1.0.1:6881", LOCAL, true);
    let (other, _) = table.connect("10.1.0.2:6881", LOCAL, true);
    table.say(peer, Message::Have(5));
    table.say(peer, Message::Unchoke);
    let mut last = Vec::new();
    for index in 0..4 {
        let (kept, out) = table.receive(peer, block(5, index));
        assert!(kept);
        last = out;
    }
    assert!(last.contains(&Action::Verify { piece: 5 }));
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

/// As libtorrent up to 2.0.10, of which a piece was not flushed when we shook hands.
#[test]
fn a_stock_peer_that_seems_to_lack_the_last_piece_is_dialled_anew_once_a_minute() {
    let mut table = Table::leecher();
    let addr = "10.1.0.1:6881";
    table.assign(None, &[addr]);
    let mut all_but_one = Bitfield::full(PIECES);
    all_but_one.unset(5);
    let meet = |table: &mut Table| {
        let (peer, _) = table.connect(addr, LOCAL, false);
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
fn an_idle_connection_is_kept_alive_and_a_dead_one_closed() {
    let mut table = Table::new(Bitfield::full(PIECES));
    let (peer, _) = table.connect("10.1.0.1:50000", Origin::Accepted, true);
    assert!(table.wait(61).contains(&Action::Send {
        peer,
        message: Message::KeepAlive
    }));
    assert_eq!(closed(&table.wait(120)), Some(CloseReason::Idle));
}
