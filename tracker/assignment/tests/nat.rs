//! Several machines behind one address and port, and one machine with several addresses.

mod sim;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::Decision;
use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Role};
use sim::check::Checks;
use sim::client::{SIZE, address};
use sim::liar::Lie;
use sim::world::{World, nat_address};

/// An origin (site 1) with a seeder, and a site (2) behind a NAT.
fn world() -> World {
    let text = "version: 1\ndefaults: {max_seeders: 2}\nsites:\n  origin: {networks: [10.1.0.0/16, \"fd00:1::/32\"]}\n  \
                branch: {networks: [10.2.0.0/16, \"fd00:2::/32\"]}\nlinks:\n  - {between: [branch, origin], rate: 40 \
                Mbit/s}\n";
    let mut world = World::of(text, &[1, 2]);
    world.nat.insert(2);
    let origin = world.join(1, true, SIZE);
    start(&mut world, origin);
    world
}

fn start(world: &mut World, number: usize) -> Decision {
    world.announce(number, AnnounceEvent::Started).unwrap()
}

fn again(world: &mut World, number: usize) -> Decision {
    world.announce(number, AnnounceEvent::None).unwrap()
}

fn join(world: &mut World, agent: bool, machines: usize) -> Vec<usize> {
    let numbers = (0..machines).map(|_| world.join(2, agent, 0));
    let numbers: Vec<usize> = numbers.collect();
    for number in &numbers {
        start(world, *number);
    }
    numbers
}

fn peers(world: &World) -> u32 {
    let counts = world.swarm.counts();
    counts.complete + counts.incomplete
}

fn addresses(peers: &[narrows_protocol::Peer]) -> Vec<SocketAddr> {
    peers.iter().map(|peer| peer.addr).collect()
}

#[test]
fn agents_behind_one_address_and_port_are_peers_of_their_own_with_one_gateway() {
    let mut world = world();
    let agents = join(&mut world, true, 3);
    let (mut checks, mut elected) = (Checks::default(), 0);
    for _ in 0..20 {
        world.advance(world.now + Duration::from_secs(20));
        again(&mut world, 0);
        for number in &agents {
            world.clients[*number].have += 100;
            let reply = again(&mut world, *number);
            elected += u32::from(reply.outcome.elected);
            let gets = !reply.upstream.is_empty();
            assert_eq!(reply.role == Role::Gateway, *number == agents[0]);
            assert_eq!(gets, *number == agents[0], "one budget, whichever asks");
            checks.after_step(&world).unwrap();
        }
    }
    assert_eq!((elected, peers(&world)), (0, 4), "the first was elected, once");
}

#[test]
fn what_one_of_them_says_or_does_concerns_none_of_the_others() {
    let mut world = world();
    let agents = join(&mut world, true, 3);
    world.clients[agents[1]].have = SIZE;
    world.announce(agents[1], AnnounceEvent::Completed);
    let counts = world.swarm.counts();
    assert_eq!((counts.complete, counts.incomplete), (2, 2));
    world.stop(agents[2]);
    assert_eq!(peers(&world), 3);
    // a place that has become free is taken again
    let more = join(&mut world, true, 2);
    assert_eq!(peers(&world), 5);
    for number in [agents[0], agents[1], more[0], more[1]] {
        world.stop(number);
    }
    assert_eq!(peers(&world), 1);
    world.swarm.recount().unwrap();
}

#[test]
fn an_address_and_port_is_handed_out_once_and_never_to_its_owner() {
    let mut world = world();
    let hidden = join(&mut world, true, 3);
    let other = world.join(2, true, 0);
    world.clients[other].addr = address(2, 9, false);
    let reply = start(&mut world, other);
    assert_eq!(addresses(&reply.local), [nat_address(2)]);
    assert_eq!(reply.gateways, [nat_address(2)]);
    for number in hidden {
        let reply = again(&mut world, number);
        assert_eq!(addresses(&reply.local), [world.clients[other].addr]);
        let own = if reply.role == Role::Gateway { 1 } else { 0 };
        assert_eq!(reply.gateways.len(), own, "{:?}", reply.gateways);
    }
}

