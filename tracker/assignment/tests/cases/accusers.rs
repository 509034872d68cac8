//! A machine that says of others that they do not answer.

use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Role};

use super::star;
use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

/// Two seeders at the origin; at zone a a gateway and two members.
fn rollout() -> World {
    let mut world = star(2);
    for (site, have) in [(1, SIZE), (1, SIZE), (2, 0), (2, 0), (2, 0)] {
        let number = world.join(site, true, have);
        world.clients[number].rate = 200;
        world.announce(number, AnnounceEvent::Started);
    }
    world
}

const GATEWAY: usize = 2;

/// One of several clients that a machine makes up, all at one address.
fn liar(n: u16, site: u8) -> Lie {
    let mut addr = address(site, 200, false);
    addr.set_port(7000 + n);
    Lie::of(&format!("liar-{n}"), addr, SIZE).with(|lie| {
        lie.key = Some(9000 + u32::from(n));
        lie.peer_id = PeerId([n as u8; 20]);
    })
}

fn role(world: &mut World, number: usize) -> Role {
    world.announce(number, AnnounceEvent::None).unwrap().role
}

#[test]
fn one_address_takes_no_lease_from_a_gateway_that_works_whatever_it_says_and_however_often() {
    for is_walled in [false, true] {
        let mut world = rollout();
        if is_walled {
            world.walled = [1, 2].into();
        }
        let victim = world.clients[GATEWAY].addr;
        for n in 0..4 {
            world.listening.insert(liar(n, 2).addr);
        }
        let mut step = 0;
        while world.now < Duration::from_secs(900) {
            step += 1;
            let n = step % 4;
            let lie = liar(n, 2).saying(|report| {
                report.preference = GatewayPreference::Prefer;
                match step % 3 {
                    0 => report.gone = vec![victim],
                    _ => report.lost = Some(victim),
                }
            });
            let reply = world.hear(&lie);
            assert!(!reply.outcome.gateway_lost, "at {:?}", world.now);
            let end = world.now + Duration::from_secs(2);
            world.announce_until(end);
            if world.clients.iter().all(|client| client.is_seeder()) {
                break;
            }
            let gateway = &world.clients[GATEWAY];
            let works = gateway.role == Role::Gateway || gateway.is_seeder();
            assert!(works, "at {:?}", world.now);
        }
        assert!(world.clients.iter().all(|client| client.is_seeder()));
        let named = world.false_accusers.iter().all(|ip| *ip == liar(0, 2).addr.ip());
        assert!(
            named && world.false_accusers.is_empty() == is_walled,
            "{:?}",
            world.false_accusers
        );
    }
}

#[test]
fn one_address_makes_a_tracker_forget_no_seeder_that_it_reaches() {
    let mut world = star(2);
    let seeders: Vec<usize> = (0..6).map(|_| world.join(1, true, SIZE)).collect();
    for number in &seeders {
        world.announce(*number, AnnounceEvent::Started);
    }
    let gone: Vec<SocketAddr> = seeders.iter().map(|number| world.clients[*number].addr).collect();
    for round in 0..30 {
        world.advance(world.now + Duration::from_secs(3));
        if round % 10 == 0 {
            world.advance(world.now + Duration::from_secs(35));
        }
        for n in 0..4 {
            let reply = world.hear(&liar(n, 1).saying(|report| report.gone = gone.clone()));
            assert!(!reply.outcome.seeder_gone);
        }
    }
    assert_eq!(world.swarm.counts().complete, 6);
    assert!(world.false_accusers.contains(&liar(0, 1).addr.ip()));
}

#[test]
fn where_the_tracker_reaches_no_peer_a_second_address_decides_and_the_first_alone_does_not() {
    let mut world = rollout();
    world.walled = [1, 2].into();
    world.advance(world.now + Duration::from_secs(15));
    role(&mut world, GATEWAY);
    let dead = world.clients[GATEWAY].addr;
    world.clients[GATEWAY].alive = false;
    // once believed on trust, not again for a while: the tracker looks, in vain
    for round in 0..2 {
        world.clients[GATEWAY + 1].lost = Some(dead);
        let reply = world.announce(GATEWAY + 1, AnnounceEvent::None).unwrap();
        assert!(!reply.outcome.gateway_lost, "round {round}");
        world.advance(world.now + Duration::from_secs(4));
    }
    assert_eq!(role(&mut world, GATEWAY + 1), Role::Member);
    world.clients[GATEWAY + 2].lost = Some(dead);
    let reply = world.announce(GATEWAY + 2, AnnounceEvent::None).unwrap();
    assert!(reply.outcome.gateway_lost);
    let roles = [role(&mut world, GATEWAY + 1), role(&mut world, GATEWAY + 2)];
    assert!(
        roles.contains(&Role::Gateway) || reply.role == Role::Gateway,
        "{roles:?}"
    );
}

#[test]
fn a_gateway_that_is_killed_beside_one_neighbour_has_a_successor_as_soon_as_the_tracker_has_looked() {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let (gateway, member) = (world.join(2, true, 0), world.join(2, true, 0));
    for number in [gateway, member] {
        world.announce(number, AnnounceEvent::Started);
    }
    world.advance(world.now + Duration::from_secs(20));
    role(&mut world, gateway);
    role(&mut world, member);
    world.crash(gateway);
    let killed = world.now;
    while world.clients[member].role == Role::Member {
        assert!(world.announce_next());
    }
    let took = world.now - killed;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// One machine may have two addresses.
#[test]
fn two_addresses_are_believed_against_a_gateway_that_works_once_in_ten_minutes() {
    let mut world = rollout();
    let mut given_up = 0;
    while world.now < Duration::from_secs(590) {
        let holder = world.clients.iter().find(|client| client.alive && client.role == Role::Gateway);
        let Some(victim) = holder.map(|client| client.addr) else {
            let end = world.now + Duration::from_secs(1);
            world.announce_until(end);
            continue;
        };
        for n in 0..2 {
            let lie = liar(n, 2).saying(|report| {
                (report.lost, report.preference) = (Some(victim), GatewayPreference::Never);
            });
            let lie = lie.with(|lie| lie.addr = address(2, 200 + n as usize, false));
            given_up += u32::from(world.hear(&lie).outcome.gateway_lost);
        }
        let end = world.now + Duration::from_secs(3);
        world.announce_until(end);
    }
    assert!(given_up <= 1, "{given_up}");
}
