//! Agents that do not share (`share: never`).

use std::time::Duration;

use proptest::prelude::*;

use crate::sim::{Op, Sim};
use crate::{HOUR, figures, fleet, link};

/// Payload bytes that the non_sharing sent. None of them has been killed.
fn sent_by_non_sharing(sim: &Sim) -> u64 {
    let non_sharing =
        sim.tracker.non_sharing.iter().filter_map(|non_sharing| sim.agents[*non_sharing].swarm.as_ref());
    let status = non_sharing.map(|swarm| swarm.status(sim.now));
    status.map(|status| status.sent_lan + status.sent_wan).sum()
}

#[test]
fn one_that_does_not_share_costs_its_site_nothing_and_completes() {
    let wan = link(20.0, 10);
    let mut sim = fleet(&[(0, wan), (0, wan)], &[0, 0], &[4, 4, 2], 300, 31);
    // the first of site 1, which asks before the others, and the only neighbour of the gateway of site 2
    sim.tracker.non_sharing.extend([4, 9]);
    sim.tracker.share = 0.98;
    sim.run(HOUR);
    sim.assert_complete();
    assert_eq!(sent_by_non_sharing(&sim), 0);
    for site in [1, 2] {
        let (copies, time) = figures(&sim, site, wan.rate * 0.98);
        println!("non-sharing peer at site {site}: copies {copies:.4} time {time:.3} x bound");
        assert!(copies <= 1.02, "{copies} copies into site {site}");
        assert!(time <= 1.1, "{time} x bound at site {site}");
    }
}

#[test]
fn a_site_of_such_agents_alone_completes_each_over_the_link() {
    let wan = link(100.0, 10);
    let mut sim = fleet(&[(0, wan)], &[0], &[2, 3], 60, 32);
    sim.tracker.non_sharing.extend([2, 3, 4]);
    sim.run(HOUR);
    sim.assert_complete();
    assert_eq!(sent_by_non_sharing(&sim), 0);
    let copies = sim.copies(1);
    assert!((3.0..3.1).contains(&copies), "{copies} copies");
}

#[test]
fn an_agent_that_comes_and_shares_fetches_for_those_that_do_not() {
    let wan = link(20.0, 10);
    let mut sim = fleet(&[(0, wan)], &[0], &[2, 4], 300, 33);
    sim.tracker.non_sharing.extend([2, 3]);
    // the two that share go at once and come back
    for agent in [4, 5] {
        sim.plan(Duration::from_millis(100), agent, Op::Kill);
        sim.plan(Duration::from_secs(5), agent, Op::Start);
    }
    sim.run(HOUR);
    sim.assert_complete();
    assert_eq!(sent_by_non_sharing(&sim), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wherever_they_are_every_agent_completes_and_they_send_nothing(
        non_sharing in proptest::collection::btree_set(4usize..12, 0..6), seed: u64, mbit in 5.0f64..100.0,
    ) {
        let wan = link(mbit, 10);
        let mut sim = fleet(&[(0, wan), (1, wan)], &[0, 1], &[4, 4, 4], 60, seed);
        // a site of such agents alone feeds no other
        if (4..8).all(|agent| non_sharing.contains(&agent)) {
            sim.tracker.parents.insert(2, 0);
        }
        sim.tracker.non_sharing = non_sharing;
        sim.run(HOUR);
        sim.assert_complete();
        prop_assert_eq!(sent_by_non_sharing(&sim), 0);
    }
}
