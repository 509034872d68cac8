//! Agents that do not share (`share: never`): they fetch, and are handed to no other.

mod sim;
mod support;

use std::time::Duration;

use narrows_assignment::Decision;
use narrows_protocol::{AnnounceEvent, Role, Sharing};
use sim::client::SIZE;
use sim::world::World;

/// hq (1) - region (2) - branch (3).
fn chain() -> World {
    let text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n  region: {networks: [10.2.0.0/16]}\n  \
                branch: {networks: [10.3.0.0/16]}\nlinks:\n  - {between: [hq, region], rate: 10 Mbit/s}\n  - \
                {between: [region, branch], rate: 10 Mbit/s}\n";
    World::of(text, &[1, 2, 3])
}

fn join(world: &mut World, site: u8, have: u64) -> (usize, Decision) {
    let number = world.join(site, true, have);
    let reply = world.announce(number, AnnounceEvent::Started).unwrap();
    (number, reply)
}

fn join_non_sharing(world: &mut World, site: u8, have: u64) -> (usize, Decision) {
    let number = world.join(site, true, have);
    world.clients[number].share = Sharing::Never;
    let reply = world.announce(number, AnnounceEvent::Started).unwrap();
    (number, reply)
}

fn again(world: &mut World, number: usize, after: Duration) -> Decision {
    let later = world.now + after;
    world.advance(later);
    world.announce(number, AnnounceEvent::None).unwrap()
}

fn addrs(world: &World, numbers: &[usize]) -> Vec<std::net::SocketAddr> {
    numbers.iter().map(|number| world.clients[*number].addr).collect()
}

fn local(decision: &Decision) -> Vec<std::net::SocketAddr> {
    decision.local.iter().map(|peer| peer.addr).collect()
}

fn upstream(decision: &Decision) -> Vec<std::net::SocketAddr> {
    decision.upstream.iter().map(|peer| peer.addr).collect()
}

const MOMENT: Duration = Duration::from_secs(2);

#[test]
fn one_that_does_not_share_is_handed_to_no_other_and_is_handed_those_that_do() {
    let mut world = chain();
    let (origin, _) = join(&mut world, 1, SIZE);
    let (gateway, _) = join(&mut world, 2, 0);
    let (non_sharing, reply) = join_non_sharing(&mut world, 2, SIZE / 2);
    assert_eq!((reply.role, reply.upstream.len()), (Role::Member, 0));
    assert_eq!(local(&reply), addrs(&world, &[gateway]));
    assert_eq!(reply.gateways, addrs(&world, &[gateway]));
    let (_, reply) = join(&mut world, 2, 0);
    assert_eq!(local(&reply), addrs(&world, &[gateway]));
    let reply = again(&mut world, gateway, Duration::from_secs(1));
    assert!(!local(&reply).contains(&world.clients[non_sharing].addr));
    assert_eq!(upstream(&reply), addrs(&world, &[origin]));
}

#[test]
fn a_site_is_not_supplied_by_one_that_has_everything_and_does_not_share() {
    let mut world = chain();
    let (origin, _) = join(&mut world, 1, SIZE);
    let (_, reply) = join_non_sharing(&mut world, 2, SIZE);
    assert_eq!((reply.local.len(), reply.complete), (0, 2));
    let (_, reply) = join(&mut world, 2, 0);
    assert_eq!(reply.role, Role::Gateway);
    assert_eq!(upstream(&reply), addrs(&world, &[origin]));
    let status = world.swarm.status(&world.context(), world.now);
    let region = status.sites.iter().find(|site| site.site == "region").unwrap();
    assert_eq!((region.peers, region.seeders, region.leechers), (2, 1, 1));
}

#[test]
fn where_no_peer_has_everything_one_that_has_most_and_does_not_share_is_no_root() {
    let mut world = chain();
    join_non_sharing(&mut world, 1, SIZE - 1);
    let (half, _) = join(&mut world, 2, SIZE / 2);
    let (_, reply) = join(&mut world, 3, 0);
    assert_eq!(upstream(&reply), addrs(&world, &[half]));
}

#[test]
fn where_no_peer_could_fetch_for_them_those_that_do_not_share_fetch_for_themselves() {
    let mut world = chain();
    let (origin, _) = join(&mut world, 1, SIZE);
    let non_sharing: Vec<usize> = (0..3).map(|_| join_non_sharing(&mut world, 2, 0).0).collect();
    for non_sharing in &non_sharing {
        assert_eq!(
            world.clients[*non_sharing].role,
            Role::Member,
            "who shares may come yet"
        );
    }
    let later = world.now + MOMENT;
    world.advance(later);
    for non_sharing in &non_sharing {
        let reply = world.announce(*non_sharing, AnnounceEvent::None).unwrap();
        assert_eq!((reply.role, reply.local.len()), (Role::Gateway, 0));
        assert_eq!(upstream(&reply), addrs(&world, &[origin]));
        assert!(reply.gateways.is_empty(), "each fetches all of it");
    }
    let explained = world.swarm.explain(&world.context(), "agent-1", world.now).unwrap();
    assert!(
        explained.because.contains("does not share"),
        "{}",
        explained.because
    );
    assert!(!explained.shares && explained.if_the_gateway_dies.is_none());
}

