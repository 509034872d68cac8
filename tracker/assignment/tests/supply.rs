//! Supply is a rate: a site fetches across its link while its own seeders bring less than that would.

mod sim;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::Decision;
use narrows_protocol::{AnnounceEvent, Role};
use sim::client::{SIZE, address};
use sim::liar::Lie;
use sim::maps::MapText;
use sim::world::World;
use support::rng::SplitMix;

const TEN: Duration = Duration::from_secs(10);

/// hq (1) and branch (2), and between them a link of 10 kbit/s: of a content of 100,000 bytes, 1,250 a
/// second.
fn pair() -> World {
    let text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n  branch: {networks: [10.2.0.0/16]}\nlinks:\n  - \
                {between: [hq, branch], rate: 10 kbit/s}\n";
    World::of(text, &[1, 2])
}

fn join(world: &mut World, site: u8, have: u64) -> (usize, Decision) {
    let number = world.join(site, true, have);
    let reply = world.announce(number, AnnounceEvent::Started).unwrap();
    (number, reply)
}

/// Lets time pass, in which a client gets so many bytes.
fn gain(world: &mut World, number: usize, bytes: u64, after: Duration) -> Decision {
    world.advance(world.now + after);
    world.clients[number].have += bytes;
    world.announce(number, AnnounceEvent::None).unwrap()
}

fn upstream(decision: &Decision) -> Vec<SocketAddr> {
    decision.upstream.iter().map(|peer| peer.addr).collect()
}

#[test]
fn a_site_with_one_slow_seeder_fetches_across_the_link_beside_it_after_ten_seconds() {
    let mut world = pair();
    let (origin, _) = join(&mut world, 1, SIZE);
    let (slow, _) = join(&mut world, 2, SIZE);
    let (leecher, reply) = join(&mut world, 2, 0);
    assert_eq!(reply.role, Role::Member);
    assert!(
        reply.interval <= TEN + TEN / 10,
        "measured soon: {:?}",
        reply.interval
    );
    let reply = gain(&mut world, leecher, 500, TEN);
    assert_eq!(reply.role, Role::Gateway);
    assert_eq!(upstream(&reply), [world.clients[origin].addr]);
    assert!(
        reply.local.iter().any(|peer| peer.addr == world.clients[slow].addr),
        "and goes on to fetch from its neighbour"
    );
    // it stays so, however fast it is now
    for _ in 0..5 {
        assert_eq!(gain(&mut world, leecher, 12_000, TEN).role, Role::Gateway);
    }
}

/// Chaos seed 7033: the other one had the lease of a site that waits, and no upstream, since the first had them all.
/// What fell to it of the pieces came by takeover alone, at a quarter of the link's rate.
#[test]
fn a_starving_member_that_fetches_where_the_only_seeder_is_a_liar_is_the_sites_one_gateway() {
    let mut world = pair();
    let origins = [join(&mut world, 1, SIZE).0, join(&mut world, 1, SIZE).0].map(|n| world.clients[n].addr);
    world.hear(&Lie::of("choker", address(2, 200, false), 0));
    let (first, _) = join(&mut world, 2, 0);
    let (second, _) = join(&mut world, 2, 0);
    world.advance(world.now + TEN);
    world.clients[first].stalled = true;
    let mut reply = gain(&mut world, first, 0, Duration::from_secs(2));
    while reply.role == Role::Member {
        reply = gain(&mut world, first, 0, TEN);
    }
    assert!(upstream(&reply).iter().all(|up| origins.contains(up)) && upstream(&reply).len() == 2);
    // now that both were measured, the site waits
    world.clients[first].stalled = false;
    let reply = gain(&mut world, second, 0, Duration::from_secs(1));
    assert_eq!(reply.role, Role::Member, "{reply:?}");
    assert_eq!(reply.gateways, [world.clients[first].addr]);
    // and stays so once the first comes on
    for _ in 0..3 {
        world.clients[first].wan += 12_000;
        let reply = gain(&mut world, first, 12_000, TEN);
        assert_eq!((reply.role, upstream(&reply).len()), (Role::Gateway, 2));
        assert_eq!(reply.gateways, [world.clients[first].addr]);
        assert_eq!(
            gain(&mut world, second, 12_000, Duration::from_secs(1)).role,
            Role::Member
        );
    }
}

