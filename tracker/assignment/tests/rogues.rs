//! Stories with machines that lie all the time, in one way each: every honest client gets everything in bounded time, and
//! links carry a bounded number of copies beside one. A failure prints the seed.

mod sim;
mod support;

use std::time::Duration;

use sim::client::SIZE;
use sim::story::{self, Rogue};
use support::seeds::seeds;

/// What a client needs at 500 bytes a second, and some terms of a lease; beside kills and restarts of the tracker.
const BOUND: Duration = Duration::from_secs(200 + 6 * 66);
const BESIDE_KILLS: Duration = Duration::from_secs(200 + 7 * 66);

/// Seeds that found something.
const FOUND: [(Rogue, Rogue, u64); 1] = [(Rogue::Idler, Rogue::Thief, 38)];

#[test]
fn one_machine_that_lies_stops_no_honest_client() {
    for rogue in Rogue::ALL {
        let mut longest = Duration::ZERO;
        for seed in seeds(40) {
            let (world, took) = story::beside(&[rogue], seed, false);
            assert!(took < BOUND, "{rogue:?}, seed {seed}: {took:?}");
            let wan: u64 = world.clients.iter().map(|client| client.wan).sum();
            let sites = world.text.sites.len() as u64 - 1;
            // a member that starves has a lease of its own; in this model both then fetch all
            assert!(
                wan <= SIZE * (2 * sites + 1),
                "{rogue:?}, seed {seed}: {wan} for {sites} sites"
            );
            longest = longest.max(took);
        }
        println!("{rogue:?}: {longest:?}");
    }
}

#[test]
fn two_machines_that_lie_beside_kills_and_restarts_of_the_tracker_stop_no_honest_client() {
    let (mut longest, mut honest) = (Duration::ZERO, Duration::ZERO);
    let mut beside = |first: Rogue, second: Rogue, seed: u64| {
        let took = story::beside(&[first, second], seed, true).1;
        assert!(
            took < BESIDE_KILLS,
            "{first:?} and {second:?}, seed {seed}: {took:?}"
        );
        longest = longest.max(took);
    };
    for (first, second, seed) in FOUND {
        beside(first, second, seed);
    }
    for seed in seeds(8) {
        honest = honest.max(story::beside(&[], seed, true).1);
        for first in Rogue::ALL {
            Rogue::ALL.iter().for_each(|second| beside(first, *second, seed));
        }
    }
    println!("{longest:?}, and {honest:?} without them");
}
