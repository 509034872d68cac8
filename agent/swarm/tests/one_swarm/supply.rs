//! One swarm among agents: what a gateway fetches across the WAN beside a seed of its own site.

use std::collections::BTreeSet;

use narrows_protocol::Assignment;
use narrows_swarm::PeerKey;
use narrows_wire::Message;

use crate::table::{LOCAL, PIECES, Table, UPSTREAM, gateway, hello, requests};

/// A gateway with an upstream that has everything, a seed of its own site, and a member there that has pieces
/// 0 to 4. What is asked of the upstream at once, and of its neighbours.
fn asked(slow_supply: bool) -> (BTreeSet<u32>, usize) {
    let mut table = Table::leecher();
    let assignment = gateway(&["10.0.0.1:6881"]).map(|assignment| Assignment {
        slow_supply,
        ..assignment
    });
    table.assign(assignment, &["10.1.0.1:6881", "10.1.0.2:6881"]);
    let local = LOCAL;
    let (seed, _) = table.agent("10.1.0.1:6881", local, hello("b1", false, false));
    let (member, _) = table.agent("10.1.0.2:6881", local, hello("b1", false, false));
    let (upstream, _) = table.agent("10.0.0.1:6881", UPSTREAM, hello("hq", false, false));
    let mut has = narrows_wire::Bitfield::new(PIECES);
    (0..5).for_each(|piece| {
        has.set(piece);
    });
    let mut said = |peer: PeerKey, message| {
        let mut out = table.say(peer, message);
        out.extend(table.say(peer, Message::Unchoke));
        requests(&out)
    };
    let nearby = said(member, Message::Bitfield(has.to_wire())).len() + said(seed, Message::HaveAll).len();
    let across = said(upstream, Message::HaveAll);
    (across.iter().map(|block| block.piece).collect(), nearby)
}

#[test]
fn what_a_seed_of_its_site_has_does_not_cross_the_link() {
    let (across, nearby) = asked(false);
    assert!(across.is_empty() && nearby > 0, "{across:?}");
}

#[test]
fn what_only_a_slow_seed_of_its_site_has_crosses_the_link_and_what_a_member_has_does_not() {
    let (across, nearby) = asked(true);
    assert!(!across.is_empty() && nearby > 0);
    assert!(across.iter().all(|piece| *piece >= 5), "{across:?}");
}
