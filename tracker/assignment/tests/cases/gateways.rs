//! Which peer fetches for a site, and from where.

use std::time::{Duration, Instant};

use narrows_protocol::{AnnounceEvent, GatewayPreference, Role};

use super::star;
use crate::sim::check::Checks;
use crate::sim::client::SIZE;
use crate::sim::world::World;

/// Uber's Kraken, issue 244: the zone that starts first fills every slot of the origin, and the other, which
/// is handed its own peers only, gets nothing until the first is done.
#[test]
fn a_zone_that_starts_seconds_later_progresses_at_once() {
    let mut world = star(1);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    for _ in 0..200 {
        let number = world.join(2, true, 0);
        world.announce(number, AnnounceEvent::Started);
    }
    world.advance(world.now + Duration::from_secs(5));
    let first = world.join(3, true, 0);
    let decision = world.announce(first, AnnounceEvent::Started).unwrap();
    assert_eq!(decision.role, Role::Gateway);
    assert_eq!(
        decision.upstream.iter().map(|up| up.addr).collect::<Vec<_>>(),
        [world.clients[origin].addr]
    );
    for _ in 0..20 {
        let number = world.join(3, true, 0);
        assert_eq!(
            world.announce(number, AnnounceEvent::Started).unwrap().role,
            Role::Member
        );
    }
    let later = world.now + Duration::from_secs(90);
    while world.now < later {
        world.announce_next();
    }
    let zone_b = world.clients.iter().filter(|client| client.number >= first);
    assert!(
        zone_b.clone().all(|client| client.have > 0),
        "{:?}",
        zone_b.map(|c| c.have).collect::<Vec<_>>()
    );
}

#[test]
fn neighbours_that_lose_a_gateway_have_a_successor_within_seconds() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let gateway = world.join(2, true, 0);
    assert_eq!(
        world.announce(gateway, AnnounceEvent::Started).unwrap().role,
        Role::Gateway
    );
    for have in [10, 500, 20, 30] {
        let number = world.join(2, true, have);
        assert_eq!(
            world.announce(number, AnnounceEvent::Started).unwrap().role,
            Role::Member
        );
    }
    world.advance(world.now + Duration::from_secs(10));
    world.crash(gateway);
    let crashed = world.now;
    while world.now < crashed + Duration::from_secs(5) {
        world.announce_next();
    }
    let gateways: Vec<usize> =
        world.clients.iter().filter(|c| c.alive && c.role == Role::Gateway).map(|c| c.number).collect();
    // the one with most bytes, number 3, unless it had announced before the loss was sure
    assert_eq!(gateways.len(), 1, "{gateways:?}");
    assert!(!world.clients[gateways[0]].upstream.is_empty());
}

#[test]
fn one_report_of_a_lost_gateway_that_announces_again_changes_nothing() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let numbers: Vec<usize> = (0..4).map(|_| world.join(2, true, 0)).collect();
    for number in &numbers {
        world.announce(*number, AnnounceEvent::Started);
    }
    world.clients[numbers[1]].lost = Some(world.clients[numbers[0]].addr);
    let reply = world.announce(numbers[1], AnnounceEvent::None).unwrap();
    assert!(reply.interval <= Duration::from_secs(2) && reply.role == Role::Member);
    assert_eq!(
        world.announce(numbers[0], AnnounceEvent::None).unwrap().role,
        Role::Gateway
    );
    world.advance(world.now + Duration::from_secs(3));
    world.clients[numbers[1]].lost = Some(world.clients[numbers[0]].addr);
    assert_eq!(
        world.announce(numbers[1], AnnounceEvent::None).unwrap().role,
        Role::Member
    );
    assert_eq!(
        world.announce(numbers[0], AnnounceEvent::None).unwrap().role,
        Role::Gateway
    );
}

