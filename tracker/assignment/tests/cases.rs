//! Cases that have a name.

mod sim;

use std::time::{Duration, Instant};

use narrows_protocol::{AnnounceEvent, GatewayPreference, InfoHash, Role};
use sim::check::Checks;
use sim::client::SIZE;
use sim::rng::SplitMix;
use sim::world::World;

/// An origin (site 1) and two zones (2 and 3), each with a link of its own to the origin.
fn star(max_seeders: u32) -> World {
    let text = format!(
        "version: 1\ndefaults: {{max_seeders: {max_seeders}}}\nsites:\n  origin: {{networks: [10.1.0.0/16, \"fd00:1::/32\"]}}\n  \
         zone-a: {{networks: [10.2.0.0/16, \"fd00:2::/32\"]}}\n  zone-b: {{networks: [10.3.0.0/16]}}\nlinks:\n  - \
         {{between: [zone-a, origin], rate: 10 Mbit/s}}\n  - {{between: [zone-b, origin], rate: 10 Mbit/s}}\n"
    );
    World::of(&text, &[1, 2, 3])
}

/// Uber's Kraken, issue 244: the zone that starts first fills every slot of the origin, and the other, which
/// is told of its own peers only, gets nothing until the first is done.
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
    let told = world.announce(numbers[1], AnnounceEvent::None).unwrap();
    assert!(told.interval <= Duration::from_secs(2) && told.role == Role::Member);
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

#[test]
fn a_restarted_tracker_adopts_the_gateway_that_works() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    let numbers: Vec<usize> = (0..3).map(|_| world.join(2, true, 0)).collect();
    for number in [origin].iter().chain(&numbers).chain(&numbers) {
        world.announce(*number, AnnounceEvent::None);
    }
    world.restart_tracker(false);
    world.announce(origin, AnnounceEvent::None);
    // a member that is connected to the old gateway comes first, and waits for it
    assert_eq!(
        world.announce(numbers[1], AnnounceEvent::None).unwrap().role,
        Role::Member
    );
    let adopted = world.announce(numbers[0], AnnounceEvent::None).unwrap();
    assert_eq!((adopted.role, adopted.outcome.adopted), (Role::Gateway, true));
}

