//! A swarm in which an invariant is broken goes on.

use std::time::Duration;

use narrows_protocol::{AgentReport, AnnounceEvent, InfoHash, PeerId, Role};
use narrows_topology::SiteMap;

use crate::endpoint::Endpoint;
use crate::hash::{AgentKey, Machine};
use crate::state::Swarm;
use crate::state::agents::Place;
use crate::{Announce, Broken, Context, Decision, Ledger, Policy};

/// Announces of an agent to a swarm that takes it to be at a site where no peer is.
fn answered(strict: bool, announces: usize) -> (Swarm, Vec<Decision>) {
    let map = SiteMap::parse(
        "sites.yaml",
        "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n",
    )
    .unwrap();
    let (policy, ledger) = (Policy::default(), Ledger::new());
    let cx = Context {
        map: &map,
        policy: &policy,
        ledger: &ledger,
        wall: jiff::Timestamp::UNIX_EPOCH,
    };
    let addr = "10.1.0.1:6881".parse().unwrap();
    let report = AgentReport {
        agent: "hq-001".to_owned(),
        ..AgentReport::default()
    };
    let announce = Announce {
        addr,
        peer_id: PeerId([1; 20]),
        left: 100,
        downloaded: 0,
        uploaded: 0,
        event: AnnounceEvent::None,
        numwant: None,
        key: None,
        agent: Some(&report),
    };
    let mut swarm = Swarm::new(InfoHash([1; 20]));
    swarm.set_strict(strict);
    let place = Place {
        site: map.locate(addr.ip()).unwrap(),
        at: Endpoint::of(addr),
        machine: Machine::at(Endpoint::of(addr)),
    };
    swarm.agents.insert(AgentKey::of("hq-001"), place);
    let now = Duration::from_secs(1);
    let announces = (0..announces).map(|_| swarm.announce(&cx, &announce, now, &mut rand::rng()).unwrap());
    let decisions = announces.collect();
    (swarm, decisions)
}

#[test]
fn a_broken_invariant_is_counted_and_answered_as_to_a_member_and_the_next_announce_mends_it() {
    let (mut swarm, decisions) = answered(false, 2);
    assert_eq!(swarm.take_broken(), [(Broken::SiteMissing, 1)]);
    assert!(swarm.take_broken().is_empty());
    assert_eq!(decisions[0].role, Role::Member);
    assert!(decisions[0].interval <= Policy::default().intervals.min.mul_f64(1.1));
    assert_eq!((decisions[0].incomplete, decisions[1].incomplete), (0, 1));
    swarm.recount().unwrap();
}

#[test]
#[should_panic(expected = "the site of a known peer is not in the swarm")]
fn in_a_strict_swarm_it_ends_the_program() {
    answered(true, 1);
}
