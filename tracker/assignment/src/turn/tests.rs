//! A swarm in which an invariant is broken goes on.

use std::time::Duration;

use narrows_protocol::{AnnounceEvent, InfoHash, PeerId, Role};
use narrows_topology::SiteMap;

use super::Turn;
use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::{Announce, Broken, Context, Ledger, Outcome, Policy};

const MAP: &str = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n";

/// What a peer is answered whose record is not where it was just written, and what the swarm says of it.
fn answered(strict: bool) -> (Role, Duration, Vec<(Broken, u32)>) {
    let map = SiteMap::parse("sites.yaml", MAP).unwrap();
    let (policy, ledger) = (Policy::default(), Ledger::new());
    let cx = Context {
        map: &map,
        policy: &policy,
        ledger: &ledger,
        wall: jiff::Timestamp::UNIX_EPOCH,
    };
    let addr = "10.1.0.1:6881".parse().unwrap();
    let announce = Announce {
        addr,
        peer_id: PeerId([1; 20]),
        left: 100,
        downloaded: 0,
        uploaded: 0,
        event: AnnounceEvent::None,
        numwant: None,
        key: None,
        agent: None,
    };
    let mut swarm = Swarm::new(InfoHash([1; 20]));
    swarm.set_strict(strict);
    let at = Endpoint::of(addr);
    let mut turn = Turn {
        swarm: &mut swarm,
        cx: &cx,
        announce: &announce,
        now: Duration::from_secs(1),
        rng: &mut rand::rng(),
        from: at,
        id: map.locate(addr.ip()).unwrap(),
        at,
        outcome: Outcome::default(),
    };
    let broken = turn.compare(100).unwrap_err();
    let decision = turn.fall_back(broken);
    (decision.role, decision.interval, swarm.take_broken())
}

#[test]
fn a_broken_invariant_is_counted_and_answered_as_to_a_member_that_comes_back_soon() {
    let (role, interval, broken) = answered(false);
    assert_eq!((role, broken), (Role::Member, vec![(Broken::SiteMissing, 1)]));
    assert!(
        interval <= Policy::default().intervals.min.mul_f64(1.1),
        "{interval:?}"
    );
}

#[test]
#[should_panic(expected = "the site of a known peer is not in the swarm")]
fn in_tests_and_simulations_it_ends_the_program() {
    answered(true);
}
