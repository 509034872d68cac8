//! Who does not answer, and what becomes of it.

mod sim;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::Decision;
use narrows_protocol::{AnnounceEvent, Role, Sharing};
use sim::client::{SIZE, address};
use sim::liar::Lie;
use sim::maps::MapText;
use sim::world::World;

/// Two sites with the content (1 and 2) and one without (3), all around a hub.
fn hub() -> World {
    let text = "version: 1\nsites:\n  hub: {}\n  s1: {networks: [10.1.0.0/16]}\n  s2: {networks: [10.2.0.0/16]}\n  s3: \
                {networks: [10.3.0.0/16]}\nlinks:\n  - {between: [s1, hub], rate: 20 Mbit/s}\n  - {between: [s2, hub], rate: 10 \
                Mbit/s}\n  - {between: [s3, hub], rate: 20 Mbit/s}\n";
    World::of(text, &[1, 2, 3])
}

fn join(world: &mut World, site: u8, have: u64) -> usize {
    let number = world.join(site, true, have);
    world.announce(number, AnnounceEvent::Started);
    number
}

fn upstream(decision: &Decision) -> Vec<SocketAddr> {
    decision.upstream.iter().map(|up| up.addr).collect()
}

fn says_gone(world: &mut World, number: usize, gone: Vec<SocketAddr>) -> Decision {
    world.clients[number].gone = gone;
    world.announce(number, AnnounceEvent::None).unwrap()
}

#[test]
fn an_upstream_that_does_not_answer_is_replaced_by_others_of_the_parent_site_for_a_minute() {
    let mut world = hub();
    for _ in 0..3 {
        join(&mut world, 1, SIZE);
    }
    let gateway = world.join(3, true, 0);
    let reply = upstream(&world.announce(gateway, AnnounceEvent::Started).unwrap());
    assert_eq!(reply.len(), 2);
    let after = upstream(&says_gone(&mut world, gateway, vec![reply[0]]));
    assert_eq!(after.len(), 2);
    assert!(
        after.contains(&reply[1]) && !after.contains(&reply[0]),
        "{after:?}"
    );
    for _ in 0..5 {
        world.advance(world.now + Duration::from_secs(10));
        world.clients[gateway].have += 1;
        assert!(!upstream(&says_gone(&mut world, gateway, vec![])).contains(&reply[0]));
    }
    // others were handed it all the time, and so is this gateway after a minute, if it needs one
    world.advance(world.now + Duration::from_secs(15));
    let rest: Vec<SocketAddr> = after.into_iter().collect();
    assert!(upstream(&says_gone(&mut world, gateway, rest[..1].to_vec())).contains(&reply[0]));
}

#[test]
fn a_gateway_that_reaches_no_peer_at_its_parent_has_another_parent_in_the_same_reply() {
    let mut world = hub();
    let near: Vec<usize> = (0..2).map(|_| join(&mut world, 1, SIZE)).collect();
    let far = join(&mut world, 2, SIZE);
    let gateway = world.join(3, true, 0);
    let reply = upstream(&world.announce(gateway, AnnounceEvent::Started).unwrap());
    assert!(near.iter().all(|number| reply.contains(&world.clients[*number].addr)));
    let after = upstream(&says_gone(&mut world, gateway, reply));
    assert_eq!(after, [world.clients[far].addr]);
    // a parent that does not answer is better than none
    let again = upstream(&says_gone(&mut world, gateway, after));
    assert!(!again.is_empty());
}

