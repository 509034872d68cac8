//! A gateway and its upstreams: which one it asks, what it reports of them, how their packets are marked.

use narrows_protocol::{Assignment, Parent};
use narrows_swarm::{Action, AnnounceReason, Class, Event, Origin, PeerKey};
use narrows_wire::Message;

use crate::table::{LOCAL, PIECES, Table, UPSTREAM, all_pieces, gateway, hello, member, requests};

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
    let (first, _) = table.connect(ups[0], UPSTREAM, true);
    let (spare, _) = table.connect(ups[1], UPSTREAM, true);
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
        let (peer, _) = table.connect(addr, UPSTREAM, true);
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
    let (peer, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
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
    let (peer, _) = table.connect("10.1.0.1:6881", LOCAL, true);
    assert_eq!(table.swarm.report().gateway, Some(roster[0]));
    table.say(peer, Message::HaveNone);
    let out = table.tell(Event::Closed { peer });
    assert!(out.contains(&Action::Announce(AnnounceReason::Lost(roster[0]))));
    assert_eq!(table.swarm.report().lost, Some(roster[0]));
}

#[test]
fn bytes_are_booked_on_the_parent_they_came_from_and_stripes_on_their_parent() {
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
                Action::Verify { piece } => Some(*piece),
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
    // six that no other peer has, and what was on its way (here four small ones) when the sixth came
    assert!(
        done.len() >= 6 && asked.len() <= 10,
        "{} pieces asked for",
        asked.len()
    );
    let goes_on = |piece: &u32| !requests(&table.say(neighbour, Message::Have(*piece))).is_empty();
    assert_eq!(
        done.iter().position(goes_on),
        Some(done.len() - 6),
        "five are left that no other peer has"
    );
}

/// Chaos seed 7033: a machine that says it is a seeder, alone at its site, was its neighbour site's only upstream.
/// Each choke let what it was asked for go, so that no request got old, and nothing was said for 30 s.
#[test]
fn a_lone_upstream_that_toggles_choke_and_sends_nothing_is_reported_within_ten_seconds() {
    for fast in [true, false] {
        let mut table = Table::leecher();
        table.assign(gateway(&["10.0.0.1:6881"]), &[]);
        let (peer, _) = table.connect("10.0.0.1:6881", UPSTREAM, fast);
        table.say(
            peer,
            if fast {
                Message::HaveAll
            } else {
                Message::Bitfield(all_pieces().as_bytes().to_vec().into())
            },
        );
        let (mut said, mut asked) = (None, 0);
        for turn in 0..8 {
            let mut out = table.say(
                peer,
                if turn % 2 == 0 {
                    Message::Unchoke
                } else {
                    Message::Choke
                },
            );
            out.extend(table.wait(2));
            asked += requests(&out).len();
            if said.is_none() && out.contains(&Action::Announce(AnnounceReason::Stalled)) {
                said = Some(table.now.as_secs());
            }
        }
        assert!(asked > 0, "it was asked");
        assert!(
            said.is_some_and(|said| said <= 10),
            "{fast}: said after {said:?} s"
        );
        let report = table.swarm.report();
        assert!(report.stalled, "{fast}");
        assert_eq!(
            report.gone,
            ["10.0.0.1:6881".parse().expect("an address")],
            "{fast}"
        );
    }
}

#[test]
fn a_lone_upstream_that_never_lets_us_ask_is_reported_and_one_that_has_nothing_yet_is_not() {
    for (has, reported) in [(Message::HaveAll, true), (Message::HaveNone, false)] {
        let mut table = Table::leecher();
        table.assign(gateway(&["10.0.0.1:6881"]), &[]);
        let (peer, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
        table.say(peer, has);
        // stock clients look whom to serve every 10 s
        let out = table.wait(11);
        assert!(!out.contains(&Action::Announce(AnnounceReason::Stalled)));
        let out = table.wait(3);
        assert_eq!(
            out.contains(&Action::Announce(AnnounceReason::Stalled)),
            reported,
            "{out:?}"
        );
        assert_eq!(!table.swarm.report().gone.is_empty(), reported);
    }
}

#[test]
fn a_lone_upstream_that_toggles_choke_and_serves_in_between_is_not_reported() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &[]);
    let (peer, _) = table.connect("10.0.0.1:6881", UPSTREAM, true);
    table.say(peer, Message::HaveAll);
    let first = requests(&table.say(peer, Message::Unchoke));
    table.block(peer, first[0]);
    let mut out = Vec::new();
    for turn in 0..6 {
        out.extend(table.say(
            peer,
            if turn % 2 == 0 {
                Message::Choke
            } else {
                Message::Unchoke
            },
        ));
        out.extend(table.wait(2));
    }
    assert!(!out.contains(&Action::Announce(AnnounceReason::Stalled)));
    assert_eq!(table.swarm.report().gone, []);
}
