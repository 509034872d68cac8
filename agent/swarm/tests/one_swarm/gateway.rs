//! What agents say of their role, and what a gateway owes its neighbours.

use std::collections::VecDeque;
use std::net::SocketAddr;

use narrows_protocol::Assignment;
use narrows_swarm::{Action, AnnounceReason, Event, Origin, PeerKey};
use narrows_wire::{Block, ExtendedHandshake, Hello, Message};

use crate::table::{
    LOCAL, Table, UPSTREAM, all_pieces, closed, gateway, hello, introduction, member, requests,
    served_by_a_gateway,
};

#[test]
fn a_gateway_that_meets_another_one_asks_the_tracker_and_a_member_does_not() {
    for (assignment, asks) in [(gateway(&["10.0.0.1:6881"]), true), (member(), false)] {
        let mut table = Table::leecher();
        table.assign(assignment, &["10.1.0.1:6881"]);
        let (peer, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
        let out = table.say(peer, introduction(hello("b1", false, true)));
        assert_eq!(
            out.contains(&Action::Announce(AnnounceReason::Doubt)),
            asks,
            "{out:?}"
        );
    }
}

#[test]
fn a_gateway_that_a_restarted_tracker_names_no_upstream_goes_on_and_has_its_upstream_announce() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (upstream, _) = table.agent("10.0.0.1:6881", UPSTREAM, hello("hq", false, false));
    let out = table.assign(gateway(&[]), &[]);
    assert_eq!(closed(&out), None);
    assert!(out.iter().any(|action| is_forgotten(action, upstream)), "{out:?}");
    assert_eq!(closed(&table.wait(2)), None);
    // named again, it has nothing to complain of
    let out = table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    assert_eq!(closed(&out), None);
    assert!(
        !out.iter().any(|action| is_forgotten(action, upstream)),
        "{out:?}"
    );

    let mut seeder = Table::new(all_pieces());
    seeder.assign(member(), &[]);
    seeder.wait(6);
    let (gateway, _) = seeder.agent("10.2.0.1:5000", Origin::Accepted, hello("b1", true, true));
    let forgotten = Hello {
        forgotten: true,
        ..hello("b1", true, true)
    };
    let out = seeder.say(gateway, introduction(forgotten.clone()));
    assert!(out.contains(&Action::Announce(AnnounceReason::Doubt)));
    let out = seeder.say(gateway, introduction(forgotten));
    assert!(
        !out.contains(&Action::Announce(AnnounceReason::Doubt)),
        "not twice in five seconds"
    );
}

fn is_forgotten(action: &Action, to: PeerKey) -> bool {
    let Action::Send {
        peer,
        message: Message::Extended { id: 0, payload },
    } = action
    else {
        return false;
    };
    let said = ExtendedHandshake::decode(payload).expect("well-formed");
    *peer == to && said.narrows.is_some_and(|hello| hello.forgotten)
}

