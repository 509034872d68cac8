//! A tracker that restarts, with its snapshot or without.

use std::time::Duration;

use narrows_protocol::{AnnounceEvent, Role};

use super::star;
use crate::sim::client::SIZE;
use crate::sim::world::World;

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

/// A site whose gateway works when the tracker restarts, with its snapshot, and four that come before any peer
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
    let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!(reply.role, Role::Gateway);
    let origin = world.clients[0].addr;
    let upstream: Vec<_> = reply.upstream.iter().map(|up| up.addr).collect();
    assert_eq!(
        upstream,
        [origin],
        "a seeder that has not announced yet is handed out"
    );
}

#[test]
fn without_a_snapshot_the_gateway_that_works_takes_its_lease_back_from_a_newcomer_without_an_upstream() {
    let (mut world, gateway, joined) = joiners_after_a_restart(false);
    assert_eq!(joined[0], Role::Gateway, "no other is known");
    let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!((reply.role, reply.outcome.adopted), (Role::Gateway, true));
    world.announce(0, AnnounceEvent::None); // the origin has noticed the restart
    let newcomer = world.announce(gateway + 1, AnnounceEvent::None).unwrap();
    assert_eq!((newcomer.role, newcomer.upstream.len()), (Role::Member, 0));
    let again = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!((again.role, again.upstream.len()), (Role::Gateway, 1));
}

#[test]
fn a_tracker_that_lost_its_memory_lets_no_newcomer_fetch_across_a_link_before_neighbours_could_announce() {
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
    let reply = world.announce(newcomer, AnnounceEvent::None).unwrap();
    assert_eq!((reply.role, reply.upstream.len()), (Role::Member, 0));
    assert!(reply.interval <= world.policy.hasty, "{:?}", reply.interval);
    world.advance(world.now + Duration::from_secs(7));
    world.announce(1, AnnounceEvent::None).unwrap();
    let reply = world.announce(newcomer, AnnounceEvent::None).unwrap();
    let local: Vec<_> = reply.local.iter().map(|peer| peer.addr).collect();
    assert_eq!((reply.role, local), (Role::Member, vec![world.clients[1].addr]));
}

#[test]
fn a_tracker_that_lost_its_memory_lets_a_newcomer_fetch_across_a_link_once_no_other_came() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    world.restart_tracker(false);
    world.announce(seeder, AnnounceEvent::None);
    let newcomer = world.join(2, true, 0);
    let reply = world.announce(newcomer, AnnounceEvent::Started).unwrap();
    assert_eq!(reply.role, Role::Member);
    world.advance(world.now + world.policy.recall);
    let reply = world.announce(newcomer, AnnounceEvent::None).unwrap();
    assert_eq!((reply.role, reply.upstream.len()), (Role::Gateway, 1));
}

/// Hearsay: a gateway that is not there, and a restart that was none.
#[test]
fn what_a_peer_says_of_a_gateway_that_is_not_known_costs_a_new_site_three_seconds_and_once() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let lie =
        crate::sim::liar::Lie::of("liar", crate::sim::client::address(2, 99, false), SIZE).saying(|report| {
            report.gateway = Some(crate::sim::client::address(2, 98, false));
            report.preference = narrows_protocol::GatewayPreference::Never;
        });
    world.hear(&lie);
    let client = world.join(2, true, 0);
    assert_eq!(
        world.announce(client, AnnounceEvent::Started).unwrap().role,
        Role::Member
    );
    let started = world.now;
    while world.clients[client].role == Role::Member {
        world.hear(&lie);
        assert!(world.announce_next());
    }
    assert!(world.now - started <= world.policy.hearsay + Duration::from_millis(100));
}

#[test]
fn a_tracker_with_a_snapshot_or_one_that_runs_for_long_waits_for_no_hearsay() {
    for kept in [true, false] {
        let mut world = star(2);
        let seeder = world.join(1, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
        if kept {
            world.restart_tracker(true);
        } else {
            world.now = world.policy.restarted;
            world.swarm = World::new_swarm();
        }
        let lie = crate::sim::liar::Lie::of("liar", crate::sim::client::address(2, 99, false), SIZE);
        let hearsay = lie.saying(|report| {
            report.restarted = true;
            report.gateway = kept.then(|| crate::sim::client::address(2, 98, false));
        });
        world.announce(seeder, AnnounceEvent::None);
        world.hear(&hearsay.with(|lie| lie.event = AnnounceEvent::Paused));
        let client = world.join(2, true, 0);
        assert_eq!(
            world.announce(client, AnnounceEvent::Started).unwrap().role,
            Role::Gateway,
            "{kept}"
        );
    }
}

#[test]
fn a_rollout_at_a_tracker_that_knows_nothing_because_nothing_was_before_starts_at_once() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let client = world.join(2, true, 0);
    let reply = world.announce(client, AnnounceEvent::Started).unwrap();
    assert_eq!((reply.role, reply.upstream.len()), (Role::Gateway, 1));
}

#[test]
fn a_peer_that_waits_at_a_tracker_that_has_just_started_is_to_come_back_within_seconds_and_later_less_often()
{
    let mut world = star(2);
    let client = world.join(2, true, 0);
    let reply = world.announce(client, AnnounceEvent::Started).unwrap();
    assert!(reply.interval <= world.policy.hasty, "{:?}", reply.interval);
    world.advance(world.now + world.policy.youth);
    let reply = world.announce(client, AnnounceEvent::None).unwrap();
    assert!(reply.interval > world.policy.hasty, "{:?}", reply.interval);
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
    let reply = world.announce(newcomer, AnnounceEvent::Started).unwrap();
    assert_eq!(reply.role, Role::Member);
    let local: Vec<_> = reply.local.iter().map(|peer| peer.addr).collect();
    assert_eq!(local, [world.clients[1].addr]);
    assert_eq!((reply.complete, reply.incomplete), (2, 1));
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