#[test]
fn a_gateway_is_handed_each_address_and_port_of_its_parent_once() {
    let mut world = world();
    world.nat.insert(1);
    for _ in 0..3 {
        let number = world.join(1, true, SIZE);
        start(&mut world, number);
    }
    let gateway = join(&mut world, true, 1)[0];
    let mut reply = addresses(&again(&mut world, gateway).upstream);
    reply.sort_unstable();
    assert_eq!(reply, [world.clients[0].addr, nat_address(1)]);
}

#[test]
fn clones_of_one_id_behind_one_address_and_port_are_told_apart_by_their_keys() {
    let mut world = world();
    let clones: Vec<usize> = (0..4).map(|_| world.join(2, true, 0)).collect();
    for number in &clones {
        world.clients[*number].image = clones[0];
        start(&mut world, *number);
    }
    for _ in 0..5 {
        world.advance(world.now + Duration::from_secs(20));
        for number in &clones {
            world.clients[*number].have += 100;
            again(&mut world, *number);
        }
    }
    let gateways = clones.iter().filter(|number| world.clients[**number].role == Role::Gateway);
    assert_eq!((gateways.count(), peers(&world)), (1, 5));
    let status = world.swarm.status(&world.context(), world.now);
    assert_eq!(status.doubles[0].addresses.len(), 4);
}

#[test]
fn stock_clients_behind_one_address_and_port_are_peers_of_their_own_with_one_gateway() {
    let mut world = world();
    let clients = join(&mut world, false, 3);
    for _ in 0..5 {
        world.advance(world.now + Duration::from_secs(20));
        for number in &clients {
            again(&mut world, *number);
        }
    }
    let gateways = clients.iter().filter(|number| world.clients[**number].role == Role::Gateway);
    assert_eq!((gateways.count(), peers(&world)), (1, 4));
}

#[test]
fn a_stock_client_that_restarts_at_its_address_and_port_leaves_no_ghost() {
    // (peer id, key) after the restart: both are new, or the key is kept
    for keeps_key in [false, true] {
        for machines in [1, 2] {
            let mut world = world();
            let clients = join(&mut world, false, machines);
            clients.iter().for_each(|number| drop(again(&mut world, *number)));
            assert_eq!(peers(&world) as usize, machines + 1);
            let restarted = world.join(2, false, 0);
            if keeps_key {
                world.clients[restarted].key = world.clients[clients[0]].key;
            }
            start(&mut world, restarted);
            // among several nothing tells which of them it was
            let ghosts = usize::from(machines == 2 && !keeps_key);
            assert_eq!(
                peers(&world) as usize,
                machines + 1 + ghosts,
                "{keeps_key} {machines}"
            );
        }
    }
}

#[test]
fn an_agent_that_is_given_another_id_and_restarts_leaves_no_ghost() {
    let mut world = world();
    let agents = join(&mut world, true, 2);
    world.clients[agents[0]].image = 77;
    let reply = start(&mut world, agents[0]);
    assert_eq!((peers(&world), reply.outcome.double), (3, None));
}

#[test]
fn no_address_and_port_has_more_than_64_records_and_the_most_silent_gives_way_but_for_the_gateway() {
    let mut world = world();
    let agents = join(&mut world, true, 64);
    assert_eq!(peers(&world), 65);
    let mut crowded_out = 0;
    for _ in 0..100 {
        world.advance(world.now + Duration::from_millis(100));
        let number = world.join(2, true, 0);
        crowded_out += u32::from(start(&mut world, number).outcome.crowded_out);
    }
    assert_eq!((peers(&world), crowded_out), (65, 100));
    let reply = again(&mut world, agents[0]);
    assert_eq!((reply.role, reply.outcome.elected), (Role::Gateway, false));
    world.swarm.recount().unwrap();
}