#[test]
fn neighbours_hear_when_an_agent_becomes_gateway_and_when_it_is_none_any_more() {
    let mut table = Table::leecher();
    table.assign(member(), &["10.1.0.1:6881"]);
    let (peer, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
    let told = |actions: &[Action]| {
        let said = actions.iter().find_map(|action| match action {
            Action::Send {
                peer: to,
                message: Message::Extended { payload, .. },
            } if *to == peer => Some(payload),
            _ => None,
        })?;
        Some(ExtendedHandshake::decode(said).ok()?.narrows?.gateway)
    };
    assert_eq!(
        told(&table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"])),
        Some(true)
    );
    assert_eq!(
        told(&table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"])),
        None
    );
    assert_eq!(told(&table.assign(member(), &["10.1.0.1:6881"])), Some(false));
}

#[test]
fn a_gateway_whose_disk_is_full_says_so_at_once_to_tracker_and_neighbours() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let (neighbour, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
    assert!(table.swarm.report().able);
    let out = table.tell(Event::StoreFailed { piece: 0, full: true });
    assert!(out.contains(&Action::Announce(AnnounceReason::Ability)));
    assert_eq!(
        introduced(&out, neighbour),
        Some(false),
        "it calls itself gateway no more"
    );
    let report = table.swarm.report();
    assert!(!report.able && report.role == narrows_protocol::Role::Member);
    let out = table.tell(Event::StoreHealed);
    assert!(out.contains(&Action::Announce(AnnounceReason::Ability)));
    assert_eq!(introduced(&out, neighbour), Some(true));
    assert!(table.swarm.report().able);
}

/// Whether the extension handshake that is sent to a peer, if one is, says that we are gateway.
fn introduced(actions: &[Action], to: PeerKey) -> Option<bool> {
    actions.iter().find_map(|action| match action {
        Action::Send {
            peer,
            message: Message::Extended { id: 0, payload },
        } if *peer == to => {
            let said = ExtendedHandshake::decode(payload).expect("a handshake");
            said.narrows.map(|hello| hello.gateway)
        }
        _ => None,
    })
}

#[test]
fn a_member_whose_gateway_resigns_without_having_everything_announces_at_once() {
    for complete in [false, true] {
        let (mut table, _) = served_by_a_gateway();
        let (peer, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, true));
        if complete {
            table.say(peer, Message::HaveAll);
        }
        table.wait(6);
        let out = table.say(peer, introduction(hello("b1", false, false)));
        let told = out.contains(&Action::Announce(AnnounceReason::Doubt));
        assert_eq!(told, !complete);
    }
}

#[test]
fn a_member_says_when_it_has_another_tenth_and_no_more_often() {
    let mut table = Table::leecher();
    table.assign(member(), &["10.1.0.7:6881"]);
    let (peer, _) = table.connect("10.1.0.7:6881", LOCAL, true);
    table.say(peer, Message::HaveAll);
    let mut asked: VecDeque<Block> = requests(&table.say(peer, Message::Unchoke)).into();
    let mut said = Vec::new();
    // a block each second, of 80; the interval is 600 s
    while let Some(block) = asked.pop_front() {
        let mut out = table.wait(1);
        out.extend(table.block(peer, block));
        let whole = out.iter().find_map(|action| match action {
            Action::Verify { piece } => Some(*piece),
            _ => None,
        });
        if let Some(piece) = whole {
            out.extend(table.tell(Event::Verified { piece, ok: true }));
        }
        asked.extend(requests(&out));
        let announces = out.iter().filter_map(|action| match action {
            Action::Announce(reason) => Some(*reason),
            _ => None,
        });
        let announces: Vec<AnnounceReason> = announces.collect();
        if !announces.is_empty() {
            said.extend(announces);
            asked.extend(requests(&table.assign(member(), &["10.1.0.7:6881"])));
        }
    }
    assert_eq!(table.swarm.report().left, 0);
    let mut expected = vec![AnnounceReason::Regular; 9];
    expected.push(AnnounceReason::Completed);
    assert_eq!(said, expected);
}

#[test]
fn an_agent_says_what_each_of_several_gateways_of_its_site_sent_it_and_of_a_single_one_nothing() {
    let names = ["10.1.0.1:6881", "10.1.0.2:6881"];
    let addrs: Vec<SocketAddr> = names.iter().map(|name| name.parse().expect("an address")).collect();
    for (known, said) in [(2, true), (1, false)] {
        let mut table = Table::leecher();
        let assignment = member().map(|assignment| Assignment {
            gateways: addrs[..known].to_vec(),
            ..assignment
        });
        table.assign(assignment, &[names[0], names[1], "10.1.0.3:6881"]);
        for name in [names[0], "10.1.0.3:6881"] {
            let (peer, _) = table.agent(name, LOCAL, hello("b1", false, name == names[0]));
            table.say(peer, Message::HaveAll);
            let out = table.say(peer, Message::Unchoke);
            let asked = requests(&out);
            for block in asked.iter().take(2) {
                table.block(peer, *block);
            }
        }
        let brought = table.swarm.report().brought;
        assert_eq!(!brought.is_empty(), said);
        if said {
            let sent: u64 = 2 * 16384;
            assert_eq!(brought, [(addrs[0], sent), (addrs[1], 0)]);
        }
    }
}
