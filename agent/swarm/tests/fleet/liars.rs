//! Fleets in which some agents say that they have everything and bring nothing, or rubbish: the others are
//! done in a bounded time, and hardly more crosses a link. `NARROWS_SEEDS` runs as many.

use std::time::Duration;

use narrows_swarm::Time;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::sim::{Lie, Op};
use crate::{HOUR, fleet, link};

/// Liars at both sites below the seeders', beside three honest agents each, in a star or a chain.
fn scenario(seed: u64) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let wan = link(20.0, 20);
    let above = usize::from(rng.random_bool(0.5));
    let mut sim = fleet(&[(0, wan), (above, wan)], &[0, above], &[2, 5, 5], 300, seed);
    sim.strict = false;
    sim.tracker.wanted = rng.random_range(1..3);
    let mut lies = Vec::new();
    for site in 0..2 {
        for number in 0..rng.random_range(1..3) {
            let agent = 2 + site * 5 + 4 - number;
            let lie = [Lie::Silent, Lie::Rejects, Lie::Boasts, Lie::Rubbish][rng.random_range(0..4)];
            sim.agents[agent].lie = Some(lie);
            // what a gateway that lies costs is for the tracker to end
            sim.tracker.no_gateways.insert(agent);
            lies.push((agent, lie));
            if rng.random_bool(0.4) {
                let every = rng.random_range(300..6000);
                for turn in 1..60_000 / every {
                    let op = if turn % 2 == 0 { Op::Unchoke } else { Op::Choke };
                    sim.plan(Duration::from_millis(2000 + turn * every), agent, op);
                }
            }
            if rng.random_bool(0.3) {
                for turn in 1..8 {
                    let at = Time::from_secs(turn * rng.random_range(4..9));
                    sim.plan(at, agent, Op::Kill);
                    sim.plan(at + Duration::from_millis(300), agent, Op::Start);
                }
            }
        }
    }
    sim.run(HOUR);
    for (index, agent) in sim.agents.iter().enumerate() {
        if agent.completed.is_none() && agent.lie.is_none() {
            return Err(format!("seed {seed}: {lies:?}: agent {index} is never complete"));
        }
    }
    for site in [1, 2] {
        let honest = sim.agents.iter().filter(|a| a.site == site && a.lie.is_none());
        let done = honest.filter_map(|agent| agent.completed).max().unwrap_or_default();
        let bound = crate::wire_bytes(&sim) / wan.rate;
        let (time, copies) = (done.as_secs_f64(), sim.copies(site));
        if time > 1.5 * bound + 15.0 || copies > 1.15 {
            return Err(format!(
                "seed {seed}, site {site}: {lies:?}: {time:.1} s, at best {bound:.1} s, {copies:.3} copies"
            ));
        }
    }
    Ok(())
}

#[test]
fn fleets_with_liars_are_done_in_a_bounded_time_with_hardly_a_copy_more() {
    let seeds = std::env::var("NARROWS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let failed: Vec<String> = (0..seeds).filter_map(|seed| scenario(seed).err()).collect();
    assert!(
        failed.is_empty(),
        "{} of {seeds}:\n{}",
        failed.len(),
        failed[..failed.len().min(12)].join("\n")
    );
}
