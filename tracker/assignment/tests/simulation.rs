//! The rules, simulated: random maps and stories, with invariants checked after every step. A failure prints
//! the seed and the step; `NARROWS_SEEDS=5000` runs more, `NARROWS_SEED=17` one.

mod sim;
mod support;

use sim::story::{self, Trouble};
use support::seeds::seeds;

const CALM: Trouble = Trouble {
    crashes: false,
    stalls: false,
    roaming: false,
    operator: false,
    stock: true,
    nat: true,
    beside: false,
};
const ROUGH: Trouble = Trouble {
    crashes: true,
    stalls: true,
    roaming: true,
    operator: true,
    stock: true,
    nat: true,
    beside: false,
};

#[test]
fn rollouts_with_joins_and_leaves_keep_the_rules() {
    for seed in seeds(120) {
        let mut world = story::random(seed, 600, 8, 60, CALM);
        story::and_all_is_well(&mut world);
    }
}

#[test]
fn rollouts_with_crashes_stalls_roaming_reloads_and_tracker_restarts_keep_the_rules() {
    for seed in seeds(120) {
        let mut world = story::random(seed, 800, 8, 60, ROUGH);
        story::and_all_is_well(&mut world);
    }
}

#[test]
fn rollouts_keep_the_rules_while_parents_are_planned_beside_the_announces() {
    for seed in seeds(120) {
        let trouble = Trouble {
            beside: true,
            ..if seed % 2 == 0 { CALM } else { ROUGH }
        };
        let mut world = story::random(seed, 800, 8, 60, trouble);
        story::and_all_is_well(&mut world);
    }
}

#[test]
fn large_sites_keep_the_rules() {
    for seed in seeds(3) {
        let mut world = story::random(seed, 4000, 4, 1500, ROUGH);
        story::and_all_is_well(&mut world);
    }
}

#[test]
fn equal_seeds_give_equal_decisions() {
    let mut all = 0u64;
    for seed in seeds(40) {
        let trouble = if seed % 4 == 0 { CALM } else { ROUGH };
        let digest = || story::random(seed, 500, 8, 60, trouble).digest;
        let one = digest();
        assert_eq!(one, digest(), "seed {seed}");
        all = all.rotate_left(7) ^ one;
    }
    println!("digest of the assignment's decisions: {all:016x}");
}

#[test]
fn when_the_swarm_is_gone_the_ledger_is_empty() {
    for seed in seeds(20) {
        let mut world = story::random(seed, 500, 8, 60, ROUGH);
        let alive: Vec<usize> = world.clients.iter().filter(|c| c.alive).map(|c| c.number).collect();
        if seed % 2 == 0 {
            for number in alive {
                world.announce(number, narrows_protocol::AnnounceEvent::Stopped);
            }
            // those that crashed
            let later = world.now + std::time::Duration::from_secs(3600);
            world.advance(later);
        } else {
            world.on_swarm(|swarm, cx, _| swarm.retire(cx));
        }
        assert!(world.swarm.is_empty(), "seed {seed}");
        assert!(world.ledger.is_empty(), "seed {seed}: {:?}", world.ledger);
    }
}