#[test]
fn a_site_whose_seeder_is_as_fast_as_the_link_fetches_nothing_across_it() {
    let mut world = pair();
    join(&mut world, 1, SIZE);
    join(&mut world, 2, SIZE);
    let (leecher, _) = join(&mut world, 2, 0);
    for _ in 0..8 {
        let reply = gain(&mut world, leecher, 7000, TEN);
        assert!(reply.role == Role::Member && reply.upstream.is_empty());
    }
}

#[test]
fn the_only_site_that_has_anything_goes_on_however_slow_it_is() {
    let mut world = pair();
    join(&mut world, 2, SIZE);
    let (leecher, _) = join(&mut world, 2, 0);
    for _ in 0..8 {
        assert_eq!(gain(&mut world, leecher, 10, TEN).role, Role::Member);
    }
}

#[test]
fn a_stock_client_that_takes_its_time_to_begin_condemns_no_seeder() {
    let mut world = pair();
    join(&mut world, 1, SIZE);
    join(&mut world, 2, SIZE);
    let stock = world.join(2, false, 0);
    world.announce(stock, AnnounceEvent::Started).unwrap();
    for _ in 0..8 {
        assert_eq!(gain(&mut world, stock, 30, TEN).role, Role::Member);
    }
}

#[test]
fn a_second_seeder_ends_what_the_first_was_too_slow_for() {
    let mut world = pair();
    join(&mut world, 1, SIZE);
    join(&mut world, 2, SIZE);
    let (leecher, _) = join(&mut world, 2, 0);
    assert_eq!(gain(&mut world, leecher, 500, TEN).role, Role::Gateway);
    join(&mut world, 2, SIZE);
    let reply = gain(&mut world, leecher, 20_000, TEN);
    assert!(reply.role == Role::Member && reply.upstream.is_empty());
}

#[test]
fn a_site_is_not_fed_through_another_by_one_that_turned_out_to_have_nothing() {
    // (chaos seed 7011: a machine of b2 says that it is a seeder, and b3 was fed from b2 for good)
    let text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n  b1: {networks: [10.2.0.0/16]}\n  b2: {networks: \
                [10.3.0.0/16]}\n  b3: {networks: [10.4.0.0/16]}\nlinks:\n  - {between: [hq, b1], rate: 8 kbit/s}\n  - \
                {between: [b1, b2], rate: 10 kbit/s}\n  - {between: [b1, b3], rate: 8 kbit/s}\n";
    let mut world = World::of(text, &[1, 2, 3, 4]);
    join(&mut world, 1, SIZE);
    let (b1, _) = join(&mut world, 2, 0);
    let liar = Lie::of("liar", address(3, 200, false), 0);
    world.hear(&liar);
    let (b2, _) = join(&mut world, 3, 0);
    let b3 = [join(&mut world, 4, 0).0, join(&mut world, 4, 0).0];
    // those of b3 do not reach b1 for a moment
    for number in b3 {
        world.clients[number].gone = vec![world.clients[b1].addr];
        world.announce(number, AnnounceEvent::None);
    }
    let handed = |world: &mut World| {
        let replies = b3.map(|number| world.announce(number, AnnounceEvent::None).unwrap());
        let addrs: Vec<SocketAddr> = replies.iter().flat_map(upstream).collect();
        addrs.first().map(|addr| addr.to_string()).unwrap_or_default()
    };
    let first = handed(&mut world);
    assert!(first.starts_with("10.3."), "{first}");
    // what could not be reached counts as such for a minute
    for _ in 0..6 {
        world.advance(world.now + TEN);
        world.hear(&liar);
        for (member, bytes) in [(b1, 500), (b2, 10), (b3[0], 0), (b3[1], 0)] {
            world.clients[member].have += bytes;
            world.announce(member, AnnounceEvent::None);
        }
    }
    let last = handed(&mut world);
    assert!(last.starts_with("10.2."), "{last}");
}

