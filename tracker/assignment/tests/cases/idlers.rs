//! A machine that takes a site's lease and brings it nothing, whatever it says of itself.

use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Role};

use super::star;
use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

/// What an idler says of itself.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Manner {
    /// Nothing new.
    Silent,
    /// That it comes on, and has come far.
    Boasting,
    /// The same, as another client at another port each time.
    Renamed,
}

/// What an idler says in its round `n`, each 15 s.
fn idler(manner: Manner, n: u32) -> Lie {
    let session = if manner == Manner::Renamed { n } else { 0 };
    let mut addr = address(2, 200, false);
    addr.set_port(7000 + session as u16);
    let left = if manner == Manner::Silent {
        SIZE
    } else {
        SIZE / 100 - u64::from(n)
    };
    let mut lie = Lie::of(&format!("idler-{session}"), addr, left).saying(|report| {
        report.preference = GatewayPreference::Prefer;
        report.role = Role::Gateway;
        if manner != Manner::Silent {
            report.wan = u64::from(n) * 40_000;
        }
    });
    (lie.key, lie.peer_id) = (Some(9000 + session), PeerId([session as u8; 20]));
    lie
}

/// An idler that is first at its site, and three clients. Returns when each came on first, when all were
/// complete, and how often the idler was gateway.
fn rollout(manner: Manner) -> (World, Vec<Time>, Time, u32) {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let (mut n, mut leases, mut next) = (0, 0, world.now);
    let mut first = vec![Time::MAX; 3];
    while world.clients.len() == 1 || world.clients.iter().any(|client| !client.is_seeder()) {
        if world.now >= next {
            let lie = idler(manner, n);
            world.listening.insert(lie.addr);
            leases += u32::from(world.hear(&lie).role == Role::Gateway);
            (n, next) = (n + 1, next + Duration::from_secs(15));
            if world.clients.len() == 1 {
                for _ in 0..3 {
                    let number = world.join(2, true, 0);
                    world.announce(number, AnnounceEvent::Started);
                }
            }
        }
        let end = next.min(world.now + Duration::from_secs(1));
        world.announce_until(end);
        for (client, first) in world.clients[1..].iter().zip(&mut first) {
            if client.have > 0 {
                *first = (*first).min(world.now);
            }
        }
        assert!(
            world.now < Duration::from_secs(3600),
            "{manner:?}: {:?}",
            world.clients
        );
    }
    let ended = world.now;
    (world, first, ended, leases)
}

#[test]
fn a_first_comer_that_brings_nothing_costs_its_site_one_term_whatever_it_says_of_itself() {
    for manner in [Manner::Silent, Manner::Boasting, Manner::Renamed] {
        let (world, first, ended, leases) = rollout(manner);
        let term = world.policy.intervals.gateway.mul_f64(world.policy.terms.lease);
        let late = *first.iter().max().unwrap();
        // a term, the interval of a member, and a neighbour's interval to get it
        assert!(late < term + Duration::from_secs(75), "{manner:?}: {first:?}");
        // 200 s are needed without it
        assert!(
            ended < Duration::from_secs(200) + term * 3,
            "{manner:?}: {ended:?}"
        );
        assert!(leases <= 6, "{manner:?}: {leases} of 15 s each");
        let wan: u64 = world.clients.iter().map(|client| client.wan).sum();
        // a member that starved has a lease of its own; in this model both then fetch all
        assert!(wan <= SIZE * 2, "{manner:?}: {wan}");
    }
}

#[test]
fn a_gateway_that_serves_its_site_keeps_the_lease_although_one_neighbour_says_it_gets_nothing() {
    let mut world = star(2);
    for (site, have) in [(1, SIZE), (2, 0), (2, 0), (2, 0)] {
        let number = world.join(site, true, have);
        world.clients[number].rate = 100;
        world.announce(number, AnnounceEvent::Started);
    }
    let liar = Lie::of("wants-it", address(2, 200, false), SIZE);
    while world.now < Duration::from_secs(900) {
        let reply = world.hear(&liar.clone().saying(|report| report.preference = GatewayPreference::Prefer));
        assert_eq!(reply.outcome.no_progress, None);
        let end = world.now + Duration::from_secs(10);
        world.announce_until(end);
        assert_eq!(world.clients[1].role, Role::Gateway);
    }
}