#[test]
fn one_machine_says_not_where_its_site_fetches_from_and_two_do() {
    let mut world = hub();
    let near: Vec<usize> = (0..2).map(|_| join(&mut world, 1, SIZE)).collect();
    let far = join(&mut world, 2, SIZE);
    let near: Vec<SocketAddr> = near.iter().map(|number| world.clients[*number].addr).collect();
    let first = join(&mut world, 3, 0);
    let second = join(&mut world, 3, 0);
    assert_eq!(
        world.clients.iter().filter(|client| client.role == Role::Gateway).count(),
        1
    );
    let (gateway, other) = match world.clients[first].role {
        Role::Gateway => (first, second),
        Role::Member => (second, first),
    };
    world.advance(world.now + Duration::from_secs(2));
    let reply = says_gone(&mut world, gateway, near.clone());
    assert_eq!(reply.role, Role::Member, "it gives way to one that can try");
    world.advance(world.now + Duration::from_secs(2));
    let reply = says_gone(&mut world, other, vec![]);
    assert_eq!(reply.role, Role::Gateway);
    assert!(
        upstream(&reply).iter().all(|up| near.contains(up)),
        "the parent is the same: {reply:?}"
    );
    world.advance(world.now + Duration::from_secs(2));
    let reply = says_gone(&mut world, other, near);
    assert_eq!(upstream(&reply), [world.clients[far].addr]);
}

#[test]
fn a_seeder_that_two_neighbours_miss_and_that_is_silent_supplies_no_peer_until_it_announces() {
    let mut world = hub();
    join(&mut world, 1, SIZE);
    let seeder = join(&mut world, 3, SIZE);
    let dead = world.clients[seeder].addr;
    let members: Vec<usize> = (0..3).map(|_| join(&mut world, 3, 0)).collect();
    // what one says changes nothing, however often, nor what is said of a peer that was there just now
    assert!(!says_gone(&mut world, members[0], vec![dead]).outcome.seeder_gone);
    assert!(!says_gone(&mut world, members[1], vec![dead]).outcome.seeder_gone);
    world.advance(world.now + Duration::from_secs(35));
    for _ in 0..3 {
        let reply = says_gone(&mut world, members[0], vec![dead]);
        assert_eq!((reply.role, reply.outcome.seeder_gone), (Role::Member, false));
    }
    let reply = says_gone(&mut world, members[1], vec![dead]);
    assert!(reply.outcome.seeder_gone);
    assert_eq!((reply.role, reply.upstream.len()), (Role::Gateway, 1));
    // it comes back
    world.announce(seeder, AnnounceEvent::None);
    assert_eq!(says_gone(&mut world, members[1], vec![]).role, Role::Member);
}

#[test]
fn a_seeder_that_the_only_neighbour_misses_supplies_no_peer() {
    let mut world = hub();
    join(&mut world, 1, SIZE);
    let seeder = join(&mut world, 3, SIZE);
    let dead = world.clients[seeder].addr;
    let member = join(&mut world, 3, 0);
    world.advance(world.now + Duration::from_secs(35));
    // it errs
    says_gone(&mut world, member, vec![dead]);
    world.advance(world.now + Duration::from_secs(10));
    assert_eq!(world.swarm.counts().complete, 2);
    world.clients[seeder].alive = false;
    says_gone(&mut world, member, vec![dead]);
    world.advance(world.now + Duration::from_secs(4));
    assert_eq!(world.swarm.counts().complete, 1, "the tracker has looked itself");
    assert_eq!(says_gone(&mut world, member, vec![]).role, Role::Gateway);
}

/// Its members notice a frozen gateway after 10 s of silence, all within a second.
#[test]
fn a_frozen_gateway_has_a_successor_within_two_seconds_of_the_reports() {
    for members in 2..8 {
        let mut world = hub();
        join(&mut world, 1, SIZE);
        let gateway = join(&mut world, 3, 0);
        let members: Vec<usize> = (0..members).map(|n| join(&mut world, 3, n * 100)).collect();
        world.advance(world.now + Duration::from_secs(20));
        world.announce(gateway, AnnounceEvent::None);
        let frozen = world.clients[gateway].addr;
        world.clients[gateway].alive = false;
        world.advance(world.now + Duration::from_secs(10));
        let reported = world.now;
        for (n, member) in members.iter().enumerate() {
            let client = &mut world.clients[*member];
            (client.lost, client.next) = (Some(frozen), reported + Duration::from_millis(n as u64 * 100));
        }
        let named = |world: &World| {
            let mut there = world.clients.iter();
            there.any(|client| client.alive && client.role == Role::Gateway && !client.upstream.is_empty())
        };
        while !named(&world) {
            assert!(world.announce_next());
        }
        let took = world.now - reported;
        assert!(
            took < Duration::from_secs(2),
            "{} members: {took:?}",
            members.len()
        );
    }
}