/// An engineer changes a rule, and a simulation with ten thousand clients tells her in seconds what she
/// broke. In a debug build, a tenth of it.
#[test]
fn a_rollout_to_ten_thousand_clients_keeps_the_rules() {
    let (sites, per_site) = (20, if cfg!(debug_assertions) { 50 } else { 500 });
    let mut text = "version: 1\nsites:\n  core: {}\n".to_owned();
    (0..sites).for_each(|n| text.push_str(&format!("  s{n}: {{networks: [10.{n}.0.0/16]}}\n")));
    text.push_str("links:\n");
    (0..sites).for_each(|n| text.push_str(&format!("  - {{between: [s{n}, core], rate: 100 Mbit/s}}\n")));
    let mut world = World::of(&text, &(0..sites).collect::<Vec<u8>>());
    for _ in 0..4 {
        world.join(0, true, SIZE);
    }
    let mut order: Vec<u8> = (0..sites).flat_map(|site| vec![site; per_site]).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, world.rng.below(i + 1));
    }
    let started = Instant::now();
    for (i, site) in order.into_iter().enumerate() {
        let number = world.join(site, i % 10 != 0, 0);
        world.clients[number].rate = 5_000;
        world.announce(number, AnnounceEvent::Started);
    }
    let (mut checks, mut rounds) = (Checks::default(), 0);
    while world.clients.iter().any(|client| !client.is_seeder()) {
        let end = world.now + Duration::from_secs(5);
        world.announce_until(end);
        rounds += 1;
        world.step += 16;
        // nothing is wrong at any moment; looking every five seconds keeps the run short
        if let Err(broken) = checks.after_step(&world) {
            panic!("at {:?}: {broken}", world.now);
        }
        assert!(
            rounds < 1000,
            "{} never complete",
            world.clients.iter().filter(|c| !c.is_seeder()).count()
        );
    }
    let wan: u64 = world.clients.iter().map(|client| client.wan).sum();
    println!(
        "{} clients, {} announces, {:?} simulated in {:?}; WAN bytes {:.3} of the least possible",
        world.clients.len(),
        world.announces,
        world.now,
        started.elapsed(),
        wan as f64 / (SIZE * u64::from(sites - 1)) as f64,
    );
}

#[test]
fn a_site_whose_link_is_paused_is_fed_over_another() {
    let text = "version: 1\ntimezone: UTC\nsites:\n  a: {networks: [10.1.0.0/16]}\n  b: {networks: [10.2.0.0/16]}\n  \
                c: {networks: [10.3.0.0/16]}\nlinks:\n  - {between: [a, b], rate: 1 Gbit/s, schedule: [{days: \
                mon-sun, hours: 13:00-14:00, rate: 0}]}\n  - {between: [b, c], rate: 10 Mbit/s}\n";
    let mut world = World::of(text, &[1, 2, 3]);
    for site in [1, 3] {
        let number = world.join(site, true, SIZE);
        world.announce(number, AnnounceEvent::Started);
    }
    let gateway = world.join(2, true, 0);
    let reply = world.announce(gateway, AnnounceEvent::Started).unwrap();
    assert_eq!(
        (reply.upstream[0].addr, reply.paused),
        (world.clients[0].addr, false)
    );
    // at 13:00 the link to a is paused
    world.wall = "2026-11-23T13:00:00Z".parse().unwrap();
    let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!(
        (reply.upstream[0].addr, reply.paused),
        (world.clients[1].addr, false)
    );
}

#[test]
fn a_gateway_that_gets_nothing_starves_until_its_link_is_paused() {
    let text = "version: 1\ntimezone: UTC\nsites:\n  a: {networks: [10.1.0.0/16]}\n  b: {networks: [10.2.0.0/16]}\nlinks:\n  \
                - {between: [a, b], rate: 1 Gbit/s, schedule: [{days: mon-sun, hours: 13:00-14:00, rate: 0}]}\n";
    let mut world = World::of(text, &[1, 2]);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let gateway = world.join(2, true, 0);
    world.announce(gateway, AnnounceEvent::Started);
    for _ in 0..3 {
        world.now += Duration::from_secs(10);
        world.announce(seeder, AnnounceEvent::None);
        world.clients[gateway].stalled = true;
        world.announce(gateway, AnnounceEvent::None);
    }
    let starving = |world: &World| -> u32 {
        let status = world.swarm.status(&world.context(), world.now);
        status.sites.iter().map(|site| site.starving).sum()
    };
    assert_eq!(starving(&world), 1);
    world.wall = "2026-11-23T13:00:00Z".parse().unwrap();
    assert_eq!(starving(&world), 0);
}