#[test]
fn an_agent_that_comes_back_from_elsewhere_is_one_peer_and_has_no_lease() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let roaming = world.join(2, true, 0);
    let other = world.join(2, true, 0);
    world.announce(roaming, AnnounceEvent::Started);
    world.announce(other, AnnounceEvent::Started);
    world.roam(roaming, 3, false);
    let moved = world.announce(roaming, AnnounceEvent::None).unwrap();
    assert!(moved.outcome.moved);
    assert_eq!(world.swarm.counts().incomplete, 2);
    assert_eq!(
        world.announce(other, AnnounceEvent::None).unwrap().role,
        Role::Gateway
    );
    // a second address family is no other peer
    world.roam(other, 2, true);
    assert_eq!(
        world.announce(other, AnnounceEvent::None).unwrap().role,
        Role::Gateway
    );
    assert_eq!(world.swarm.counts().incomplete, 2);
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
    let told = world.announce(gateway, AnnounceEvent::Started).unwrap();
    assert_eq!(
        (told.upstream[0].addr, told.paused),
        (world.clients[0].addr, false)
    );
    // at 13:00 the link to a is paused
    world.wall = "2026-11-23T13:00:00Z".parse().unwrap();
    let told = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!(
        (told.upstream[0].addr, told.paused),
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
    let told = world.announce(region, AnnounceEvent::Started).unwrap();
    assert_eq!(told.upstream[0].addr, world.clients[origin].addr);
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
    let mut told = Vec::new();
    for _ in 0..2 {
        let later = world.now + Duration::from_secs(10);
        world.advance(later);
        world.clients[leecher].have = 0;
        told = world.announce(leecher, AnnounceEvent::None).unwrap().upstream;
    }
    assert_eq!(told.len(), 1, "two stalled announces are enough");
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
    assert_eq!(role(&mut world, gateway), Role::Gateway, "nobody else could");
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

/// A site whose gateway works when the tracker restarts, with its snapshot, and four that come before anybody
/// else has announced.
fn joiners_after_a_restart(snapshot: bool) -> (World, usize, Vec<Role>) {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let gateway = world.join(2, true, 0);
    world.announce(gateway, AnnounceEvent::Started);
    world.advance(world.now + Duration::from_secs(10));
    world.clients[gateway].have = SIZE / 3;
    world.announce(gateway, AnnounceEvent::None);
    world.restart_tracker(snapshot);
    let joined = (0..4).map(|_| {
        let number = world.join(2, true, 0);
        world.announce(number, AnnounceEvent::Started).unwrap().role
    });
    let joined = joined.collect();
    (world, gateway, joined)
}

#[test]
fn with_its_snapshot_a_restarted_tracker_takes_no_lease_from_a_gateway_that_works() {
    let (mut world, gateway, joined) = joiners_after_a_restart(true);
    assert_eq!(joined, [Role::Member; 4]);
    let told = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!(told.role, Role::Gateway);
    let origin = world.clients[0].addr;
    let upstream: Vec<_> = told.upstream.iter().map(|up| up.addr).collect();
    assert_eq!(upstream, [origin], "a seeder that has not announced yet is told");
}

#[test]
fn without_a_snapshot_the_gateway_that_works_takes_its_lease_back_from_a_newcomer_that_has_nobody() {
    let (mut world, gateway, joined) = joiners_after_a_restart(false);
    assert_eq!(joined[0], Role::Gateway, "nobody else is known");
    let told = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!((told.role, told.outcome.adopted), (Role::Gateway, true));
    world.announce(0, AnnounceEvent::None); // the origin has noticed the restart
    let newcomer = world.announce(gateway + 1, AnnounceEvent::None).unwrap();
    assert_eq!((newcomer.role, newcomer.upstream.len()), (Role::Member, 0));
    let again = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!((again.role, again.upstream.len()), (Role::Gateway, 1));
}

#[test]
fn a_tracker_that_lost_its_memory_lets_nobody_fetch_across_a_link_before_neighbours_could_announce() {
    let mut world = star(2);
    for site in [1, 2] {
        let seeder = world.join(site, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
    }
    world.restart_tracker(false);
    let newcomer = world.join(2, true, 0);
    world.announce(newcomer, AnnounceEvent::Started);
    world.advance(world.now + Duration::from_secs(3));
    world.announce(0, AnnounceEvent::None).unwrap(); // it has noticed
    let told = world.announce(newcomer, AnnounceEvent::None).unwrap();
    assert_eq!((told.role, told.upstream.len()), (Role::Member, 0));
    assert!(told.interval <= world.policy.hasty, "{:?}", told.interval);
    world.advance(world.now + Duration::from_secs(7));
    world.announce(1, AnnounceEvent::None).unwrap();
    let told = world.announce(newcomer, AnnounceEvent::None).unwrap();
    let local: Vec<_> = told.local.iter().map(|peer| peer.addr).collect();
    assert_eq!((told.role, local), (Role::Member, vec![world.clients[1].addr]));
}

#[test]
fn a_tracker_that_lost_its_memory_lets_a_newcomer_fetch_across_a_link_once_nobody_else_came() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    world.restart_tracker(false);
    world.announce(seeder, AnnounceEvent::None);
    let newcomer = world.join(2, true, 0);
    let told = world.announce(newcomer, AnnounceEvent::Started).unwrap();
    assert_eq!(told.role, Role::Member);
    world.advance(world.now + world.policy.recall);
    let told = world.announce(newcomer, AnnounceEvent::None).unwrap();
    assert_eq!((told.role, told.upstream.len()), (Role::Gateway, 1));
}

#[test]
fn a_rollout_at_a_tracker_that_knows_nothing_because_nothing_was_before_starts_at_once() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let client = world.join(2, true, 0);
    let told = world.announce(client, AnnounceEvent::Started).unwrap();
    assert_eq!((told.role, told.upstream.len()), (Role::Gateway, 1));
}

#[test]
fn who_waits_at_a_tracker_that_has_just_started_is_to_come_back_within_seconds_and_later_less_often() {
    let mut world = star(2);
    let client = world.join(2, true, 0);
    let told = world.announce(client, AnnounceEvent::Started).unwrap();
    assert!(told.interval <= world.policy.hasty, "{:?}", told.interval);
    world.advance(world.now + world.policy.youth);
    let told = world.announce(client, AnnounceEvent::None).unwrap();
    assert!(told.interval > world.policy.hasty, "{:?}", told.interval);
}

#[test]
fn thousands_that_wait_at_a_tracker_that_has_just_started_do_not_come_back_all_at_once() {
    let mut world = star(2);
    let mut intervals = Vec::new();
    for _ in 0..3000 {
        let client = world.join(2, true, 0);
        intervals.push(world.announce(client, AnnounceEvent::Started).unwrap().interval);
    }
    let last = intervals.last().unwrap();
    assert!(*last >= Duration::from_secs(6), "500 a second: {last:?}");
}