/// The sites of the new map are others, so the old gateways of what is now one site both come back as such.
#[test]
fn a_tracker_restarted_with_another_map_adopts_by_the_new_map_and_has_one_gateway_per_site() {
    let mut world = hub();
    join(&mut world, 1, SIZE);
    let gateways = [join(&mut world, 2, 10), join(&mut world, 3, 0)];
    let members: Vec<usize> = (0..4).map(|n| join(&mut world, 2 + n % 2, 0)).collect();
    assert!(gateways.iter().all(|number| world.clients[*number].role == Role::Gateway));
    let text = "version: 1\nsites:\n  one: {networks: [10.1.0.0/16]}\n  both: {networks: [10.2.0.0/15]}\nlinks:\n  - \
                {between: [one, both], rate: 10 Mbit/s}\n";
    world.restart_tracker(false);
    world.reload(MapText {
        text: text.to_owned(),
        sites: vec![1, 2, 3],
    });
    // members come first, and wait for the gateway that they are connected to
    for number in members.iter().chain(&gateways) {
        world.announce(*number, AnnounceEvent::None);
    }
    world.announce(0, AnnounceEvent::None);
    for _ in 0..40 {
        world.announce_next();
        let count = world.clients.iter().filter(|client| !client.upstream.is_empty());
        assert!(count.count() <= 1);
    }
    let office: Vec<usize> = world
        .clients
        .iter()
        .filter(|client| client.role == Role::Gateway)
        .map(|client| client.number)
        .collect();
    assert_eq!(office.len(), 1);
    assert!(gateways.contains(&office[0]), "a gateway that worked was adopted");
}

/// hq (1) - region (2) - branch (3), 20 Mbit/s each.
fn chain() -> World {
    let text = "version: 1\nsites:\n  s1: {networks: [10.1.0.0/16]}\n  s2: {networks: [10.2.0.0/16]}\n  s3: {networks: \
                [10.3.0.0/16]}\nlinks:\n  - {between: [s1, s2], rate: 20 Mbit/s}\n  - {between: [s2, s3], rate: 20 Mbit/s}\n";
    World::of(text, &[1, 2, 3])
}

#[test]
fn a_site_that_takes_over_from_a_parent_site_that_vanished_has_a_share_of_its_links_at_once() {
    let mut world = chain();
    for _ in 0..2 {
        join(&mut world, 1, SIZE);
    }
    let region: Vec<usize> = (0..4).map(|_| join(&mut world, 2, SIZE / 2)).collect();
    let branch = join(&mut world, 3, 0);
    // past the first seconds, the shares are granted: the region uses all of the link that the branch will
    // need
    for _ in 0..3 {
        world.advance(world.now + Duration::from_secs(10));
        for number in [region[0], branch] {
            world.clients[number].have += 1;
            world.announce(number, AnnounceEvent::None);
        }
    }
    let reply: Vec<SocketAddr> = world.clients[branch].upstream.clone();
    assert_eq!(reply.len(), 2, "two of the region");
    let after = says_gone(&mut world, branch, reply);
    let home = |addr: &SocketAddr| addr.to_string().starts_with("10.1.");
    assert!(
        !after.upstream.is_empty() && upstream(&after).iter().all(home),
        "{after:?}"
    );
    let rate = after.rate.bytes_per_second().unwrap();
    assert!(rate >= 1_000_000, "half of 2.5 MB/s, not {rate}");
}

