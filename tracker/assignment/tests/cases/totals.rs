//! What a site lacked, and what it had before.

use std::time::Duration;

use narrows_protocol::{AnnounceEvent, InfoHash};

use super::star;
use crate::sim::client::SIZE;
use crate::sim::world::World;
use crate::support::rng::SplitMix;

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

/// 10 Mbit/s are 1.25 MB/s.
#[test]
fn bytes_that_no_link_can_have_carried_are_not_booked_and_who_says_so_is_named() {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let gateway = world.join(2, true, 0);
    world.announce(gateway, AnnounceEvent::Started);
    let booked = |world: &World| {
        let status = world.swarm.status(&world.context(), world.now);
        status.sites.iter().find(|site| site.site == "zone-a").unwrap().wan_bytes
    };
    world.clients[gateway].wan = SIZE / 2;
    let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
    assert_eq!((reply.outcome.impossible, booked(&world)), (false, SIZE / 2));
    for wan in [u64::MAX, 1, u64::MAX - 1, u64::MAX, 1 << 50] {
        world.advance(world.now + Duration::from_secs(1));
        world.clients[gateway].wan = wan;
        let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
        assert_eq!(
            reply.outcome.impossible,
            wan > 1 && reply.outcome.wan_bytes > 1,
            "{wan}"
        );
        assert!(
            reply.outcome.wan_bytes <= SIZE * 2,
            "{wan}: {}",
            reply.outcome.wan_bytes
        );
        let from: u64 = reply.outcome.wan_from.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(from, reply.outcome.wan_bytes);
    }
    // nor by any number of agents that are made up
    for n in 0..2000u16 {
        let mut addr = crate::sim::client::address(2, 9, false);
        addr.set_port(1000 + n);
        let lie = crate::sim::liar::Lie::of(&format!("made-up-{n}"), addr, SIZE);
        world.hear(&lie.saying(|report| report.wan = u64::MAX - u64::from(n)));
    }
    let (rate, slack) = (1_250_000 * 3 / 2, world.policy.totals.slack);
    let most = SIZE * 2 + rate * (world.now + slack).as_secs();
    assert!(booked(&world) <= most, "{} of {most}", booked(&world));
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
