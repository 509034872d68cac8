//! A site with two gateways, of which one says that it fetches and brings its site nothing, or next to nothing.

use std::net::IpAddr;
use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::{AnnounceEvent, GatewayPreference, Role};
use narrows_topology::Rate;

use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

/// An origin, and a zone that has two gateways.
fn two_gateways() -> World {
    let text = "version: 1\nsites:\n  origin: {networks: [10.1.0.0/16]}\n  zone-a: {networks: [10.2.0.0/16], gateways: 2}\n\
                links:\n  - {between: [zone-a, origin], rate: 5 kbit/s}\n";
    let mut world = World::of(text, &[1, 2]);
    // of a content that is small
    world.policy.gateways.term_least = 8 << 10;
    world
}

fn boaster() -> std::net::SocketAddr {
    address(2, 200, false)
}

/// What came of a rollout beside a boaster.
#[derive(Debug)]
struct Came {
    /// For how long it was gateway, and what it was granted at each of its announces.
    held: Duration,
    granted: Vec<Rate>,
    named: Vec<IpAddr>,
    /// When all clients were complete.
    ended: Time,
    /// How often each client was gateway.
    honest: usize,
}

/// A boaster that is first at its site, and so many clients. `crumbs`: what it sends them in a second, of the
/// 300 bytes that it says it fetches.
fn rollout(clients: usize, agents: bool, crumbs: u64) -> Came {
    let mut world = two_gateways();
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let mut came = Came {
        held: Duration::ZERO,
        granted: Vec::new(),
        named: Vec::new(),
        ended: Time::ZERO,
        honest: 0,
    };
    let (mut next, began) = (world.now, world.now);
    while world.clients.len() == 1 || world.clients.iter().any(|client| !client.is_seeder()) {
        if world.now >= next {
            let said = (world.now - began).as_secs();
            let lie =
                Lie::of("boaster", boaster(), SIZE - (said * 300).min(SIZE / 2) - said).saying(|report| {
                    (report.role, report.wan) = (Role::Gateway, said * 300);
                    report.preference = GatewayPreference::Prefer;
                });
            world.listening.insert(lie.addr);
            world.mute.insert(lie.addr);
            let decision = world.hear(&lie);
            let interval = decision.interval.min(Duration::from_secs(15));
            came.named.extend(decision.outcome.no_progress.map(|(ip, _)| ip));
            if decision.role == Role::Gateway {
                came.held += interval;
                came.granted.push(decision.rate);
            }
            next = world.now + interval;
            if world.clients.len() == 1 {
                for n in 0..clients {
                    let number = world.join(2, agents || n == 0, 0);
                    world.clients[number].rate = 300;
                    world.announce(number, AnnounceEvent::Started);
                }
            }
        }
        let end = next.min(world.now + Duration::from_secs(1));
        let passed = (end - world.now).as_millis() as u64;
        world.announce_until(end);
        for client in &mut world.clients[1..] {
            *client.brought.entry(boaster()).or_default() += crumbs * passed / 1000 / clients as u64;
        }
        assert!(world.now < Duration::from_secs(3600), "{came:?}");
    }
    came.ended = world.now;
    came.honest = world.clients[1..].iter().filter(|client| client.wan > 0).count();
    came.named.extend(&world.named);
    came
}

#[test]
fn of_two_gateways_the_one_that_only_says_that_it_fetches_is_gone_after_a_term_and_named() {
    let term = {
        let policy = two_gateways().policy;
        policy.intervals.gateway.mul_f64(policy.terms.lease)
    };
    for clients in [2, 3, 8] {
        let came = rollout(clients, true, 0);
        let what = format!("{clients} clients: {came:?}");
        // a term and an interval of members, whose word it is
        assert!(came.held < term + Duration::from_secs(75), "{what}");
        assert_eq!(came.named, [boaster().ip()], "{what}");
        // once two have had nothing of it, it has the least share of 625 B/s
        let least = Rate::from_bytes_per_second(625 / 16);
        let is_least = came.granted.iter().any(|granted| *granted <= least);
        assert!(is_least || clients == 2, "{what}");
        // 334 s are needed
        assert!(came.ended < Duration::from_secs(334 * 3 / 2), "{what}");
    }
}

#[test]
fn of_two_gateways_the_one_that_sends_crumbs_of_what_it_says_it_fetches_is_gone_after_some_terms_and_named() {
    for clients in [2, 3, 8] {
        let came = rollout(clients, true, 40);
        let what = format!("{clients} clients: {came:?}");
        assert!(came.held < Duration::from_secs(66 * 3 + 30), "{what}");
        assert_eq!(came.named, [boaster().ip()], "{what}");
    }
}

#[test]
fn of_two_gateways_that_bring_what_they_say_neither_is_doubted_whatever_one_member_says() {
    for liars in [0, 1] {
        let mut world = two_gateways();
        for (site, have) in [(1, SIZE), (2, 0), (2, 0), (2, 0), (2, 0)] {
            let number = world.join(site, true, have);
            world.clients[number].rate = 150;
            world.announce(number, AnnounceEvent::Started);
        }
        let (mut left, mut both, mut rounds) = (SIZE, 0, 0);
        while world.clients.iter().all(|client| client.number == 0 || !client.is_seeder()) {
            for n in 0..liars {
                left -= 1;
                let gateways = world.clients[3].gateways.clone();
                let lie = Lie::of("liar", address(2, 201 + n, false), left).saying(|report| {
                    // it had all from one of them, and nothing of the other
                    let mut said = gateways.iter().zip([0, SIZE - left]);
                    report.brought = said.by_ref().map(|(addr, bytes)| (*addr, bytes)).collect();
                });
                assert_eq!(world.hear(&lie).outcome.no_progress, None);
            }
            let end = world.now + Duration::from_secs(10);
            world.announce_until(end);
            let there = world.clients[1..].iter().filter(|client| client.role == Role::Gateway).count();
            (both, rounds) = (both + u32::from(there == 2), rounds + 1);
        }
        assert!(world.named.is_empty(), "{liars}: {:?}", world.named);
        assert!(
            rounds > 60 && both + 2 >= rounds,
            "{liars}: both lead in {both} of {rounds}"
        );
    }
}