#[test]
fn a_stopped_link_is_no_better_than_a_slow_seeder() {
    let mut world = pair();
    let text = world.text.text.replace(
        "10 kbit/s",
        "10 kbit/s, schedule: [{days: mon-sun, hours: 00:00-24:00, rate: 0}]",
    );
    let sites = world.text.sites.clone();
    world.reload(MapText { text, sites });
    join(&mut world, 1, SIZE);
    join(&mut world, 2, SIZE);
    let (leecher, _) = join(&mut world, 2, 0);
    for _ in 0..8 {
        assert_eq!(gain(&mut world, leecher, 10, TEN).role, Role::Member);
    }
}

/// How a machine says again and again that it has everything.
#[derive(Clone, Copy, Debug)]
enum Return {
    /// Under another id and port each time, beside those that it said before.
    Renamed,
    /// As a client that lacks something, and then has everything again.
    Refilled,
    /// After it has said that it stops.
    Stopped,
}

/// Three leechers of the branch beside a machine that claims to be a seeder there, anew each 3 s, and serves
/// no peer. Returns in how many of 200 s none of them was gateway.
fn held_by(manner: Return) -> u32 {
    let mut world = pair();
    join(&mut world, 1, SIZE);
    let (mut held, mut leechers) = (0, Vec::new());
    for second in 0..200_u32 {
        world.advance(Duration::from_secs(second.into()));
        if second % 3 == 0 {
            let number = if matches!(manner, Return::Renamed) {
                second
            } else {
                0
            };
            let mut addr = address(2, 200, false);
            addr.set_port(7000 + number as u16);
            let lie = Lie::of(&format!("boaster-{number}"), addr, 0).with(|lie| lie.key = Some(number));
            match manner {
                Return::Renamed => {}
                Return::Refilled => drop(world.hear(&lie.clone().with(|lie| lie.left = SIZE))),
                Return::Stopped => {
                    drop(world.hear(&lie.clone().with(|lie| lie.event = AnnounceEvent::Stopped)))
                }
            }
            world.hear(&lie);
        }
        if leechers.is_empty() {
            let now = world.now;
            leechers = (0..3).map(|_| join(&mut world, 2, 0)).map(|(n, reply)| (n, now, reply)).collect();
        }
        let leads = leechers.iter().any(|(.., reply)| reply.role == Role::Gateway);
        for (number, at, reply) in &mut leechers {
            if leads {
                let client = &mut world.clients[*number];
                client.have += SIZE / 250;
                client.wan += if reply.role == Role::Gateway {
                    SIZE / 250
                } else {
                    0
                };
            }
            if *at + reply.interval <= world.now {
                (*at, *reply) = (world.now, gain(&mut world, *number, 0, Duration::ZERO));
            }
        }
        held += u32::from(!leads);
    }
    held
}

#[test]
fn a_machine_that_claims_to_be_a_seeder_and_serves_no_peer_holds_its_site_once_however_often_it_claims_it() {
    for manner in [Return::Renamed, Return::Refilled, Return::Stopped] {
        let held = held_by(manner);
        assert!(
            held <= 15,
            "{manner:?}: for {held} of 200 s no peer fetched across the link"
        );
    }
}

/// Whatever a seeder brings: nothing crosses the link where it alone brings half as much, and else something
/// does.
#[test]
fn what_a_site_gets_is_never_far_below_what_its_link_would_bring() {
    let mut rng = SplitMix(7);
    for _ in 0..64 {
        let (local, leechers) = (rng.next() % 3000, 1 + rng.below(4));
        let mut world = pair();
        join(&mut world, 1, SIZE);
        join(&mut world, 2, SIZE);
        let numbers: Vec<usize> = (0..leechers).map(|_| join(&mut world, 2, 0).0).collect();
        let mut fetching = false;
        for _ in 0..3 {
            world.advance(world.now + TEN);
            for number in &numbers {
                let reply = gain(&mut world, *number, local * 10, Duration::ZERO);
                fetching |= reply.role == Role::Gateway;
            }
        }
        assert_eq!(fetching, local * 2 < 1250, "{local} bytes/s, {leechers} leechers");
    }
}
