//! Gateways of which a site gets nothing or little: they say why (chaos seeds 201 and 301), fetch for themselves alone, or
//! have a link that others fill.

use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Role};

use super::star;
use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

/// One of two clients of one machine: first it says that its upstreams do not answer, then that it works.
fn lie(n: u16, gone: &[usize], world: &World, working: bool) -> Lie {
    let mut addr = address(2, 200, false);
    addr.set_port(7000 + n);
    let left = SIZE - world.now.as_secs().min(SIZE - 1);
    let gone = gone.iter().map(|number| world.clients[*number].addr).collect();
    let mut lie = Lie::of(&format!("excused-{n}"), addr, left).saying(|report| {
        report.preference = GatewayPreference::Prefer;
        match working {
            true => report.role = Role::Gateway,
            false => report.gone = gone,
        }
    });
    (lie.key, lie.peer_id) = (Some(9000 + u32::from(n)), PeerId([n as u8; 20]));
    lie
}

/// Such a machine is first at its site, beside so many clients. `elsewhere`: at another site there is a client
/// that gets nothing, from which the tracker may let the site fetch. Returns when all others were complete, and
/// for how long it had a lease.
fn rollout(clients: usize, elsewhere: bool) -> (World, Time, Duration) {
    let mut world = star(2);
    let seeders: Vec<usize> = (0..2).map(|_| world.join(1, true, SIZE)).collect();
    if elsewhere {
        let number = world.join(3, true, 0);
        world.clients[number].rate = 0;
    }
    for number in 0..world.clients.len() {
        world.announce(number, AnnounceEvent::Started);
    }
    let others = world.clients.len();
    let (mut held, pause) = (Duration::ZERO, Duration::from_secs(2));
    while world.clients[others..].iter().any(|client| !client.is_seeder()) || world.clients.len() == others {
        let mut leads = false;
        for n in 0..2 {
            for working in [false, true] {
                let lie = lie(n, &seeders, &world, working);
                let decision = world.hear(&lie);
                leads |= decision.role == Role::Gateway;
                world.named.extend(decision.outcome.no_progress.map(|(ip, _)| ip));
            }
        }
        held += if leads { pause } else { Duration::ZERO };
        if world.clients.len() == others {
            for _ in 0..clients {
                let number = world.join(2, true, 0);
                world.announce(number, AnnounceEvent::Started);
            }
        }
        let end = world.now + pause;
        world.announce_until(end);
        assert!(world.now < Duration::from_secs(3600), "{:?}", world.clients);
    }
    let ended = world.now;
    (world, ended, held)
}

#[test]
fn a_gateway_that_says_its_upstreams_do_not_answer_gives_way_to_others_that_can_try() {
    for (clients, elsewhere) in [1, 2, 3, 8].into_iter().flat_map(|n| [(n, false), (n, true)]) {
        let (world, ended, held) = rollout(clients, elsewhere);
        let term = world.policy.intervals.gateway.mul_f64(world.policy.terms.lease);
        let what = format!(
            "{clients} clients, {elsewhere}: {ended:?}, held {held:?}, {:?}",
            world.named
        );
        assert!(held <= Duration::from_secs(4), "{what}");
        // the interval of a member for some that were not asked to come back soon
        assert!(ended < Duration::from_secs(200 + 90) + term, "{what}");
        assert!(
            world.named.is_empty() || world.named == [address(2, 200, false).ip()],
            "{what}"
        );
    }
}

/// A gateway that fetches at the link's rate, as it says, and serves so many of its neighbours, which are told that
/// it has what it has. Returns when all clients were complete, and whom the tracker named.
fn beside_a_miser(clients: usize, serves: usize) -> (Time, Vec<std::net::IpAddr>) {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let mut next = world.now;
    while world.clients.len() == 1 || world.clients.iter().any(|client| !client.is_seeder()) {
        if world.now >= next {
            let had = (world.now.as_secs() * 500).min(SIZE);
            let lie = Lie::of("miser", address(2, 200, false), SIZE - had).saying(|report| {
                (report.role, report.wan) = (Role::Gateway, had);
            });
            world.listening.insert(lie.addr);
            world.mute.insert(lie.addr);
            let decision = world.hear(&lie);
            world.named.extend(decision.outcome.no_progress.map(|(ip, _)| ip));
            next = world.now + decision.interval.min(Duration::from_secs(10));
            if world.clients.len() == 1 {
                for _ in 0..clients {
                    let number = world.join(2, true, 0);
                    world.announce(number, AnnounceEvent::Started);
                }
            }
            for number in 1..=serves {
                let client = &mut world.clients[number];
                client.have = client.have.max(had.saturating_sub(1000)).min(SIZE);
            }
        }
        for client in world.clients[1..].iter_mut().filter(|client| client.have == 0) {
            let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
            client.next = client.next.min(soon.max(world.now));
        }
        let end = next.min(world.now + Duration::from_secs(1));
        world.announce_until(end);
        assert!(world.now < Duration::from_secs(3600), "{:?}", world.clients);
    }
    (world.now, world.named)
}

#[test]
fn a_gateway_that_fetches_and_serves_no_neighbour_costs_a_term_and_is_named_and_one_that_serves_some_is_not()
{
    for (clients, serves) in [(1, 0), (3, 0), (8, 0), (3, 1), (8, 2)] {
        let (ended, named) = beside_a_miser(clients, serves);
        let what = format!("{clients} clients, {serves} served: {ended:?}, {named:?}");
        // 200 s are needed; a term, or the ladder, and intervals of members
        assert!(ended < Duration::from_secs(200 + 66 + 60), "{what}");
        let expected = if serves == 0 {
            vec![address(2, 200, false).ip()]
        } else {
            vec![]
        };
        assert_eq!(named, expected, "{what}");
    }
}

#[test]
fn a_gateway_whose_link_others_fill_is_not_named() {
    for rate in [5, 20, 60] {
        let mut world = star(2);
        for (site, have) in [(1, SIZE), (2, 0), (2, 0), (2, 0)] {
            let number = world.join(site, true, have);
            world.clients[number].rate = rate;
            world.announce(number, AnnounceEvent::Started);
        }
        world.announce_until(Duration::from_secs(1800));
        let got = world.clients[1..].iter().map(|client| client.have).min();
        assert!(world.named.is_empty(), "{rate}: {:?}", world.named);
        assert!(got.is_some_and(|got| got > rate * 1000), "{rate}: {got:?}");
    }
}
