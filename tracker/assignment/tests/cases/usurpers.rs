//! A machine that says that it is gateway when a tracker restarts, with its snapshot or without.

use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::{AnnounceEvent, GatewayPreference, Role};

use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

fn usurper() -> Lie {
    Lie::of("usurper", address(2, 200, false), SIZE / 9).saying(|report| {
        report.role = Role::Gateway;
        report.preference = GatewayPreference::Prefer;
        report.wan = SIZE / 2;
        report.restarted = true;
    })
}

/// Speaks as a usurper, and says that it comes on.
fn speak(world: &mut World, n: u64) -> Role {
    let lie = usurper().with(|lie| lie.left -= n);
    world.listening.insert(lie.addr);
    world.mute.insert(lie.addr);
    let decision = world.hear(&lie);
    world.named.extend(decision.outcome.no_progress.map(|(ip, _)| ip));
    decision.role
}

/// An origin, and a zone whose link is about as fast as its clients.
fn slow() -> World {
    let text = "version: 1\nsites:\n  origin: {networks: [10.1.0.0/16]}\n  zone-a: {networks: [10.2.0.0/16]}\nlinks:\n  - \
                {between: [zone-a, origin], rate: 5 kbit/s}\n";
    let mut world = World::of(text, &[1, 2]);
    // of a content that is small
    world.policy.gateways.term_least = 8 << 10;
    world
}

/// The origin, the gateway and the members of a rollout.
fn cast(world: &World) -> [usize; 4] {
    let gateway = (1..4).find(|n| world.clients[*n].role == Role::Gateway).expect("one leads");
    let mut members = (1..4).filter(|n| *n != gateway);
    [0, gateway, members.next().unwrap(), members.next().unwrap()]
}

/// An origin, and a site whose gateway has worked for a while beside two members.
fn rollout() -> World {
    let mut world = slow();
    for (site, have) in [(1, SIZE), (2, 0), (2, 0), (2, 0)] {
        let number = world.join(site, true, have);
        world.clients[number].rate = 200;
        world.announce(number, AnnounceEvent::Started);
    }
    for second in 2..150 {
        world.announce_until(Duration::from_secs(second));
    }
    world
}

/// The usurper speaks first after a restart and each 10 s, and the others notice it in this order, a second apart, after so
/// many seconds. Returns for how long the usurper had the lease, and the gateway that worked had none.
fn after_a_restart(
    mut world: World,
    snapshot: bool,
    order: [usize; 4],
    after: u64,
) -> (World, Duration, Duration) {
    let cast = cast(&world);
    world.restart_tracker(snapshot);
    let restarted = world.now;
    for (n, role) in order.into_iter().enumerate() {
        world.clients[cast[role]].next = restarted + Duration::from_secs(after + n as u64);
    }
    let (mut led, mut without, step) = (Duration::ZERO, Duration::ZERO, Duration::from_millis(500));
    let mut leads = false;
    for n in 0..240 {
        if n % 20 == 0 {
            leads = speak(&mut world, n) == Role::Gateway;
        }
        let end = world.now + step;
        world.announce_until(end);
        led += if leads { step } else { Duration::ZERO };
        let works = world.clients[cast[1]].role == Role::Gateway;
        without += if works { Duration::ZERO } else { step };
    }
    (world, led, without)
}

const ORDERS: [[usize; 4]; 3] = [[0, 1, 2, 3], [2, 3, 1, 0], [2, 1, 0, 3]];

#[test]
fn without_a_snapshot_the_gateway_that_members_speak_of_has_its_lease_back_from_one_that_spoke_first() {
    for order in ORDERS {
        for after in [1, 8] {
            let (world, led, without) = after_a_restart(rollout(), false, order, after);
            let what = format!("{order:?} after {after} s: led {led:?}, without {without:?}");
            // all have noticed by then; the other announces each 10 s, and it comes back 3 s later
            assert!(without <= Duration::from_secs(7 + 10), "{what}");
            assert!(led <= Duration::from_secs(20), "{what}");
            assert!(
                world.named.iter().all(|ip| *ip == usurper().addr.ip()),
                "{what}: {:?}",
                world.named
            );
        }
    }
}

#[test]
fn with_a_snapshot_one_that_was_no_gateway_in_it_has_no_lease_by_its_word() {
    for order in ORDERS {
        let (world, led, without) = after_a_restart(rollout(), true, order, 8);
        assert_eq!((led, without), (Duration::ZERO, Duration::ZERO), "{order:?}");
        assert!(world.named.is_empty(), "{:?}", world.named);
    }
}

#[test]
fn with_an_old_snapshot_the_gateway_that_came_after_it_has_its_lease_back_from_the_one_that_is_in_it() {
    for order in ORDERS {
        let mut world = slow();
        let origin = world.join(1, true, SIZE);
        world.announce(origin, AnnounceEvent::Started);
        // at that time the usurper has the lease
        assert_eq!(speak(&mut world, 0), Role::Gateway);
        for _ in 0..3 {
            let number = world.join(2, true, SIZE / 3);
            world.clients[number].rate = 200;
            world.announce(number, AnnounceEvent::Started);
        }
        let record = world.swarm.record(&world.context(), world.now);
        let later = rollout();
        assert_eq!(world.clients.len(), later.clients.len());
        world.advance(later.now);
        for (client, then) in world.clients.iter_mut().zip(later.clients) {
            *client = then;
        }
        let text = serde_json::to_string(&record).unwrap();
        world.restart_tracker(false);
        let record = serde_json::from_str(&text).unwrap();
        world.on_swarm(|swarm, cx, now| swarm.restore(cx, record, Duration::from_secs(30), now));
        let (restarted, cast) = (world.now, cast(&world));
        for (n, role) in order.into_iter().enumerate() {
            world.clients[cast[role]].next = restarted + Duration::from_secs(1 + n as u64);
        }
        let mut back: Option<Time> = None;
        for n in 0..60 {
            if n % 10 == 0 {
                speak(&mut world, n);
            }
            let end = world.now + Duration::from_secs(1);
            world.announce_until(end);
            let works = world.clients[cast[1]].role == Role::Gateway
                && world.now > restarted + Duration::from_secs(4);
            back = back.or(works.then_some(world.now));
        }
        let took = back.map(|back| back - restarted);
        assert!(
            took.is_some_and(|took| took <= Duration::from_secs(7 + 10)),
            "{order:?}: {took:?}"
        );
    }
}

#[test]
fn without_a_snapshot_one_that_took_the_place_of_a_gateway_that_is_gone_has_it_for_half_a_term() {
    let mut world = rollout();
    let [_, gateway, first, second] = cast(&world);
    world.crash(gateway);
    for client in &mut world.clients {
        client.lost = None;
    }
    let mut taken = None;
    world.restart_tracker(false);
    let restarted = world.now;
    world.clients[0].next = restarted + Duration::from_secs(1);
    for n in 0..120 {
        if n % 10 == 0 {
            speak(&mut world, n);
        }
        for number in [first, second] {
            // it says soon that it is stalled
            let client = &mut world.clients[number];
            let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
            client.next = client.next.min(soon.max(world.now));
        }
        let end = world.now + Duration::from_secs(1);
        world.announce_until(end);
        let is_replaced = [first, second].iter().any(|number| world.clients[*number].role == Role::Gateway);
        taken = taken.or(is_replaced.then_some(world.now - restarted));
    }
    assert!(
        taken.is_some_and(|taken| taken <= Duration::from_secs(45)),
        "{taken:?}"
    );
    assert!(
        world.named.iter().all(|ip| *ip == usurper().addr.ip()),
        "{:?}",
        world.named
    );
}
