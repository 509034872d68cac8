//! A holder counts by what it brought: whatever neighbours say they have, a gateway gets everything in a
//! bounded time, and hardly more crosses the link than without them.
//!
//! `NARROWS_SEEDS=10000` runs as many worlds, `NARROWS_SEED=17` one.

mod liar;
mod world;

use liar::Kind;
use narrows_swarm::Misdeed;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use world::{LINK, World};

type Make = fn(u64, usize, &[Kind]) -> World;

/// What `liars` cost beside so many `honest` neighbours: seconds with and without them, and bytes across the
/// link over the content's size.
fn cost(make: Make, seed: u64, honest: usize, liars: &[Kind]) -> Result<(f64, f64, f64), String> {
    let alone = make(seed, honest, &[]).run().ok_or("never ends without liars")?.as_secs_f64();
    let mut world = make(seed, honest, liars);
    let with = world.run().ok_or("never ends")?.as_secs_f64();
    Ok((with, alone, world.crossed as f64 / World::size() as f64))
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("NARROWS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NARROWS_SEEDS").unwrap_or(usual),
    }
}

#[test]
fn a_gateway_beside_liars_of_any_kind_is_done_in_a_bounded_time() {
    worlds(World::new, 600);
}

#[test]
fn a_member_beside_liars_of_any_kind_is_done_in_a_bounded_time() {
    worlds(World::of_member, 600);
}

#[test]
fn a_member_whose_neighbours_bring_next_to_nothing_says_soon_that_it_is_stalled_and_names_them() {
    use std::time::Duration;
    let kinds = [
        Kind::KeepsAlive,
        Kind::Toggles,
        Kind::DripsEverywhere,
        Kind::Chokes,
        Kind::Rejects,
    ];
    for seed in seeds(60) {
        let kind = kinds[seed as usize % kinds.len()];
        let liars = &[kind; 3][..1 + seed as usize / kinds.len() % 3];
        let mut world = World::without_gateway(seed, liars);
        world.run_for(Duration::from_secs(40));
        let what = format!("seed {seed}: {liars:?} {:?}", world.stalled);
        assert!(
            world.stalled.is_some_and(|at| at < Duration::from_secs(25)),
            "{what}"
        );
        let named = |ip| world.named.contains(&(Misdeed::NoDelivery, ip));
        // where several bring a little each, it may be the member's own side that is slow
        let is_named = liars.len() > 1 || named(world.neighbours[0].addr.ip());
        assert!(is_named, "{what}: {:?}", world.named);
    }
}

#[test]
fn a_slow_gateway_is_not_named_by_a_member_nor_does_the_member_say_that_it_is_stalled() {
    use std::time::Duration;
    for rate in [10_000.0, 16_000.0, 30_000.0, 62_000.0, 125_000.0] {
        let mut world = World::of_member(1, 0, &[]);
        world.neighbours[0].rate = rate;
        world.run_for(Duration::from_secs(120));
        assert!(world.named.is_empty(), "{rate}: {:?}", world.named);
        assert_eq!(world.stalled, None, "{rate}");
    }
}

#[test]
fn a_neighbour_that_is_frozen_is_not_named_while_it_is_away_nor_when_it_is_back_and_one_that_speaks_is() {
    use std::time::Duration;
    let seconds = Duration::from_secs;
    for (make, rate) in [
        (World::without_gateway as fn(u64, &[Kind]) -> World, 200_000.0),
        (|seed, kinds| World::new(seed, 0, kinds), 0.8 * LINK),
    ] {
        for seed in seeds(40) {
            for away in [6, 15, 40, 100_000] {
                let mut world = make(seed, &[Kind::Freezes(away)]);
                world.neighbours.last_mut().expect("one").rate = rate;
                world.run_for(seconds(70));
                assert!(
                    world.named.is_empty(),
                    "seed {seed}, away for {away} s: {:?}",
                    world.named
                );
            }
            let mut world = make(seed, &[Kind::KeepsAlive]);
            // or no link would stand idle for it
            world.neighbours.last_mut().expect("one").claims.fill(true);
            world.run_for(seconds(70));
            assert_eq!(world.named.len(), 1, "seed {seed}");
        }
    }
}

fn worlds(make: Make, usual: u64) {
    let mut failed = Vec::new();
    let mut worst: std::collections::BTreeMap<String, (f64, f64)> = Default::default();
    for seed in seeds(usual) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let first = Kind::LIARS[seed as usize % Kind::LIARS.len()];
        let more = (0..rng.random_range(0..3)).map(|_| Kind::LIARS[rng.random_range(0..Kind::LIARS.len())]);
        let liars: Vec<Kind> = std::iter::once(first).chain(more.collect::<Vec<_>>()).collect();
        let honest = rng.random_range(0..4);
        match cost(make, seed, honest, &liars) {
            Ok((with, alone, copies)) => {
                let name = if liars.len() == 1 {
                    format!("{first:?}")
                } else {
                    "several".to_owned()
                };
                let entry = worst.entry(name).or_default();
                entry.0 = entry.0.max(with - alone);
                entry.1 = entry.1.max(copies);
                if with > alone * 1.5 + 15.0 || copies > 1.15 {
                    failed.push(format!(
                        "seed {seed}: {liars:?} beside {honest}: {with:.1} s, {alone:.1} s without, {copies:.3} copies"
                    ));
                }
            }
            Err(why) => failed.push(format!("seed {seed}: {liars:?} beside {honest}: {why}")),
        }
    }
    let least = World::size() as f64 / LINK;
    println!("at the link's rate alone: {least:.1} s; the most seconds more, and copies: {worst:#?}");
    assert!(
        failed.is_empty(),
        "{} worlds are held up, as:\n{}",
        failed.len(),
        failed[..failed.len().min(12)].join("\n")
    );
}