/// Two seeders at hq, so many leechers in the region and two in the branch, beside a machine of the region that says
/// it is a seeder and sends nothing. Returns when a client of the branch first had something, and when all had all.
fn beside_a_choker(in_region: usize, lies: bool) -> (Duration, Duration) {
    let mut world = chain();
    for _ in 0..2 {
        join(&mut world, 1, SIZE);
    }
    let choker = Lie::of("choker", address(2, 200, false), 0);
    if lies {
        world.listening.insert(choker.addr);
        world.mute.insert(choker.addr);
        world.hear(&choker);
    }
    for _ in 0..in_region {
        join(&mut world, 2, 0);
    }
    let branch: Vec<usize> = (0..2).map(|_| join(&mut world, 3, 0)).collect();
    let mut first = Duration::MAX;
    while world.clients.iter().any(|client| !client.is_seeder()) {
        if lies {
            world.hear(&choker);
        }
        let end = world.now + Duration::from_secs(1);
        world.announce_until(end);
        for client in &mut world.clients {
            // agents say within seconds that they are stalled
            if client.have == 0 && client.stalled {
                let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
                client.next = client.next.min(soon.max(world.now));
            }
        }
        if branch.iter().any(|number| world.clients[*number].have > 0) {
            first = first.min(world.now);
        }
        assert!(
            world.now < Duration::from_secs(3600),
            "{in_region}: {first:?} {:?}",
            world.clients
        );
    }
    (first, world.now)
}

#[test]
fn a_site_behind_one_with_a_machine_that_claims_to_be_a_seeder_is_fed_from_elsewhere() {
    for in_region in [0, 1, 3] {
        let ((_, alone), (first, all)) = (
            beside_a_choker(in_region, false),
            beside_a_choker(in_region, true),
        );
        // three announces of 10 s; where it has neighbours that get nothing, they tell sooner
        assert!(first <= Duration::from_secs(45), "{in_region}: {first:?}");
        assert!(
            all <= alone + Duration::from_secs(75),
            "{in_region}: {all:?}, alone {alone:?}"
        );
    }
}

/// Two seeders each at hq and in the region, and two clients of the branch. Those of the region stand still for a
/// minute from each of these moments on. `other`: when a client of another branch comes. Returns at which site the
/// branch's gateway was to fetch, each second.
fn with_a_region_that_stands_still(from: &[u64], other: Option<u64>) -> Vec<u8> {
    let text = "version: 1\nsites:\n  s1: {networks: [10.1.0.0/16]}\n  s2: {networks: [10.2.0.0/16]}\n  s3: {networks: \
                [10.3.0.0/16]}\n  s4: {networks: [10.4.0.0/16]}\nlinks:\n  - {between: [s1, s2], rate: 20 Mbit/s}\n  - {between: \
                [s2, s3], rate: 20 Mbit/s}\n  - {between: [s2, s4], rate: 20 Mbit/s}\n";
    let mut world = World::of(text, &[1, 2, 3, 4]);
    for _ in 0..2 {
        join(&mut world, 1, SIZE);
    }
    let region: Vec<usize> = (0..2).map(|_| join(&mut world, 2, SIZE)).collect();
    let branch: Vec<usize> = (0..2).map(|_| join(&mut world, 3, 0)).collect();
    for number in &branch {
        world.clients[*number].rate = 100;
    }
    let mut sites = Vec::new();
    for second in 0..600 {
        for number in &region {
            let seeder = &mut world.clients[*number];
            if from.contains(&second) {
                (seeder.share, seeder.next) = (Sharing::Never, Duration::MAX);
            } else if from.iter().any(|from| second == from + 60) {
                (seeder.share, seeder.next) = (Sharing::Always, world.now);
            }
        }
        if other == Some(second) {
            join(&mut world, 4, 0);
        }
        let end = world.now + Duration::from_secs(1);
        world.announce_until(end);
        for number in &branch {
            let client = &mut world.clients[*number];
            if client.stalled {
                let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
                client.next = client.next.min(soon.max(world.now));
            }
        }
        let upstream = branch.iter().flat_map(|number| &world.clients[*number].upstream).next();
        sites.push(upstream.map_or(0, |addr| match addr.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[1],
            std::net::IpAddr::V6(_) => 0,
        }));
    }
    sites
}