#[test]
fn they_are_members_again_as_soon_as_a_peer_comes_that_shares() {
    let mut world = chain();
    let (origin, _) = join(&mut world, 1, SIZE);
    let (non_sharing, _) = join_non_sharing(&mut world, 2, 0);
    assert_eq!(again(&mut world, non_sharing, MOMENT).role, Role::Gateway);
    let (gateway, reply) = join(&mut world, 2, 0);
    assert_eq!(reply.role, Role::Gateway);
    assert_eq!(
        upstream(&reply),
        addrs(&world, &[origin]),
        "it waits for no other"
    );
    let reply = again(&mut world, non_sharing, Duration::from_secs(1));
    assert_eq!((reply.role, reply.upstream.len()), (Role::Member, 0));
    assert_eq!(local(&reply), addrs(&world, &[gateway]));
    let explained = world.swarm.explain(&world.context(), "agent-1", world.now).unwrap();
    assert!(
        explained.because.contains("no gateway for others"),
        "{}",
        explained.because
    );
    // and fetch for themselves when it has gone
    world.stop(gateway);
    assert_eq!(again(&mut world, non_sharing, MOMENT).role, Role::Gateway);
}

#[test]
fn a_starving_member_that_does_not_share_does_not_become_a_gateway_beside_one_that_does() {
    let mut world = chain();
    join(&mut world, 1, SIZE);
    let (gateway, _) = join(&mut world, 2, 0);
    let (non_sharing, _) = join_non_sharing(&mut world, 2, 0);
    for _ in 0..6 {
        world.clients[gateway].have += 1;
        world.clients[non_sharing].stalled = true;
        again(&mut world, gateway, Duration::from_secs(1));
        assert_eq!(
            again(&mut world, non_sharing, Duration::from_secs(10)).role,
            Role::Member
        );
    }
    assert_eq!(
        again(&mut world, gateway, Duration::from_secs(1)).role,
        Role::Gateway
    );
}

#[test]
fn a_site_of_such_agents_is_no_parent() {
    let mut world = chain();
    let (origin, _) = join(&mut world, 1, SIZE);
    let (non_sharing, _) = join_non_sharing(&mut world, 2, 0);
    let (branch, reply) = join(&mut world, 3, 0);
    assert_eq!(upstream(&reply), addrs(&world, &[origin]));
    // who shares comes between, as always
    let (region, _) = join(&mut world, 2, 0);
    let reply = again(&mut world, branch, Duration::from_secs(1));
    assert_eq!(upstream(&reply), addrs(&world, &[region]));
    world.stop(region);
    again(&mut world, non_sharing, MOMENT);
    let reply = again(&mut world, branch, Duration::from_secs(1));
    assert_eq!(upstream(&reply), addrs(&world, &[origin]));
}

#[test]
fn an_agent_that_changes_its_mind_is_treated_so_from_its_next_announce_on() {
    let mut world = chain();
    let (origin, _) = join(&mut world, 1, SIZE);
    let (one, reply) = join(&mut world, 2, 0);
    assert_eq!(reply.role, Role::Gateway);
    let (two, _) = join(&mut world, 2, 0);
    world.clients[one].share = Sharing::Never;
    let reply = again(&mut world, one, Duration::from_secs(1));
    assert_eq!((reply.role, reply.upstream.len()), (Role::Member, 0));
    assert_eq!(local(&reply), addrs(&world, &[two]));
    let reply = again(&mut world, two, Duration::from_secs(1));
    assert_eq!((reply.role, reply.local.len()), (Role::Gateway, 0));
    world.clients[one].share = Sharing::Always;
    again(&mut world, one, Duration::from_secs(1));
    let reply = again(&mut world, two, Duration::from_secs(1));
    assert_eq!(local(&reply), addrs(&world, &[one]));

    // and a seeder
    world.clients[origin].share = Sharing::Never;
    again(&mut world, origin, Duration::from_secs(1));
    let reply = again(&mut world, two, Duration::from_secs(1));
    assert!(reply.upstream.is_empty());
    assert_eq!(world.swarm.counts().complete, 1);
    world.clients[origin].share = Sharing::Always;
    again(&mut world, origin, Duration::from_secs(1));
    let reply = again(&mut world, two, Duration::from_secs(1));
    assert_eq!(upstream(&reply), addrs(&world, &[origin]));
}

#[test]
fn a_restarted_tracker_waits_for_the_gateway_that_one_of_them_is_served_by() {
    let mut world = chain();
    join(&mut world, 1, SIZE);
    let (gateway, _) = join(&mut world, 2, 0);
    let (non_sharing, _) = join_non_sharing(&mut world, 2, 0);
    world.restart_tracker(false);
    world.announce(0, AnnounceEvent::None).unwrap();
    for _ in 0..4 {
        let reply = again(&mut world, non_sharing, Duration::from_secs(3));
        assert_eq!(reply.role, Role::Member);
        // it is still connected
        world.clients[non_sharing].gateways = addrs(&world, &[gateway]);
    }
    assert_eq!(again(&mut world, gateway, MOMENT).role, Role::Gateway);
    assert_eq!(again(&mut world, non_sharing, MOMENT).role, Role::Member);
}

/// More of them than a small site holds: each is handed a few of those that share, and those know each other.
#[test]
fn a_crowd_of_them_spreads_over_those_that_share() {
    let mut world = chain();
    join(&mut world, 1, SIZE);
    let sharing: Vec<usize> = (0..20).map(|_| join(&mut world, 2, 0).0).collect();
    let non_sharing: Vec<usize> = (0..200).map(|_| join_non_sharing(&mut world, 2, 0).0).collect();
    for non_sharing in non_sharing {
        let reply = again(&mut world, non_sharing, Duration::from_millis(10));
        let degree = world.policy.degree as usize;
        assert!(
            (degree / 2..=degree).contains(&reply.local.len()),
            "{}",
            reply.local.len()
        );
        let shares = |addr| sharing.iter().any(|number| world.clients[*number].addr == addr);
        assert!(local(&reply).into_iter().all(shares));
    }
    let reply = again(&mut world, sharing[0], Duration::from_secs(1));
    assert_eq!(reply.local.len(), 19);
}