#[test]
fn one_address_fills_the_table_with_no_more_than_a_thousand_records() {
    let mut world = world();
    let ports = 40;
    for port in 0..ports {
        for _ in 0..60 {
            let number = world.join(2, false, 0);
            world.clients[number].addr.set_port(1000 + port);
            again(&mut world, number);
        }
    }
    let there = peers(&world);
    assert!((900..=1025).contains(&there), "{there}");
    world.swarm.recount().unwrap();
}

#[test]
fn with_its_snapshot_a_restarted_tracker_still_tells_them_apart() {
    let mut world = world();
    let agents = join(&mut world, true, 3);
    let clients = join(&mut world, false, 2);
    clients.iter().for_each(|number| drop(again(&mut world, *number)));
    assert_eq!(peers(&world), 6);
    world.restart_tracker(true);
    assert_eq!(peers(&world), 6);
    for number in agents.iter().chain(&clients) {
        let reply = again(&mut world, *number);
        assert_eq!(reply.role == Role::Gateway, *number == agents[0]);
        assert!(!reply.outcome.elected);
    }
    assert_eq!(peers(&world), 6);
    world.swarm.recount().unwrap();
}

#[test]
fn a_neighbour_that_lost_one_of_them_costs_no_other_its_lease() {
    let mut world = world();
    let agents = join(&mut world, true, 3);
    let other = world.join(2, true, 0);
    world.clients[other].addr = address(2, 9, false);
    start(&mut world, other);
    world.advance(world.now + Duration::from_secs(10));
    again(&mut world, agents[0]);
    world.stop(agents[2]);
    for _ in 0..3 {
        world.clients[other].lost = Some(nat_address(2));
        again(&mut world, other);
        world.advance(world.now + Duration::from_secs(5));
    }
    let reply = again(&mut world, agents[0]);
    assert_eq!((reply.role, reply.outcome.elected), (Role::Gateway, false));
}

#[test]
fn a_stock_client_that_announces_over_both_families_is_one_peer_and_is_not_handed_itself() {
    let mut world = world();
    world.nat.clear();
    let client = world.join(2, false, 0);
    let neighbour = world.join(2, false, 0);
    start(&mut world, client);
    start(&mut world, neighbour);
    for _ in 0..4 {
        for v6 in [true, false] {
            world.roam(client, 2, v6);
            let reply = again(&mut world, client);
            assert_eq!(addresses(&reply.local), [world.clients[neighbour].addr]);
            assert_eq!((reply.complete, reply.incomplete), (1, 2));
        }
        world.advance(world.now + Duration::from_secs(40));
    }
    // who is of the other family is handed that address
    world.roam(neighbour, 2, true);
    let reply = again(&mut world, neighbour);
    assert_eq!(addresses(&reply.local), [address(2, client, true)]);
    // it completes, and goes
    world.clients[client].have = SIZE;
    world.announce(client, AnnounceEvent::Completed);
    world.roam(client, 2, true);
    let reply = again(&mut world, client);
    assert_eq!((reply.complete, reply.incomplete), (2, 1));
    world.stop(client);
    assert_eq!(peers(&world), 2);
    world.swarm.recount().unwrap();
}

#[test]
fn a_stock_client_that_restarts_with_its_key_at_another_port_or_address_leaves_no_ghost() {
    let mut world = world();
    world.nat.clear();
    let client = world.join(2, false, 0);
    start(&mut world, client);
    for (site, port) in [(2, 50_001), (2, 50_002), (1, 50_003)] {
        world.advance(world.now + Duration::from_secs(100));
        again(&mut world, 0);
        let restarted = world.join(site, false, 0);
        world.clients[restarted].key = world.clients[client].key;
        world.clients[restarted].addr.set_port(port);
        start(&mut world, restarted);
        assert_eq!(peers(&world), 2, "port {port}");
    }
    // a key without a peer id of the same program is another's by chance
    let other = world.join(2, false, 0);
    world.clients[other].key = 4711;
    start(&mut world, other);
    assert_eq!(peers(&world), 3);
    world.swarm.recount().unwrap();
}