#[test]
fn with_its_snapshot_a_restarted_tracker_tells_a_newcomer_of_neighbours_that_have_not_announced_yet() {
    let mut world = star(2);
    for site in [1, 2] {
        let seeder = world.join(site, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
    }
    world.restart_tracker(true);
    let newcomer = world.join(2, true, 0);
    let told = world.announce(newcomer, AnnounceEvent::Started).unwrap();
    assert_eq!(told.role, Role::Member);
    let local: Vec<_> = told.local.iter().map(|peer| peer.addr).collect();
    assert_eq!(local, [world.clients[1].addr]);
    assert_eq!((told.complete, told.incomplete), (2, 1));
}

#[test]
fn what_a_snapshot_holds_is_forgotten_when_it_would_have_been_and_no_later() {
    let mut world = star(2);
    let dead = world.join(1, true, SIZE);
    world.announce(dead, AnnounceEvent::Started);
    world.crash(dead);
    world.advance(world.now + Duration::from_secs(100));
    world.restart_tracker(true);
    assert_eq!(world.swarm.counts().complete, 1, "perhaps it lives");
    world.advance(world.now + world.policy.intervals.seeder * 2);
    assert_eq!(world.swarm.counts().complete, 0);
}

/// A golden image: six machines that call themselves alike.
#[test]
fn clones_of_one_id_are_six_agents_of_which_one_fetches_for_the_site() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let clones: Vec<usize> = (0..6).map(|_| world.join(2, true, 0)).collect();
    let mut doubles = 0;
    for number in &clones {
        world.clients[*number].image = clones[0];
        let told = world.announce(*number, AnnounceEvent::Started).unwrap();
        doubles += usize::from(told.outcome.double.is_some());
    }
    assert_eq!(doubles, 5, "each but the first is named");
    for _ in 0..10 {
        world.advance(world.now + Duration::from_secs(20));
        for number in &clones {
            let told = world.announce(*number, AnnounceEvent::None).unwrap();
            assert!(!told.outcome.moved && told.outcome.double.is_none());
        }
    }
    let gateways = clones.iter().filter(|number| world.clients[**number].role == Role::Gateway);
    assert_eq!(gateways.count(), 1);
    assert_eq!(world.swarm.counts().incomplete, 6);
    let status = world.swarm.status(&world.context(), world.now);
    let named: Vec<_> = status.doubles.iter().map(|double| double.addresses.len()).collect();
    assert_eq!((status.doubles.len(), named), (1, vec![6]));
    // they are given names of their own, one after the other
    for number in &clones[1..] {
        world.stop(*number);
    }
    assert_eq!(world.swarm.status(&world.context(), world.now).doubles, []);
}

#[test]
fn an_agent_that_restarts_with_its_key_or_with_another_at_its_address_is_the_same_machine() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let agent = world.join(2, true, 0);
    world.announce(agent, AnnounceEvent::Started);
    // older agents make a key at each start
    world.clients[agent].key = 77;
    let told = world.announce(agent, AnnounceEvent::Started).unwrap();
    assert_eq!((told.role, told.outcome.double), (Role::Gateway, None));
    world.roam(agent, 3, false);
    let told = world.announce(agent, AnnounceEvent::Started).unwrap();
    assert!(told.outcome.moved && told.role == Role::Gateway);
    assert_eq!(world.swarm.counts().incomplete, 1);
}

/// Over random holdings, fetches, duplicates, restarts and late arrivals.
#[test]
fn a_site_lacked_what_its_best_machine_lacked_before_bytes_came_across_links() {
    for seed in 0..300 {
        let mut rng = SplitMix(seed);
        let mut world = star(2);
        let seeder = world.join(1, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
        let had: Vec<u64> = (0..2 + rng.below(4)).map(|_| rng.below(SIZE as usize) as u64).collect();
        let clients: Vec<usize> = had.iter().map(|have| world.join(2, true, *have)).collect();
        for client in &clients {
            world.announce(*client, AnnounceEvent::Started);
        }
        let mut crossed = 0;
        for _ in 0..20 {
            let client = clients[rng.below(clients.len())];
            match rng.below(4) {
                0 if crossed > 0 => {
                    world.announce(client, AnnounceEvent::Stopped);
                    world.clients[client].restart(world.now);
                    world.announce(client, AnnounceEvent::Started);
                }
                1 if crossed > 0 => {
                    // from a neighbour, or brought along
                    let more = rng.below((SIZE - world.clients[client].have) as usize + 1) as u64;
                    world.clients[client].have += more;
                    world.announce(client, AnnounceEvent::None);
                }
                _ => {
                    let more = rng.below((SIZE - world.clients[client].have) as usize + 1) as u64;
                    world.clients[client].have += more;
                    // some of it twice
                    let bytes = more + rng.below(1000) as u64 + 1;
                    world.clients[client].wan += bytes;
                    crossed += bytes;
                    world.announce(client, AnnounceEvent::None);
                }
            }
        }
        let status = world.swarm.status(&world.context(), world.now);
        let site = status.sites.iter().find(|site| site.site == "zone-a").unwrap();
        let lacked = SIZE - had.iter().max().unwrap();
        assert_eq!(
            (site.lacked, site.wan_bytes),
            (Some(lacked), crossed),
            "seed {seed}"
        );
    }
}

#[test]
fn what_a_neighbour_got_of_a_gateway_that_has_yet_to_report_was_lacking() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let (gateway, member) = (world.join(2, true, 0), world.join(2, true, SIZE / 2));
    for client in [gateway, member] {
        world.announce(client, AnnounceEvent::Started);
    }
    world.clients[member].have = SIZE;
    world.announce(member, AnnounceEvent::Completed);
    world.clients[gateway].have = SIZE;
    world.clients[gateway].wan = SIZE / 2;
    world.announce(gateway, AnnounceEvent::Completed);
    let status = world.swarm.status(&world.context(), world.now);
    let site = status.sites.iter().find(|site| site.site == "zone-a").unwrap();
    assert_eq!((site.lacked, site.wan_bytes), (Some(SIZE / 2), SIZE / 2));
}

