//! Who is where, and which maps can be laid out.

use super::*;

fn groups(text: &str) -> Groups {
    text.parse().unwrap()
}

fn world(text: &str, seeds: &str, clients: &str) -> Result<World, String> {
    World::new(
        "sites.yaml",
        text,
        Some(&groups(seeds)),
        Some(&groups(clients)),
        Ground::Loopback,
    )
}

const REAL: &str = "
version: 1
sites:
  hq: {networks: [10.1.0.0/16, '2001:db8:1::/48']}
  munich: {networks: [10.2.0.0/16]}
  backbone: {}
links:
  - {between: [hq, backbone], rate: 100 Mbit/s}
  - {between: [munich, backbone], rate: 10 Mbit/s}
";

#[test]
fn the_default_world_is_four_seeders_and_twice_four_clients_fifty_seconds_away() {
    let world = World::new("default", DEFAULT_MAP, None, None, Ground::Loopback).unwrap();
    assert_eq!(world.agents.len(), 12);
    assert_eq!(world.agents.iter().filter(|place| place.seeder).count(), 4);
    assert_eq!(world.client_sites().len(), 2);
    assert_eq!(world.bound(500_000_000, Timestamp::now()), Some(50.0));
    assert_eq!(crossings(&world), 2.0);
    let hq0 = world.agents.iter().find(|place| place.id == "hq-0").unwrap();
    assert_eq!(hq0.addr.to_string(), "127.1.0.10");
}

#[test]
fn the_maps_beside_it_are_right() {
    for text in [
        include_str!("../../../maps/staged.yaml"),
        include_str!("../../../maps/transit.yaml"),
    ] {
        let world = World::new("map", text, None, None, Ground::Loopback).unwrap();
        assert_eq!(world.bound(500_000_000, Timestamp::now()), Some(50.0));
        assert_eq!(world.text, text);
    }
}

#[test]
fn the_bound_is_the_best_paths_rate_whichever_sites_pass_it_on_and_all_paths_together_may_do_better() {
    let seconds = |text, seeds, clients| {
        let world = world(text, seeds, clients).unwrap();
        let now = Timestamp::now();
        (
            world.bound(50_000_000, now),
            world.max_flow_bound(50_000_000, now),
        )
    };
    let ring = include_str!("../../../maps/ring20.yaml");
    // each site by itself: the slow link adds its own to what comes the long way round
    let (best, together) = seconds(ring, "hq=1", "b1=1,b2=1,b3=1");
    assert_eq!(best, Some(20.0));
    assert!((together.unwrap() - 50.0 / 3.0).abs() < 1e-9, "{together:?}");
    let diamond = include_str!("../../../maps/diamond10.yaml");
    assert_eq!(seconds(diamond, "hq=1", "far=1"), (Some(40.0), Some(20.0)));
}

#[test]
fn a_map_of_the_real_world_moves_to_loopback_and_keeps_its_links() {
    let world = world(REAL, "hq=1", "munich=2").unwrap();
    assert!(world.agents.iter().all(|place| place.addr.is_loopback()));
    assert!(world.agents.iter().all(|place| world.map.locate(place.addr) == Some(place.site)));
    assert_eq!(world.bound(12_500_000, Timestamp::now()), Some(10.0));
    assert_eq!(world.map.links().count(), 2);
}

#[test]
fn what_cannot_be_laid_out_is_refused_with_the_option_that_is_wrong() {
    let tiny = "{version: 1, sites: {a: {networks: [127.9.0.0/28]}, b: {networks: [127.8.0.0/16]}}, \
                links: [{between: [a, b], rate: 1 Mbit/s}]}";
    let nested = "{version: 1, sites: {a: {networks: [127.9.0.0/16]}, b: {networks: [127.9.0.0/24]}}, \
                  links: [{between: [a, b], rate: 1 Mbit/s}]}";
    for (text, seeds, clients, option, what) in [
        (DEFAULT_MAP, "hqq=1", "b1=1", "--seeds", "hq"),
        (DEFAULT_MAP, "hq=1", "b3=1", "--clients", "b1, b2"),
        (REAL, "hq=1", "backbone=1", "--clients", "transit"),
        ("sites: {", "hq=1", "b1=1", "--sites", "sites.yaml"),
        (tiny, "b=1", "a=9", "--sites", "too small"),
        (nested, "b=1", "a=1", "--sites", "longer network"),
    ] {
        let error = world(text, seeds, clients).unwrap_err();
        assert!(error.contains(option) && error.contains(what), "{error}");
    }
}

#[test]
fn a_site_with_seeders_may_have_clients_that_need_no_link() {
    let world = world(DEFAULT_MAP, "hq=1", "hq=2,b1=1").unwrap();
    let ids: Vec<_> = world.agents.iter().map(|place| place.id.as_str()).collect();
    assert_eq!(ids, ["hq-0", "hq-c0", "hq-c1", "b1-0"]);
    let addrs: BTreeSet<_> = world.agents.iter().map(|place| place.addr).collect();
    assert_eq!(addrs.len(), 4);
    assert_eq!(world.waiting.len(), 1);
}

fn crossings(world: &World) -> f64 {
    copies(&world.ways(Timestamp::now())).values().sum()
}

#[test]
fn where_stripes_are_faster_each_link_is_planned_to_carry_its_stripes_only() {
    let text = include_str!("../../../maps/diamond10.yaml");
    let world = World::new("map", text, None, None, Ground::Namespaces).unwrap();
    let ways = world.ways(Timestamp::now());
    for site in &world.waiting {
        let shares: f64 = ways.iter().filter(|way| way.site == *site).map(|way| way.share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{ways:?}");
    }
    // three sites with two links each: whichever way, half of the content on each of the six
    let copies = copies(&ways);
    assert_eq!(copies.len(), 6, "{copies:?}");
    assert!(
        copies.values().all(|copies| (copies - 0.5).abs() < 1e-9),
        "{copies:?}"
    );
}