#[test]
fn stock_clients_with_one_key_that_take_turns_are_told_apart_by_their_addresses() {
    let mut world = world();
    world.nat.clear();
    let clients: Vec<usize> = (0..3).map(|_| world.join(2, false, 0)).collect();
    for number in &clients {
        world.clients[*number].key = 1;
        start(&mut world, *number);
    }
    for _ in 0..5 {
        world.advance(world.now + Duration::from_secs(20));
        clients.iter().for_each(|number| drop(again(&mut world, *number)));
    }
    assert_eq!(peers(&world), 4);
    world.swarm.recount().unwrap();
}

#[test]
fn agents_with_an_address_of_their_own_and_one_behind_a_nat_are_handed_out_by_their_own() {
    let mut world = world();
    let agents = join(&mut world, true, 3);
    for _ in 0..2 {
        for v6 in [true, false] {
            for number in &agents {
                world.roam(*number, 2, v6);
                again(&mut world, *number);
            }
        }
    }
    assert_eq!(peers(&world), 4);
    world.roam(agents[0], 2, true);
    let mut reply = addresses(&again(&mut world, agents[0]).local);
    reply.sort_unstable();
    assert_eq!(reply, [address(2, agents[1], true), address(2, agents[2], true)]);
    world.swarm.recount().unwrap();
}

#[test]
fn one_id_has_no_more_than_so_many_machines_at_an_address() {
    let mut world = world();
    let clones: Vec<usize> = (0..200).map(|_| world.join(2, true, 0)).collect();
    let mut crowded_out = 0;
    for (number, port) in clones.iter().zip(2000..) {
        world.clients[*number].image = clones[0];
        world.clients[*number].addr.set_port(port);
        crowded_out += u32::from(start(&mut world, *number).outcome.crowded_out);
    }
    // the first of the id and 64 others, and the seeder at the origin
    assert_eq!((peers(&world), crowded_out), (66, 200 - 65));
    let reply = again(&mut world, clones[0]);
    assert_eq!((reply.role, reply.outcome.elected), (Role::Gateway, false));
    world.swarm.recount().unwrap();
}

/// A machine behind the same NAT as three clients that is first there, wants the lease and brings nothing, under
/// a new name and port each 15 s if `renamed`. Returns when all clients were complete, and for how long it had
/// the lease.
fn beside_an_idler(renamed: bool) -> (Duration, Duration) {
    let mut world = world();
    let (mut n, mut next, mut held, mut clients) = (0u16, world.now, Duration::ZERO, Vec::new());
    while clients.is_empty() || clients.iter().any(|number: &usize| !world.clients[*number].is_seeder()) {
        if world.now >= next {
            let session = if renamed { n } else { 0 };
            let mut addr = nat_address(2);
            addr.set_port(7000 + session);
            let left = SIZE / 100 - u64::from(n);
            let mut lie = Lie::of(&format!("idler-{session}"), addr, left);
            lie = lie.saying(|report| report.preference = GatewayPreference::Prefer);
            (lie.key, lie.peer_id) = (Some(9000 + u32::from(session)), PeerId([session as u8; 20]));
            let pause = Duration::from_secs(15);
            let decision = world.hear(&lie);
            held += match decision.role {
                Role::Gateway => decision.interval.min(pause),
                Role::Member => Duration::ZERO,
            };
            (n, next) = (n + 1, next + pause);
            if clients.is_empty() {
                clients = join(&mut world, true, 3);
            }
        }
        let end = next.min(world.now + Duration::from_secs(1));
        world.announce_until(end);
        assert!(
            world.now < Duration::from_secs(3600),
            "{renamed}: held for {held:?}"
        );
    }
    (world.now, held)
}

#[test]
fn a_machine_behind_a_nat_that_brings_nothing_costs_its_neighbours_there_one_term() {
    for renamed in [false, true] {
        let (ended, held) = beside_an_idler(renamed);
        // a term and its own interval; 200 s for each of the three, as none reaches another, two at a time
        assert!(held <= Duration::from_secs(75), "{renamed}: {held:?}");
        assert!(ended < Duration::from_secs(560), "{renamed}: {ended:?}");
    }
}