#[test]
fn what_machines_had_before_is_summed_over_those_that_are_there_and_no_claim_goes_beyond_the_size() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let reused = |world: &World| {
        let status = world.swarm.status(&world.context(), world.now);
        let site = status.sites.into_iter().find(|site| site.site == "zone-a");
        site.map(|site| site.reused_bytes)
    };
    let parts = [SIZE / 10 * 7, SIZE / 2, 0];
    let clients = parts.map(|have| world.join(2, true, have));
    for (client, have) in clients.iter().zip(parts) {
        world.clients[*client].reused = have;
        world.announce(*client, AnnounceEvent::Started);
    }
    assert_eq!(reused(&world), Some(SIZE / 10 * 7 + SIZE / 2));
    for client in clients {
        world.clients[client].have = SIZE;
        world.announce(client, AnnounceEvent::Completed);
        world.announce(client, AnnounceEvent::None);
    }
    assert_eq!(reused(&world), Some(SIZE / 10 * 7 + SIZE / 2));
    let record = world.swarm.record(&world.context(), world.now);
    let mut restored = narrows_assignment::Swarm::with_size(InfoHash([1; 20]), SIZE);
    restored.restore(&world.context(), record, Duration::ZERO, world.now);
    let sum: u64 =
        restored.status(&world.context(), world.now).sites.iter().map(|site| site.reused_bytes).sum();
    assert_eq!(
        sum,
        SIZE / 10 * 7 + SIZE / 2,
        "also after a restart of the tracker"
    );
    world.clients[clients[1]].reused = u64::MAX;
    world.announce(clients[1], AnnounceEvent::None);
    assert_eq!(reused(&world), Some(SIZE / 10 * 7 + SIZE));
    world.announce(clients[1], AnnounceEvent::Stopped);
    assert_eq!(reused(&world), Some(SIZE / 10 * 7));
}

/// A golden image with everything in it: equal id, equal key.
#[test]
fn clones_of_one_id_and_one_key_are_told_apart_by_their_addresses_once_they_take_turns() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let clones: Vec<usize> = (0..6).map(|_| world.join(2, true, 0)).collect();
    for number in &clones {
        (world.clients[*number].image, world.clients[*number].key) = (clones[0], 7);
        world.announce(*number, AnnounceEvent::Started).unwrap();
    }
    let (mut moved, mut doubles) = (0, 0);
    for _ in 0..10 {
        world.advance(world.now + Duration::from_secs(20));
        for number in &clones {
            let told = world.announce(*number, AnnounceEvent::None).unwrap();
            moved += usize::from(told.outcome.moved);
            doubles += usize::from(told.outcome.double.is_some());
        }
    }
    let gateways = clones.iter().filter(|number| world.clients[**number].role == Role::Gateway);
    assert_eq!((gateways.count(), world.swarm.counts().incomplete), (1, 6));
    assert!(moved == 0 && doubles > 0, "{moved} moves, {doubles} named");
    let status = world.swarm.status(&world.context(), world.now);
    assert_eq!(status.doubles[0].addresses.len(), 6);
}

#[test]
fn a_machine_that_moves_twice_in_minutes_is_still_one() {
    let mut world = star(2);
    let agent = world.join(2, true, 0);
    world.announce(agent, AnnounceEvent::Started);
    for site in [3, 2] {
        world.advance(world.now + Duration::from_secs(30));
        world.roam(agent, site, false);
        assert!(world.announce(agent, AnnounceEvent::None).unwrap().outcome.moved);
        assert_eq!(world.swarm.counts().incomplete, 1);
    }
}
