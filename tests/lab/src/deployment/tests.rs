//! Who is where, and which maps can be laid out.

use super::*;

fn groups(text: &str) -> Groups {
    text.parse().unwrap()
}

fn deployment(text: &str, seeds: &str, clients: &str) -> Result<Deployment, String> {
    Deployment::new(
        "sites.yaml",
        text,
        Some(&groups(seeds)),
        Some(&groups(clients)),
        AddressSpace::Loopback,
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
    let deployment = Deployment::new("default", DEFAULT_MAP, None, None, AddressSpace::Loopback).unwrap();
    assert_eq!(deployment.agents.len(), 12);
    assert_eq!(deployment.agents.iter().filter(|place| place.seeder).count(), 4);
    assert_eq!(deployment.client_sites().len(), 2);
    assert_eq!(deployment.bound(500_000_000, Timestamp::now()), Some(50.0));
    assert_eq!(crossings(&deployment), 2.0);
    let hq0 = deployment.agents.iter().find(|place| place.id == "hq-0").unwrap();
    assert_eq!(hq0.addr.to_string(), "127.1.0.10");
}

#[test]
fn the_maps_beside_it_are_right() {
    for text in [
        include_str!("../../../maps/staged.yaml"),
        include_str!("../../../maps/transit.yaml"),
    ] {
        let deployment = Deployment::new("map", text, None, None, AddressSpace::Loopback).unwrap();
        assert_eq!(deployment.bound(500_000_000, Timestamp::now()), Some(50.0));
        assert_eq!(deployment.text, text);
    }
}

#[test]
fn the_bound_is_the_best_paths_rate_whichever_sites_pass_it_on_and_all_paths_together_may_do_better() {
    let seconds = |text, seeds, clients| {
        let deployment = deployment(text, seeds, clients).unwrap();
        let now = Timestamp::now();
        (
            deployment.bound(50_000_000, now),
            deployment.max_flow_bound(50_000_000, now),
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
    let deployment = deployment(REAL, "hq=1", "munich=2").unwrap();
    assert!(deployment.agents.iter().all(|place| place.addr.is_loopback()));
    assert!(deployment.agents.iter().all(|place| deployment.map.locate(place.addr) == Some(place.site)));
    assert_eq!(deployment.bound(12_500_000, Timestamp::now()), Some(10.0));
    assert_eq!(deployment.map.links().count(), 2);
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
        let error = deployment(text, seeds, clients).unwrap_err();
        assert!(error.contains(option) && error.contains(what), "{error}");
    }
}

#[test]
fn a_site_with_seeders_may_have_clients_that_need_no_link() {
    let deployment = deployment(DEFAULT_MAP, "hq=1", "hq=2,b1=1").unwrap();
    let ids: Vec<_> = deployment.agents.iter().map(|place| place.id.as_str()).collect();
    assert_eq!(ids, ["hq-0", "hq-c0", "hq-c1", "b1-0"]);
    let addrs: BTreeSet<_> = deployment.agents.iter().map(|place| place.addr).collect();
    assert_eq!(addrs.len(), 4);
    assert_eq!(deployment.waiting.len(), 1);
}

fn crossings(deployment: &Deployment) -> f64 {
    copies(&deployment.planned_routes(Timestamp::now())).values().sum()
}

#[test]
fn where_stripes_are_faster_each_link_is_planned_to_carry_its_stripes_only() {
    let text = include_str!("../../../maps/diamond10.yaml");
    let deployment = Deployment::new("map", text, None, None, AddressSpace::Namespaces).unwrap();
    let routes = deployment.planned_routes(Timestamp::now());
    for site in &deployment.waiting {
        let shares: f64 = routes.iter().filter(|route| route.site == *site).map(|route| route.share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{routes:?}");
    }
    // three sites with two links each: whichever way, half of the content on each of the six
    let copies = copies(&routes);
    assert_eq!(copies.len(), 6, "{copies:?}");
    assert!(
        copies.values().all(|copies| (copies - 0.5).abs() < 1e-9),
        "{copies:?}"
    );
}
