//! Keep-alives that agents wait for, and what their absence means.

use std::time::Duration;

use narrows_protocol::PeerId;
use narrows_swarm::{Action, AnnounceReason, CloseReason, Event, Origin, PeerKey};
use narrows_wire::Message;

use crate::table::{
    LOCAL, Table, UPSTREAM, all_pieces, closed, gateway, hello, member, requests, served_by_a_gateway,
};

fn keepalives(actions: &[Action], to: PeerKey) -> usize {
    let is = |action: &&Action| {
        **action
            == Action::Send {
                peer: to,
                message: Message::KeepAlive,
            }
    };
    actions.iter().filter(is).count()
}

#[test]
fn a_gateway_speaks_every_four_seconds_to_agents_of_its_site_alone() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881", "10.1.0.2:6881"]);
    let (agent, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
    let (stock, _) = table.connect("10.1.0.2:6881", LOCAL, true);
    let out = table.wait(21);
    assert_eq!((keepalives(&out, agent), keepalives(&out, stock)), (5, 0));
}

#[test]
fn a_member_gives_a_silent_gateway_ten_seconds_and_announces_the_loss() {
    let (mut table, roster) = served_by_a_gateway();
    let (speaks, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, true));
    table.agent("10.1.0.2:6881", LOCAL, hello("b1", false, false));
    for _ in 0..4 {
        assert_eq!(closed(&table.wait(8)), None);
        table.say(speaks, Message::KeepAlive);
    }
    let out = table.wait(11);
    assert!(out.contains(&Action::Close {
        peer: speaks,
        reason: CloseReason::Silent
    }));
    assert!(out.contains(&Action::Announce(AnnounceReason::Lost(roster))));
    assert_eq!(
        out.iter().filter(|a| matches!(a, Action::Close { .. })).count(),
        1,
        "members may be silent"
    );
}

#[test]
fn a_gateway_that_has_no_room_is_not_lost_and_one_that_spoke_is() {
    for spoke in [false, true] {
        let (mut table, roster) = served_by_a_gateway();
        table.agent("10.1.0.2:6881", LOCAL, hello("b1", false, false));
        let peer = if spoke {
            table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, true)).0
        } else {
            table.connect("10.1.0.1:6881", LOCAL, true).0
        };
        let out = table.tell(Event::Closed { peer });
        let told = out.contains(&Action::Announce(AnnounceReason::Lost(roster)));
        assert_eq!(told, spoke);
    }
}

#[test]
fn an_upstream_speaks_every_four_seconds_to_the_gateways_it_serves() {
    let mut table = Table::new(all_pieces());
    table.assign(member(), &["10.1.0.1:6881"]);
    let (remote, _) = table.agent("10.2.0.1:6881", Origin::Accepted, hello("b2", true, true));
    let (local, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
    let (stock, _) = table.connect("10.3.0.1:6881", Origin::Accepted, true);
    let out = table.wait(21);
    let said = [remote, local, stock].map(|peer| keepalives(&out, peer));
    assert_eq!(said, [5, 0, 0]);
}

#[test]
fn a_gateway_that_is_level_with_its_upstream_notices_within_ten_seconds_that_it_vanished() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let (upstream, _) = table.agent("10.0.0.1:6881", UPSTREAM, hello("hq", false, false));
    table.say(upstream, Message::HaveNone);
    for _ in 0..4 {
        assert_eq!(closed(&table.wait(8)), None, "it speaks");
        table.say(upstream, Message::KeepAlive);
    }
    let out = table.wait(11);
    assert!(out.contains(&Action::Close {
        peer: upstream,
        reason: CloseReason::Silent
    }));
    let addr = "10.0.0.1:6881".parse().expect("an address");
    assert_eq!(table.swarm.report().gone, [addr]);
    assert!(
        out.iter().any(|action| matches!(action, Action::Announce(_))),
        "{out:?}"
    );
}

#[test]
fn a_stock_upstream_may_be_silent_for_long() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (stock, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    table.say(stock, Message::HaveNone);
    assert_eq!(closed(&table.wait(60)), None);
}

#[test]
fn an_agent_that_was_asleep_blames_no_peer_and_as_gateway_asks_the_tracker_first() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let (other, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, true));
    table.wait(1);
    table.now += Duration::from_secs(60);
    let out = table.tell(Event::Tick);
    assert!(out.contains(&Action::Announce(AnnounceReason::Doubt)), "{out:?}");
    assert_eq!(closed(&out), None);
    let (upstream, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    table.say(upstream, Message::HaveAll);
    assert!(
        requests(&table.say(upstream, Message::Unchoke)).is_empty(),
        "it is not known yet which agent is gateway"
    );
    table.say(other, Message::KeepAlive);
    assert!(!requests(&table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"])).is_empty());
}

#[test]
fn a_peer_that_comes_again_while_its_connection_is_silent_has_lost_that_one() {
    // which of two dials that met stays is a matter of the ids; one that is lost never does
    for (id, silence, stays) in [(1, 2, 2), (255, 2, 1), (1, 11, 2), (255, 11, 2)] {
        let mut table = Table::leecher();
        let connect = |table: &mut Table, peer, origin| {
            let event = Event::Connected {
                peer: PeerKey(peer),
                addr: format!("10.1.0.1:{}", 6880 + peer).parse().unwrap(),
                origin,
                peer_id: PeerId([id; 20]),
                fast: true,
                extended: true,
            };
            table.tell(event)
        };
        connect(&mut table, 1, LOCAL);
        let mut out = table.wait(silence);
        out.extend(connect(&mut table, 2, Origin::Accepted));
        let closed: Vec<PeerKey> = (out.iter())
            .filter_map(|action| match action {
                Action::Close { peer, reason } if *reason == CloseReason::Duplicate => Some(*peer),
                _ => None,
            })
            .collect();
        assert_eq!(closed, [PeerKey(3 - stays)], "id {id}, {silence} s");
    }
}
