//! A machine that takes a site's lease and brings it nothing, whatever it says of itself.

use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Role};
use narrows_topology::Rate;

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

/// An idler that is first at its site, and three clients; the tracker restarts at these times, with its
/// snapshot. Returns when each came on first, when all were
/// complete, and how often the idler was gateway.
fn rollout(manner: Manner, restarts: &[u64]) -> (World, Vec<Time>, Time, u32) {
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let (mut n, mut leases, mut next) = (0, 0, world.now);
    let mut first = vec![Time::MAX; 3];
    let mut restarts = restarts.iter().map(|seconds| Duration::from_secs(*seconds)).peekable();
    while world.clients.len() == 1 || world.clients.iter().any(|client| !client.is_seeder()) {
        if restarts.next_if(|at| world.now >= *at).is_some() {
            world.restart_tracker(true);
        }
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
        let (world, first, ended, leases) = rollout(manner, &[]);
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
fn one_that_brought_nothing_is_last_in_line_after_a_restart_of_the_tracker_too() {
    for manner in [Manner::Silent, Manner::Boasting, Manner::Renamed] {
        let (world, _, ended, leases) = rollout(manner, &[100, 130, 160, 190]);
        let term = world.policy.intervals.gateway.mul_f64(world.policy.terms.lease);
        assert!(
            ended < Duration::from_secs(200) + term * 3,
            "{manner:?}: {ended:?}"
        );
        assert!(leases <= 6, "{manner:?}: {leases} of 15 s each");
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

/// As [`rollout`], with an idler that clients are not deceived by: they say at once that they get nothing, so
/// that one of them soon has a lease of its own. Returns when each came on first, for how long the idler had a
/// lease, when all were complete, whether the idler was named, and what it was granted while it was beside
/// another. `rate`: of each client.
fn beside_the_ladder(
    mut world: World,
    manner: Manner,
    clients: usize,
    rate: u64,
) -> (Vec<Time>, Duration, Time, bool, Vec<Rate>) {
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let (mut n, mut next, mut held, mut named) = (0, world.now, Duration::ZERO, false);
    let (mut first, mut granted) = (vec![Time::MAX; clients], Vec::new());
    while world.clients.len() == 1 || world.clients.iter().any(|client| !client.is_seeder()) {
        if world.now >= next {
            let lie = idler(manner, n);
            world.listening.insert(lie.addr);
            world.mute.insert(lie.addr);
            let decision = world.hear(&lie);
            let interval = decision.interval.min(Duration::from_secs(15));
            if decision.role == Role::Gateway {
                held += interval;
                let is_beside = world.clients.iter().any(|client| client.role == Role::Gateway);
                granted.extend(is_beside.then_some(decision.rate));
            }
            named |= decision.outcome.no_progress.is_some();
            (n, next) = (n + 1, next + interval);
            if world.clients.len() == 1 {
                for _ in 0..clients {
                    let number = world.join(2, true, 0);
                    world.clients[number].rate = rate;
                    world.announce(number, AnnounceEvent::Started);
                }
            }
        }
        let end = next.min(world.now + Duration::from_secs(1));
        world.announce_until(end);
        for (client, first) in world.clients[1..].iter_mut().zip(&mut first) {
            if client.have > 0 {
                *first = (*first).min(world.now);
            } else {
                // it says soon that it is stalled
                let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
                client.next = client.next.min(soon.max(world.now));
            }
        }
        assert!(
            world.now < Duration::from_secs(3600),
            "{manner:?}: {:?}",
            world.clients
        );
    }
    named |= world.named.iter().any(|ip| *ip == address(2, 200, false).ip());
    (first, held, world.now, named, granted)
}

#[test]
fn one_that_brings_nothing_loses_its_lease_although_another_brings_what_the_site_gets() {
    for manner in [Manner::Silent, Manner::Boasting] {
        for clients in [1, 2, 3, 8] {
            let (first, held, ended, named, granted) = beside_the_ladder(star(2), manner, clients, 500);
            let world = star(2);
            let term = world.policy.intervals.gateway.mul_f64(world.policy.terms.lease);
            let what = format!("{manner:?}, {clients} clients: {first:?}, {held:?}, {ended:?}");
            // two announces of 10 s: it has had the time of its first pieces by the second
            let soon = Duration::from_secs(26);
            assert!(first.iter().min().is_some_and(|first| *first < soon), "{what}");
            // a term and its own interval; alone beside another it may also climb the ladder, now and then
            let most = term + Duration::from_secs(if clients == 1 { 90 } else { 20 });
            assert!(held < most, "{what}");
            assert!(ended < Duration::from_secs(200) + term * 2, "{what}");
            // (chaos seeds 102 and 302: one that says itself that it gets nothing, too)
            assert!(named, "{what}");
            // of 10 Mbit/s, which the other is to have; one that is honest about it gives way before
            let least = Rate::from_bytes_per_second(1_250_000 / 16);
            let is_least = granted.iter().any(|granted| *granted <= least);
            assert!(is_least || manner == Manner::Silent, "{what}: {granted:?}");
        }
    }
}

/// A machine that is no gateway and says at each announce that it starves, beside an honest gateway and so many
/// honest members. Returns when all were complete, and the addresses that were named.
fn beside_a_beggar(members: usize) -> (Time, Vec<std::net::IpAddr>) {
    let mut world = star(2);
    for (site, have) in std::iter::once((1, SIZE)).chain(std::iter::repeat_n((2, 0), 1 + members)) {
        let number = world.join(site, true, have);
        world.announce(number, AnnounceEvent::Started);
    }
    let beggar = Lie::of("beggar", address(2, 200, false), SIZE).saying(|report| report.stalled = true);
    world.listening.insert(beggar.addr);
    world.mute.insert(beggar.addr);
    let mut named = Vec::new();
    while world.clients.iter().any(|client| !client.is_seeder()) {
        let decision = world.hear(&beggar);
        named.extend(decision.outcome.no_progress.map(|(ip, _)| ip));
        let end = world.now + Duration::from_secs(10);
        world.announce_until(end);
        assert!(
            world.now < Duration::from_secs(3600),
            "{members}: {:?}",
            world.clients
        );
    }
    named.extend(&world.named);
    (world.now, named)
}

#[test]
fn one_that_says_it_starves_takes_no_lease_from_a_gateway_that_serves_and_one_term_from_one_that_is_alone() {
    let world = star(2);
    let term = world.policy.intervals.gateway.mul_f64(world.policy.terms.lease);
    let beggar = address(2, 200, false).ip();
    for members in [0, 1, 2, 5] {
        let (ended, named) = beside_a_beggar(members);
        let lost = if members == 0 { term * 2 } else { Duration::ZERO };
        assert!(
            ended < Duration::from_secs(200 + 75) + lost,
            "{members}: {ended:?}"
        );
        // of two machines nothing tells which one lies
        let is_right = members == 0 || named.iter().all(|ip| *ip == beggar);
        assert!(is_right, "{members}: {named:?}");
    }
}

/// An origin and a zone with a link of this rate.
fn pair(rate: &str) -> World {
    let text = format!(
        "version: 1\ndefaults: {{max_seeders: 2}}\nsites:\n  origin: {{networks: [10.1.0.0/16]}}\n  zone-a: {{networks: \
         [10.2.0.0/16]}}\nlinks:\n  - {{between: [zone-a, origin], rate: {rate}}}\n"
    );
    World::of(&text, &[1, 2])
}

#[test]
fn one_that_has_the_least_share_keeps_to_it_and_has_no_longer_term_for_that() {
    // a link that takes 12 s for the content, and 200 s at the least share
    let (_, held, _, _, granted) = beside_the_ladder(pair("64 kbit/s"), Manner::Boasting, 3, 1500);
    let least = Rate::from_bytes_per_second(8_000 / 2 / 16);
    let aside = granted.iter().skip_while(|rate| **rate > least);
    let (count, others) = (aside.clone().count(), aside.filter(|rate| **rate > least).count());
    assert!(count >= 2 && others == 0, "{granted:?}");
    assert!(held < Duration::from_secs(66 + 20), "{held:?}");
}

#[test]
fn a_lease_of_the_ladder_that_brings_next_to_nothing_ends_although_its_holder_says_that_it_comes_on() {
    // a link that takes minutes for the content
    let mut world = pair("8 kbit/s");
    for (site, have) in [(1, SIZE), (1, SIZE), (2, 0), (2, 0), (2, 0)] {
        let number = world.join(site, true, have);
        world.clients[number].rate = 300;
        world.announce(number, AnnounceEvent::Started);
    }
    let (mut left, mut leads, mut held, mut all) = (SIZE, false, Duration::ZERO, Duration::ZERO);
    while world.clients.iter().any(|client| !client.is_seeder()) {
        left -= u64::from(leads);
        let liar = Lie::of("trickler", address(2, 200, false), left).saying(|report| report.stalled = !leads);
        let decision = world.hear(&liar);
        leads = decision.role == Role::Gateway;
        let pause = decision.interval.clamp(Duration::from_secs(1), Duration::from_secs(10));
        let is_beside = world.clients.iter().any(|client| client.role == Role::Gateway);
        held += if leads && is_beside { pause } else { Duration::ZERO };
        all += pause;
        let end = world.now + pause;
        world.announce_until(end);
        assert!(world.now < Duration::from_secs(3600), "{:?}", world.clients);
    }
    assert!(!held.is_zero() && held < all / 3, "{held:?} of {all:?}");
    assert!(world.named.is_empty(), "{:?}", world.named);
}

#[test]
fn members_that_have_as_much_as_each_other_do_not_wait_for_the_term_of_one_that_brings_nothing() {
    // (chaos seed 301: after a restart of the tracker an idler that had less than they took the lease)
    let mut world = star(2);
    let origin = world.join(1, true, SIZE);
    world.announce(origin, AnnounceEvent::Started);
    let idler = Lie::of("idler", address(2, 200, false), SIZE).saying(|report| report.role = Role::Gateway);
    assert_eq!(world.hear(&idler).role, Role::Gateway);
    for _ in 0..3 {
        let number = world.join(2, true, SIZE / 2);
        world.announce(number, AnnounceEvent::Started);
    }
    let mut left = SIZE;
    while world.clients[1..].iter().all(|client| client.have == SIZE / 2) {
        left -= 1;
        let mut boast = idler.clone();
        boast.left = left;
        world.hear(&boast);
        for client in &mut world.clients[1..] {
            let soon = client.announced.unwrap_or_default() + Duration::from_secs(10);
            client.next = client.next.min(soon.max(world.now));
        }
        let end = world.now + Duration::from_secs(2);
        world.announce_until(end);
        assert!(world.now < Duration::from_secs(60), "{:?}", world.clients);
    }
}