#[test]
fn a_site_goes_back_to_a_parent_that_stood_still_once_and_the_second_time_stays_at_the_root_for_minutes() {
    let at_root = |sites: &[u8]| sites.iter().filter(|site| **site == 1).count();
    let once = with_a_region_that_stands_still(&[100], None);
    assert!(once[..100].iter().all(|site| *site == 2), "{once:?}");
    assert!(at_root(&once) > 0, "the root feeds it meanwhile: {once:?}");
    assert!(once[160 + 30..].iter().all(|site| *site == 2), "{once:?}");
    let again = with_a_region_that_stands_still(&[100, 250], None);
    assert!(at_root(&again[250..]) > 200, "{again:?}");
}

#[test]
fn a_site_that_went_past_its_parent_goes_back_once_others_there_have_more() {
    // (chaos seed 9405: a boaster had the parent's lease, and its child fetched all past it)
    let mut world = chain();
    for _ in 0..2 {
        join(&mut world, 1, SIZE);
    }
    let boaster = Lie::of("boaster", address(2, 200, false), SIZE / 2).saying(|report| report.wan = SIZE);
    world.listening.insert(boaster.addr);
    world.mute.insert(boaster.addr);
    world.hear(&boaster);
    let region: Vec<usize> = (0..2).map(|_| join(&mut world, 2, 0)).collect();
    let branch: Vec<usize> = (0..2).map(|_| join(&mut world, 3, 0)).collect();
    branch.iter().for_each(|number| world.clients[*number].rate = 100);
    let (mut past, mut astray) = (0, 0);
    for _ in 0..300 {
        world.hear(&boaster);
        let end = world.now + Duration::from_secs(1);
        world.announce_until(end);
        for client in world.clients.iter_mut().filter(|client| client.stalled) {
            let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
            client.next = client.next.min(soon.max(world.now));
        }
        let most = |of: &[usize]| of.iter().map(|number| world.clients[*number].have).max().unwrap_or(0);
        let mut upstreams = branch.iter().flat_map(|number| &world.clients[*number].upstream);
        if upstreams.any(|addr| addr.to_string().starts_with("10.1.")) {
            past += 1;
            astray += u32::from(most(&region) > most(&branch));
        }
    }
    assert!(past > 0, "it is fed meanwhile");
    assert!(astray <= 30, "{astray} s of {past} past its parent");
}

#[test]
fn a_site_goes_back_to_a_parent_that_it_never_had_anything_of_once_another_site_has() {
    // (chaos seed 9108: what a branch had missed for seconds then crossed its parent's link once more)
    let alone = with_a_region_that_stands_still(&[0], None);
    assert!(
        alone[60..300].iter().filter(|site| **site == 1).count() > 200,
        "{alone:?}"
    );
    let beside = with_a_region_that_stands_still(&[0], Some(100));
    assert!(beside[150..].iter().all(|site| *site == 2), "{beside:?}");
}

#[test]
fn a_gateway_is_handed_peers_of_two_machines_of_the_parent_site_where_one_is_many_peers() {
    // (chaos seed 7011: two records of one machine, of which one had the lease and the other the most bytes, and both ports
    // were closed)
    let mut world = chain();
    join(&mut world, 1, SIZE);
    for (port, left) in [(7001, SIZE), (7002, SIZE - 5)] {
        let mut addr = address(2, 200, false);
        addr.set_port(port);
        let mut lie = Lie::of(&format!("liar-{port}"), addr, left);
        lie.key = Some(u32::from(port));
        world.hear(&lie);
    }
    let honest = join(&mut world, 2, 0);
    let branch = join(&mut world, 3, 0);
    let reply = world.announce(branch, AnnounceEvent::None).unwrap();
    assert!(
        upstream(&reply).contains(&world.clients[honest].addr),
        "{:?}",
        reply.upstream
    );
}
