//! What a site map answers.

use std::net::IpAddr;

use narrows_topology::{Hop, LinkId, Rate, SiteId, SiteMap};

const EXAMPLE: &str = include_str!("../sites.example.yaml");

fn map(text: &str) -> SiteMap {
    SiteMap::parse("sites.yaml", text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn site(map: &SiteMap, name: &str) -> SiteId {
    map.site_named(name).unwrap()
}

#[test]
fn an_address_belongs_to_the_site_of_its_network() {
    let map = map(EXAMPLE);
    assert_eq!(map.locate(addr("10.2.3.4")), map.site_named("munich"));
    assert_eq!(map.locate(addr("::ffff:10.2.3.4")), map.site_named("munich"));
    assert_eq!(map.locate(addr("2001:db8:1:5::7")), map.site_named("hq"));
    assert_eq!(map.locate(addr("192.0.2.1")), None);
}

#[test]
fn every_unknown_network_may_be_a_site_of_its_own_behind_the_hub() {
    let map = map(&EXAMPLE.replace("unknown: deny", "unknown: {attach: hq, rate: 2 Mbit/s}"));
    let (a, b) = (
        map.locate(addr("192.0.2.1")).unwrap(),
        map.locate(addr("192.0.2.250")).unwrap(),
    );
    assert_eq!(a, b);
    assert_eq!(map.name(a), "192.0.2.0/24");
    assert_eq!(map.site_named("192.0.2.0/24"), Some(a));
    assert_eq!(
        map.name(map.locate(addr("2001:db8:99:1ff::1")).unwrap()),
        "2001:db8:99:100::/56"
    );
    let other = map.locate(addr("198.51.100.1")).unwrap();
    let route = map.path(a, other).unwrap();
    let names: Vec<_> = route.hops.iter().map(|hop| (map.link_name(hop.link), hop.forward)).collect();
    assert_eq!(
        names,
        [
            ("hq-192.0.2.0/24".to_owned(), false),
            ("hq-198.51.100.0/24".to_owned(), true)
        ]
    );
    assert_eq!(
        map.rate(route.hops[0], jiff::Timestamp::UNIX_EPOCH),
        "2 Mbit/s".parse().unwrap()
    );
    assert_eq!(route.cost, 1000);
    assert_eq!(map.path(a, a).unwrap().hops.len(), 0);
}

#[test]
fn sites_and_links_say_what_the_file_says() {
    let map = map(EXAMPLE);
    let [backbone, hq, munich, vpn] = ["backbone", "hq", "munich", "vpn"].map(|name| site(&map, name));
    assert!(map.sites().eq([backbone, hq, munich, vpn]));
    assert!(map.is_transit(backbone) && !map.is_transit(hq));
    assert!(!map.sharing(vpn) && map.sharing(hq));
    assert_eq!(map.gateways(hq), 1);
    let route = map.path(hq, munich).unwrap();
    assert_eq!(route.cost, 110);
    assert_eq!(map.max_seeders(&route), 1);
    assert_eq!(map.max_seeders(&map.path(hq, vpn).unwrap()), 2);
    let names: Vec<_> = route.hops.iter().map(|hop| (map.link_name(hop.link), hop.forward)).collect();
    assert_eq!(
        names,
        [
            ("hq-backbone".to_owned(), true),
            ("munich-backbone".to_owned(), false)
        ]
    );
    let back: Vec<_> = map.path(munich, hq).unwrap().hops.iter().rev().map(|hop| hop.reversed()).collect();
    assert_eq!(back, *route.hops);
}

#[test]
fn the_links_at_a_site_are_those_that_end_there_in_the_order_of_the_file() {
    let map = map(&EXAMPLE.replace("unknown: deny", "unknown: {attach: hq, rate: 2 Mbit/s}"));
    for id in map.sites() {
        let ends_there = |link: &LinkId| {
            let (one, other) = map.ends(*link);
            one == id || other == id
        };
        let expected: Vec<LinkId> = map.links().filter(ends_there).collect();
        assert!(map.links_at(id).eq(expected), "{}", map.name(id));
    }
    let attached = map.locate(addr("192.0.2.1")).unwrap();
    let names: Vec<String> = map.links_at(attached).map(|link| map.link_name(link)).collect();
    assert_eq!(names, ["hq-192.0.2.0/24"]);
}

#[test]
fn a_schedule_holds_in_the_maps_timezone_and_across_midnight() {
    let map = map(EXAMPLE);
    let hop = Hop {
        link: LinkId::Named(1),
        forward: true,
    };
    let rate = |local: &str| {
        let local: jiff::civil::DateTime = local.parse().unwrap();
        map.rate(hop, map.timezone().to_timestamp(local).unwrap()).to_string()
    };
    // 2026-11-23 is a Monday; Berlin is an hour ahead of UTC
    assert_eq!(rate("2026-11-23T07:59:59"), "10 Mbit/s");
    assert_eq!(rate("2026-11-23T08:00"), "2 Mbit/s");
    assert_eq!(rate("2026-11-23T17:59:59"), "2 Mbit/s");
    assert_eq!(rate("2026-11-23T18:00"), "10 Mbit/s");
    assert_eq!(rate("2026-11-28T12:00"), "10 Mbit/s");
    assert_eq!(rate("2026-11-28T22:00"), "0 kbit/s");
    assert_eq!(rate("2026-11-29T05:59"), "0 kbit/s");
    assert_eq!(rate("2026-11-29T06:00"), "10 Mbit/s");
    assert_eq!(rate("2026-11-29T22:30"), "10 Mbit/s");
}

#[test]
fn the_cheapest_path_is_taken_even_if_it_has_more_hops() {
    let map = map("
version: 1
sites: {a: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}, c: {networks: [10.3.0.0/16]}}
links:
  - {between: [a, b], rate: 10 Mbit/s}
  - {between: [a, c], rate: 100 Mbit/s}
  - {between: [c, b], rate: 50 Mbit/s}
");
    let (a, b) = (site(&map, "a"), site(&map, "b"));
    let route = map.path(a, b).unwrap();
    assert_eq!((route.hops.len(), route.cost), (2, 30));
    assert!(map.rate(route.hops[0], jiff::Timestamp::UNIX_EPOCH) < Rate::UNLIMITED);
}

#[test]
fn a_path_is_marked_with_the_lowest_priority_of_its_links_and_the_default_is_cs1() {
    let text = "
version: 1
DEFAULTS
sites: {a: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}, c: {networks: [10.3.0.0/16]}, d: {networks: [10.4.0.0/16]}}
links:
  - {between: [a, b], rate: 10 Mbit/s, dscp: af21}
  - {between: [b, c], rate: 10 Mbit/s, dscp: none}
  - {between: [c, d], rate: 10 Mbit/s}
unknown: {attach: a, rate: 1 Mbit/s}
";
    for (defaults, expected) in [
        ("", [Some(18), None, Some(8), Some(8)]),
        ("defaults: {dscp: le}", [Some(18), None, Some(1), Some(1)]),
        ("defaults: {dscp: none}", [Some(18), None, None, None]),
        ("defaults: {dscp: 46}", [Some(18), None, None, Some(46)]),
    ] {
        let map = map(&text.replace("DEFAULTS", defaults));
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| site(&map, name));
        let marks = [(a, b), (a, c), (a, d), (c, d)].map(|(from, to)| map.dscp(&map.path(from, to).unwrap()));
        assert_eq!(marks, expected, "{defaults}");
        let unknown = map.locate(addr("192.0.2.1")).unwrap();
        assert_eq!(map.dscp(&map.path(a, unknown).unwrap()), map.dscp_default());
        assert_eq!(
            map.dscp(&map.path(a, a).unwrap()),
            None,
            "inside a site nothing is marked"
        );
    }
}

/// Names that differ in one letter are what companies have.
#[test]
fn among_equal_costs_the_way_back_is_the_way_there() {
    let mut text = "version: 1\nsites: {r15: {}, r16: {}".to_owned();
    let sites: Vec<String> = (0..40).map(|i| format!("s{i:02}")).collect();
    text.extend(sites.iter().map(|name| format!(", {name}: {{}}")));
    text.push_str("}\nlinks:\n");
    for router in ["r15", "r16"] {
        text.extend(
            sites.iter().map(|name| format!("  - {{between: [{name}, {router}], rate: 1 Gbit/s}}\n")),
        );
    }
    let map = map(&text);
    let mut over_first = 0;
    for a in map.sites() {
        for b in map.sites() {
            let there = map.path(a, b).unwrap();
            let back: Vec<Hop> =
                map.path(b, a).unwrap().hops.iter().rev().map(|hop| hop.reversed()).collect();
            assert_eq!(back, *there.hops, "{} to {}", map.name(a), map.name(b));
            over_first += usize::from(there.hops.iter().any(|hop| map.link_name(hop.link).ends_with("r15")));
        }
    }
    assert!(
        (400..1300).contains(&over_first),
        "{over_first} of 1600: the paths are spread over both"
    );
}
