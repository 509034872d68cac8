//! A gateway that brings next to nothing is not waited for: other upstreams are tried, then another gateway.

mod sim;
mod support;

use std::time::Duration;

use narrows_assignment::Decision;
use narrows_protocol::{AnnounceEvent, Role};
use sim::client::SIZE;
use sim::world::World;

/// What the link brings of [`SIZE`] in a second.
const RATE: u64 = SIZE / 200;

fn upstream(reply: &Decision) -> Vec<std::net::SocketAddr> {
    let mut all: Vec<_> = reply.upstream.iter().map(|peer| peer.addr).collect();
    all.sort();
    all
}

/// Four seeders, and a site of three clients.
fn rollout() -> (World, Vec<usize>) {
    let text = format!(
        "version: 1\ndefaults: {{max_seeders: 1}}\nsites:\n  hq: {{networks: [10.1.0.0/16, \"fd00:1::/32\"]}}\n  \
         branch: {{networks: [10.2.0.0/16, \"fd00:2::/32\"]}}\nlinks:\n  - {{between: [branch, hq], rate: {} kbit/s}}\n",
        RATE * 8 / 1000
    );
    let mut world = World::of(&text, &[1, 2]);
    for _ in 0..4 {
        let seeder = world.join(1, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
    }
    let clients: Vec<usize> = (0..3).map(|_| world.join(2, true, 0)).collect();
    for client in &clients {
        world.announce(*client, AnnounceEvent::Started);
    }
    (world, clients)
}

/// The client fetches so many bytes across the link in ten seconds, and announces, as do the others, to which
/// it has passed on what it had.
fn fetch(world: &mut World, client: usize, bytes: u64) -> Decision {
    world.advance(world.now + Duration::from_secs(10));
    for other in (0..world.clients.len()).filter(|other| *other != client) {
        world.clients[other].have = world.clients[other].have.max(world.clients[client].have);
        world.announce(other, AnnounceEvent::None).unwrap();
    }
    world.clients[client].have += bytes;
    world.clients[client].wan += bytes;
    world.announce(client, AnnounceEvent::None).unwrap()
}

#[test]
fn a_gateway_that_gets_a_trickle_is_handed_another_upstream_and_then_another_one_tries() {
    let (mut world, clients) = rollout();
    let first = world.announce(clients[0], AnnounceEvent::None).unwrap();
    assert_eq!((first.role, first.upstream.len()), (Role::Gateway, 1));
    let mut reply = first.clone();
    for _ in 0..4 {
        reply = fetch(&mut world, clients[0], 1);
    }
    assert_eq!(reply.role, Role::Gateway);
    assert_ne!(upstream(&reply), upstream(&first), "there are three others");
    for _ in 0..12 {
        reply = fetch(&mut world, clients[0], 1);
    }
    assert_eq!(reply.role, Role::Member, "it is slow itself, perhaps");
    let others = clients[1..].iter().map(|client| world.announce(*client, AnnounceEvent::None).unwrap().role);
    assert_eq!(others.filter(|role| *role == Role::Gateway).count(), 1);
}

#[test]
fn a_gateway_that_brings_a_third_of_what_it_may_keeps_upstream_and_lease() {
    let (mut world, clients) = rollout();
    let first = world.announce(clients[0], AnnounceEvent::None).unwrap();
    let mut reply = first.clone();
    while SIZE - world.clients[clients[0]].have > RATE * 20 {
        reply = fetch(&mut world, clients[0], RATE * 10 / 3);
        assert_eq!((reply.role, upstream(&reply)), (Role::Gateway, upstream(&first)));
    }
    assert_eq!(reply.role, Role::Gateway);
}