#[test]
fn a_gateway_that_dies_as_soon_as_it_is_named_has_a_successor_within_seconds() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    let numbers: Vec<usize> = (0..4).map(|_| world.join(2, true, 0)).collect();
    for number in [origin].iter().chain(&numbers) {
        world.announce(*number, AnnounceEvent::Started);
    }
    world.crash(numbers[0]);
    let crashed = world.now;
    while world.now < crashed + Duration::from_secs(6) {
        world.announce_next();
    }
    let gateways =
        world.clients.iter().filter(|c| c.alive && c.role == Role::Gateway && !c.upstream.is_empty());
    assert_eq!(gateways.count(), 1);
}

/// hq - region - branch: the branch comes first and is fed from hq. When the region wants the content too, it
/// comes between, so that the content crosses the link to hq once for both.
#[test]
fn a_site_that_joins_on_the_way_of_a_flow_is_put_into_it() {
    let text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n  region: {networks: [10.2.0.0/16]}\n  \
                branch: {networks: [10.3.0.0/16]}\nlinks:\n  - {between: [hq, region], rate: 10 Mbit/s}\n  - \
                {between: [region, branch], rate: 10 Mbit/s}\n";
    let mut world = World::of(text, &[1, 2, 3]);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let branch = world.join(3, true, 0);
    let before = world.announce(branch, AnnounceEvent::Started).unwrap();
    assert_eq!(before.upstream.len(), 1);
    assert_eq!(before.upstream[0].addr, world.clients[origin].addr);
    assert!(before.interval <= Duration::from_secs(2), "{:?}", before.interval);

    let region = world.join(2, true, 0);
    let reply = world.announce(region, AnnounceEvent::Started).unwrap();
    assert_eq!(reply.upstream[0].addr, world.clients[origin].addr);
    let after = world.announce(branch, AnnounceEvent::None).unwrap();
    let upstream: Vec<_> = after.upstream.iter().map(|up| up.addr).collect();
    assert_eq!(upstream, [world.clients[region].addr]);
}

/// A site's only seeder was switched off and its record lives on for half an hour. Who came after it starves,
/// is made an extra gateway, and stays one although it verifies later what it received before.
#[test]
fn a_leecher_beside_a_dead_seeder_fetches_across_the_link_and_goes_on_doing_so() {
    let mut world = star(2);
    for site in [1, 2] {
        let seeder = world.join(site, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
    }
    let leecher = world.join(2, true, 0);
    world.announce(leecher, AnnounceEvent::Started);
    world.clients[leecher].stalled = true;
    let mut reply = Vec::new();
    for _ in 0..2 {
        let later = world.now + Duration::from_secs(10);
        world.advance(later);
        world.clients[leecher].have = 0;
        reply = world.announce(leecher, AnnounceEvent::None).unwrap().upstream;
    }
    assert_eq!(reply.len(), 1, "two stalled announces are enough");
    world.clients[leecher].stalled = false;
    for (received, verified) in [(1000, 700), (2000, 1900), (3000, 3000)] {
        let later = world.now + Duration::from_secs(1);
        world.advance(later);
        (world.clients[leecher].wan, world.clients[leecher].have) = (received, verified);
        let decision = world.announce(leecher, AnnounceEvent::None).unwrap();
        assert_eq!(
            (decision.role, decision.upstream.len()),
            (Role::Gateway, 1),
            "at {verified}"
        );
    }
}

#[test]
fn a_gateway_that_cannot_fetch_gives_way_at_its_next_announce_and_keeps_the_lease_if_it_is_alone() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let gateway = world.join(2, true, 0);
    let role = |world: &mut World, number| world.announce(number, AnnounceEvent::None).unwrap().role;
    assert_eq!(
        world.announce(gateway, AnnounceEvent::Started).unwrap().role,
        Role::Gateway
    );
    world.clients[gateway].preference = GatewayPreference::Never;
    assert_eq!(role(&mut world, gateway), Role::Gateway, "no other could");
    let other = world.join(2, true, 0);
    assert_eq!(
        world.announce(other, AnnounceEvent::Started).unwrap().role,
        Role::Member
    );
    assert_eq!(role(&mut world, gateway), Role::Member);
    assert_eq!(role(&mut world, other), Role::Gateway, "without a wait");
    // once its disk takes data again it is a member like any other
    world.clients[gateway].preference = GatewayPreference::Auto;
    assert_eq!(role(&mut world, gateway), Role::Member);
}
