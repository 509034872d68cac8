//! Several parents: a diamond of four links, each site fed by two others.

use std::time::Duration;

use narrows_swarm::Time;

use crate::net::Net;
use crate::sim::{Op, Sim};
use crate::{HOUR, lengths, link, wire_bytes};

const AT: Time = Duration::from_secs(10);

/// 0 - 1 - 3 and 0 - 2 - 3, 10 Mbit/s each, three agents a site, seeders at 0. Stripe 0 goes 0, 1, 3, 2;
/// stripe 1 goes 0, 2, 3, 1: every link carries half of the content in each direction it is used in.
pub fn diamond(seed: u64) -> Sim {
    let wan = link(10.0, 10);
    let net = |agents| {
        let mut net = Net::new(vec![None, Some((0, wan)), Some((0, wan)), Some((1, wan))], agents);
        net.join(2, 3, wan);
        net
    };
    let mut sim = Sim::new(net, &[3; 4], &[0, 1, 2], lengths(200), seed);
    let from = |parent: usize, stripe: u8| (parent, vec![stripe]);
    sim.tracker.striped.insert(1, vec![from(0, 0), from(3, 1)]);
    sim.tracker.striped.insert(2, vec![from(0, 1), from(3, 0)]);
    sim.tracker.striped.insert(3, vec![from(1, 0), from(2, 1)]);
    (sim.tracker.stripes, sim.tracker.share) = (2, 0.98);
    for agent in 0..sim.agents.len() {
        sim.plan(Duration::from_millis(agent as u64 * 7), agent, Op::Start);
    }
    sim
}

/// Time of the slowest site over the max-flow bound (20 Mbit/s into each), and the most copies into a site.
fn figures(sim: &Sim) -> (f64, f64) {
    let bound = wire_bytes(sim) / (20.0 * 125_000.0);
    let done = (1..4).filter_map(|site| sim.done(site)).max().expect("complete");
    let copies = (1..4).map(|site| sim.copies(site)).fold(0.0, f64::max);
    (done.as_secs_f64() / bound, copies)
}

fn run(mut sim: Sim, what: &str) -> (f64, f64) {
    sim.run(HOUR);
    sim.assert_complete();
    let (time, copies) = figures(&sim);
    println!(
        "diamond, {what}: time {time:.3} x bound, copies {copies:.4}, seed {}",
        sim.seed
    );
    (time, copies)
}

#[test]
fn a_diamond_is_filled_from_both_sides_and_nothing_crosses_twice() {
    for seed in 0..4 {
        let mut sim = diamond(seed);
        sim.run(HOUR);
        sim.assert_complete();
        let (time, copies) = figures(&sim);
        println!("diamond: time {time:.3} x bound, copies {copies:.4}");
        for (link, bytes) in sim.net.carried() {
            let share = bytes as f64 / sim.lengths.total() as f64;
            println!("  {} -> {}: {share:.3} of the content", link.0, link.1);
            let expected = if link.1 == 0 { 0.0 } else { 0.5 };
            assert!(
                (share - expected).abs() <= 0.03,
                "{link:?} carried {share}, seed {seed}"
            );
        }
        assert!(time <= 1.10, "{time} x bound, seed {seed}");
        assert!(copies <= 1.01, "{copies} copies, seed {seed}");
    }
}

#[test]
fn a_gateway_killed_in_a_diamond_costs_a_few_pieces() {
    for (seed, gateway) in [(1, 3), (2, 6), (3, 9)] {
        let mut sim = diamond(seed);
        sim.plan(AT, gateway, Op::Kill);
        sim.plan(AT + Duration::from_secs(3), gateway, Op::Start);
        let (time, copies) = run(sim, "gateway killed");
        assert!(time <= 1.15, "{time}");
        assert!(copies <= 1.0 + 8.0 / 200.0, "{copies}");
    }
}

#[test]
fn a_gateway_frozen_in_a_diamond_stops_no_site_for_long() {
    for (seed, gateway) in [(1, 3), (2, 6), (3, 9)] {
        let mut sim = diamond(seed);
        sim.strict = false;
        sim.plan(AT, gateway, Op::Freeze);
        sim.plan(AT + Duration::from_secs(20), gateway, Op::Thaw);
        let (time, copies) = run(sim, "gateway frozen");
        assert!(time <= 1.7, "{time}");
        assert!(copies <= 1.0 + 8.0 / 200.0, "{copies}");
    }
}

#[test]
fn when_one_parent_has_no_peer_left_the_other_one_gives_its_stripes() {
    let mut sim = diamond(4);
    // site 3 is alone behind sites 1 and 2; all of site 2 is gone for good
    for agent in 6..9 {
        sim.plan(AT, agent, Op::Kill);
    }
    let (_, copies) = run(sim, "a site dies");
    assert!(copies <= 1.0 + 8.0 / 200.0, "{copies}");
}
