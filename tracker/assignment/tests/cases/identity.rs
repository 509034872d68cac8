//! Which announces are one machine's.

use std::time::Duration;

use narrows_protocol::{AnnounceEvent, Role};

use super::star;
use crate::sim::client::SIZE;

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
        let reply = world.announce(*number, AnnounceEvent::Started).unwrap();
        doubles += usize::from(reply.outcome.double.is_some());
    }
    assert_eq!(doubles, 5, "each but the first is named");
    for _ in 0..10 {
        world.advance(world.now + Duration::from_secs(20));
        for number in &clones {
            let reply = world.announce(*number, AnnounceEvent::None).unwrap();
            assert!(!reply.outcome.moved && reply.outcome.double.is_none());
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
    let reply = world.announce(agent, AnnounceEvent::Started).unwrap();
    assert_eq!((reply.role, reply.outcome.double), (Role::Gateway, None));
    world.roam(agent, 3, false);
    let reply = world.announce(agent, AnnounceEvent::Started).unwrap();
    assert!(reply.outcome.moved && reply.role == Role::Gateway);
    assert_eq!(world.swarm.counts().incomplete, 1);
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
            world.clients[*number].have += 100;
            let reply = world.announce(*number, AnnounceEvent::None).unwrap();
            moved += usize::from(reply.outcome.moved);
            doubles += usize::from(reply.outcome.double.is_some());
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
