//! One swarm among agents: what a gateway owes its neighbours, what it reports, which connections it marks.

#![allow(unreachable_pub)] // modules of one test program

#[allow(dead_code)] // the other test programs use the rest
mod pair;
#[allow(dead_code)]
mod table;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::{Assignment, Parent};
use narrows_swarm::{Action, AnnounceReason, Class, CloseReason, DialError, Event, Origin, PeerKey, Time};
use narrows_wire::{Bitfield, Block, ExtendedHandshake, Hello, Message};
use table::{PIECES, Table, closed, gateway, hello, introduction, member, requests};

const LOCAL: Origin = Origin::Dialled(Class::Local);
const UPSTREAM: Origin = Origin::Dialled(Class::Upstream);

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

/// A member of a site of three, and its gateway, 10.1.0.1.
fn served_by_a_gateway() -> (Table, SocketAddr) {
    let mut table = Table::leecher();
    let roster = "10.1.0.1:6881".parse().expect("an address");
    let assignment = member().map(|a| Assignment {
        gateways: vec![roster],
        ..a
    });
    table.assign(assignment, &["10.1.0.1:6881", "10.1.0.2:6881"]);
    (table, roster)
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
fn who_was_asleep_blames_nobody_and_as_gateway_asks_the_tracker_first() {
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
        "nobody knows yet who is gateway"
    );
    table.say(other, Message::KeepAlive);
    assert!(!requests(&table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"])).is_empty());
}

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
fn a_gateway_that_a_restarted_tracker_names_nobody_goes_on_and_has_its_upstream_announce() {
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

fn all_pieces() -> Bitfield {
    let mut have = Bitfield::new(PIECES);
    (0..PIECES).for_each(|piece| {
        have.set(piece);
    });
    have
}

#[test]
fn agents_are_told_when_somebody_becomes_gateway_and_when_it_is_none_any_more() {
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

fn failed(addr: SocketAddr) -> Event {
    let why = DialError::TimedOut;
    Event::DialFailed { addr, why }
}

#[test]
fn who_cannot_be_connected_to_is_told_until_a_connection_comes_from_either_side() {
    let mut table = Table::leecher();
    let local = ["10.1.0.1:6881", "10.1.0.2:6881"];
    table.assign(member(), &local);
    let addrs = local.map(|addr| addr.parse().expect("an address"));
    let told =
        |table: &Table| -> Vec<SocketAddr> { table.swarm.unreachable().map(|peer| peer.addr).collect() };
    table.now = Duration::from_secs(10);
    for addr in addrs {
        table.tell(failed(addr));
    }
    table.tell(failed("10.9.0.1:6881".parse().expect("an address")));
    assert_eq!(
        told(&table),
        addrs,
        "what the tracker does not name is nobody's concern"
    );
    table.wait(590);
    let since: Vec<Time> = table.swarm.unreachable().map(|peer| peer.since).collect();
    assert_eq!(since, [Duration::from_secs(10); 2]);
    table.connect(local[0], LOCAL, true);
    assert_eq!(told(&table), addrs[1..]);
    table.agent("10.1.0.2:50123", Origin::Accepted, hello("b1", false, false));
    assert_eq!(told(&table), []);
}

#[test]
fn who_is_named_no_more_is_forgotten_as_unreachable_after_ten_minutes() {
    let mut table = Table::leecher();
    table.assign(member(), &["10.1.0.1:6881"]);
    table.tell(failed("10.1.0.1:6881".parse().expect("an address")));
    table.assign(member(), &[]);
    table.wait(598);
    assert_eq!(table.swarm.unreachable().count(), 1);
    table.wait(3);
    assert_eq!(table.swarm.unreachable().count(), 0);
}

#[test]
fn who_does_not_answer_is_named_for_thirty_seconds() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let addrs: Vec<_> =
        ["10.0.0.1:6881", "10.1.0.1:6881"].iter().map(|a| a.parse().expect("an address")).collect();
    table.tell(failed(addrs[1]));
    assert!(!table.swarm.report().stalled, "a neighbour is not all");
    let out = table.tell(failed(addrs[0]));
    assert!(out.contains(&Action::Announce(AnnounceReason::Stalled)));
    let mut gone = table.swarm.report().gone;
    gone.sort_unstable();
    assert_eq!(gone, addrs);
    table.wait(31);
    assert!(table.swarm.report().gone.is_empty());
}

#[test]
fn bytes_are_booked_on_the_parent_they_came_from_and_stripes_on_their_part() {
    let parent = |site: &str, upstream: &str, stripe| Parent {
        site: site.into(),
        upstreams: vec![upstream.parse().expect("an address")],
        stripes: vec![stripe],
        ..Parent::default()
    };
    let mut table = Table::leecher();
    let ups = ["10.0.0.1:6881", "10.3.0.1:6881"];
    let assignment = gateway(&ups).map(|a| Assignment {
        stripes: 2,
        parents: vec![parent("hq", ups[0], 0), parent("r", ups[1], 1)],
        ..a
    });
    table.assign(assignment, &[]);
    let mut asked: Vec<u32> = Vec::new();
    let mut count = Vec::new();
    for addr in ups {
        let (peer, _) = table.connect(addr, UPSTREAM, true);
        table.say(peer, Message::HaveAll);
        let mut next = table.say(peer, Message::Unchoke);
        let mut of_this = 0;
        // each block makes room for another one
        while let Some(block) = requests(&next).first().copied() {
            let all = requests(&next);
            asked.extend(all.iter().map(|block| block.piece));
            of_this += all.len();
            next = Vec::new();
            for block in all {
                next.extend(table.block(peer, block));
            }
            assert!(block.len > 0);
        }
        count.push(of_this as u64 * 16384);
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len() as u32, PIECES, "every piece is of one parent");
    let report = table.swarm.report();
    assert_eq!(
        report.from,
        [("hq".to_owned(), count[0]), ("r".to_owned(), count[1])]
    );
    assert_eq!(report.wan, count.iter().sum::<u64>());
    assert_eq!(count[0], count[1], "two stripes of equal weight");
}

#[test]
fn connections_across_links_are_marked_and_others_are_not() {
    let marks = |actions: &[Action]| -> Vec<(PeerKey, u8)> {
        let mark = |action: &Action| match action {
            Action::Mark { peer, dscp } => Some((*peer, *dscp)),
            _ => None,
        };
        actions.iter().filter_map(mark).collect()
    };
    let duty = |dscp| gateway(&["10.0.0.1:6881"]).map(|a| Assignment { dscp, ..a });
    let mut table = Table::leecher();
    table.assign(duty(Some(8)), &["10.1.0.1:6881"]);
    let (upstream, out) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    assert_eq!(marks(&out), [(upstream, 8)]);
    let (_, out) = table.connect("10.1.0.1:6881", LOCAL, true);
    assert_eq!(marks(&out), []);
    let (remote, out) = table.agent("10.4.0.1:50000", Origin::Accepted, hello("b4", true, true));
    assert_eq!(marks(&out), [(remote, 8)]);
    let (_, out) = table.agent("10.1.0.5:50000", Origin::Accepted, hello("b1", false, false));
    assert_eq!(marks(&out), []);
    let (stock, out) = table.connect("10.4.0.2:50000", Origin::Accepted, true);
    assert_eq!(
        marks(&out),
        [(stock, 8)],
        "a stock client that the tracker has not named"
    );
    let out = table.assign(duty(Some(1)), &["10.1.0.1:6881", "10.4.0.2:6881"]);
    assert_eq!(
        marks(&out),
        [(upstream, 1), (remote, 1), (stock, 0)],
        "another mark; one is of our site after all"
    );
}

#[test]
fn the_seventh_piece_waits_until_a_neighbour_has_one_of_the_first_six() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let (neighbour, _) = table.agent("10.1.0.1:6881", LOCAL, hello("b1", false, false));
    table.say(neighbour, Message::HaveNone);
    table.say(neighbour, Message::Interested);
    let (upstream, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    table.say(upstream, Message::HaveAll);
    let mut next = table.say(upstream, Message::Unchoke);
    let (mut asked, mut done) = (Vec::new(), Vec::new());
    while !requests(&next).is_empty() {
        let all = requests(&next);
        next = Vec::new();
        for block in all {
            asked.push(block.piece);
            let mut out = table.block(upstream, block);
            let whole = out.iter().find_map(|a| match a {
                Action::Verify { piece, .. } => Some(*piece),
                _ => None,
            });
            if let Some(piece) = whole {
                done.push(piece);
                out.extend(table.tell(Event::Verified { piece, ok: true }));
            }
            next.extend(out);
        }
    }
    asked.dedup();
    // six that nobody else has, and what was on its way (here four small ones) when the sixth came
    assert!(
        done.len() >= 6 && asked.len() <= 10,
        "{} pieces asked for",
        asked.len()
    );
    let goes_on = |piece: &u32| !requests(&table.say(neighbour, Message::Have(*piece))).is_empty();
    assert_eq!(
        done.iter().position(goes_on),
        Some(done.len() - 6),
        "five are left that nobody else has"
    );
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
            Action::Verify { piece, .. } => Some(*piece),
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
