//! Rollouts foretold.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use narrows_topology::plan::{Limit, Plan, PlanError, Rollout, WIRE, plan};
use narrows_topology::{Hop, Rate, SiteId, SiteMap, max_flow};
use proptest::prelude::*;

use crate::meshes::{Mesh, Rates};
use crate::support::{AT, Case, Kind};

pub(crate) const MB: f64 = 1e6;

pub(crate) fn map(text: &str) -> SiteMap {
    SiteMap::parse("map", text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A map of sites by name and links by `a-b rate`.
pub(crate) fn linked(links: &[(&str, &str, &str)], rest: &str) -> SiteMap {
    let mut names: Vec<&str> = links.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
    names.sort_unstable();
    names.dedup();
    let site = |(i, name): (usize, &&str)| match name.starts_with("transit") {
        true => format!("  {name}: {{}}\n"),
        false => format!("  {name}: {{networks: [10.{i}.0.0/16]}}\n"),
    };
    let sites: String = names.iter().enumerate().map(site).collect();
    let links = links.iter().map(|(a, b, rate)| format!("  - {{between: [{a}, {b}], rate: {rate}}}\n"));
    map(&format!(
        "version: 1\nsites:\n{sites}links:\n{}{rest}",
        links.collect::<String>()
    ))
}

pub(crate) fn peers(map: &SiteMap, peers: &[(&str, u32)]) -> BTreeMap<SiteId, u32> {
    peers.iter().map(|(name, count)| (map.site_named(name).unwrap(), *count)).collect()
}

pub(crate) fn rollout(map: &SiteMap, size: f64, seeds: &[(&str, u32)], clients: &[(&str, u32)]) -> Rollout {
    Rollout {
        size: size as u64,
        seeds: peers(map, seeds),
        clients: peers(map, clients),
        at: AT,
    }
}

fn seconds(plan: &Plan, map: &SiteMap, site: &str) -> f64 {
    plan.site(map.site_named(site).unwrap()).unwrap().seconds.unwrap()
}

/// Wire bytes from one site to its neighbour, as copies.
fn copies(plan: &Plan, map: &SiteMap, from: &str, to: &str) -> f64 {
    let (from, to) = (map.site_named(from).unwrap(), map.site_named(to).unwrap());
    let route = map.path(from, to).unwrap();
    assert_eq!(route.hops.len(), 1);
    plan.copies(route.hops[0])
}

pub(crate) fn near(a: f64, b: f64, part: f64) -> bool {
    (a - b).abs() <= b * part
}

const ALL: &str = "20 Mbit/s";

/// The five maps of the figures: 100 MB at 20 Mbit/s is 41.8 s on the wire.
#[test]
fn on_the_maps_of_the_lab_each_link_carries_one_copy_and_the_time_is_that_of_one_link() {
    let star: &[(&str, &str, &str)] = &[("hq", "b1", ALL), ("hq", "b2", ALL)];
    let chain: &[(&str, &str, &str)] = &[
        ("hq", "region", ALL),
        ("region", "b1", ALL),
        ("region", "b2", ALL),
    ];
    let ring: &[(&str, &str, &str)] = &[
        ("hq", "a", ALL),
        ("a", "b", ALL),
        ("b", "c", ALL),
        ("c", "hq", "4 Mbit/s"),
    ];
    type Peers = &'static [(&'static str, u32)];
    let cases: [(&str, _, Peers, usize); 5] = [
        ("star", star, &[("b1", 4), ("b2", 4)], 2),
        ("many clients", star, &[("b1", 12), ("b2", 12)], 2),
        ("chain", chain, &[("region", 2), ("b1", 3), ("b2", 3)], 3),
        ("empty region", chain, &[("b1", 3), ("b2", 3)], 4),
        ("ring", ring, &[("a", 3), ("b", 3), ("c", 3)], 3),
    ];
    for (name, links, clients, hops) in cases {
        let map = linked(links, "");
        for size in [50.0 * MB, 200.0 * MB] {
            let plan = plan(&map, &rollout(&map, size, &[("hq", 4)], clients)).unwrap();
            let time = plan.seconds.unwrap();
            let link = size * WIRE / 2.5e6;
            assert!(
                time >= link && time <= link * 1.03 + 1.0,
                "{name}: {time} s of {link}"
            );
            assert_eq!(plan.hops.len(), hops, "{name}");
            assert!(
                plan.hops.keys().all(|hop| near(plan.copies(*hop), 1.0, 1e-4)),
                "{name}: {:?}",
                plan.hops
            );
            assert!(near(plan.wan, size * WIRE * clients.len() as f64, 1e-9));
        }
    }
}

#[test]
fn each_stage_is_a_piece_behind_the_one_before_and_no_faster() {
    // the pipeline of notes/assignment.md, 2.3: (M - 1) p / min c + sum p / c
    let map = linked(
        &[
            ("hq", "a", "20 Mbit/s"),
            ("a", "b", "10 Mbit/s"),
            ("b", "c", "5 Mbit/s"),
        ],
        "",
    );
    let plan = plan(
        &map,
        &rollout(&map, 2000.0 * MB, &[("hq", 1)], &[("a", 1), ("b", 1), ("c", 1)]),
    )
    .unwrap();
    let piece = 1_048_576.0 * WIRE;
    let all = 2000.0 * MB * WIRE;
    let expected = [
        ("a", all / 2.5e6),
        ("b", (all + piece / 2.0) / 1.25e6),
        ("c", (all - piece) / 0.625e6 + piece * 1.75 / 0.625e6),
    ];
    for (site, expected) in expected {
        let time = seconds(&plan, &map, site) - 0.5;
        assert!(near(time, expected, 2e-3), "{site}: {time}, not {expected}");
    }
}

#[test]
fn a_site_that_does_not_share_fetches_once_for_each_client() {
    let map = map("
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, vpn: {networks: [10.2.0.0/16], sharing: false}, b: {networks: [10.3.0.0/16]}}
links: [{between: [hq, vpn], rate: 20 Mbit/s}, {between: [hq, b], rate: 20 Mbit/s}]
");
    let plan = plan(
        &map,
        &rollout(&map, 100.0 * MB, &[("hq", 1)], &[("vpn", 5), ("b", 5)]),
    )
    .unwrap();
    assert!(near(copies(&plan, &map, "hq", "vpn"), 5.0, 1e-3));
    assert!(near(copies(&plan, &map, "hq", "b"), 1.0, 1e-3));
    assert!(near(seconds(&plan, &map, "vpn"), 5.0 * 41.8, 0.02));
    assert!(near(plan.wan, 6.0 * 100.0 * MB * WIRE, 1e-9));
}

#[test]
fn a_schedule_slows_down_pauses_and_goes_on_by_the_clock_of_the_map() {
    let text = |rate: &str| {
        format!(
            "
version: 1
timezone: Europe/Berlin
sites: {{hq: {{networks: [10.1.0.0/16]}}, b: {{networks: [10.2.0.0/16]}}}}
links: [{{between: [hq, b], rate: 20 Mbit/s, schedule: [{{hours: 13:30-18:00, rate: {rate}}}]}}]
"
        )
    };
    // noon UTC is one o'clock in Berlin: half an hour at 20 Mbit/s, then the rest of 8 GB / 1.045
    for (rate, until_six) in [("0", 0.0), ("1 Mbit/s", 0.125e6 * 4.5 * 3600.0)] {
        let map = map(&text(rate));
        let plan = plan(&map, &rollout(&map, 8e9 / WIRE, &[("hq", 1)], &[("b", 3)])).unwrap();
        let left = 8e9 - 2.5e6 * 1800.0 - until_six;
        let expected = 5.0 * 3600.0 + left / 2.5e6;
        let time = plan.seconds.unwrap();
        assert!(near(time, expected, 1e-3), "{rate}: {time}, not {expected}");
        assert_eq!(
            plan.complete(),
            Some(AT + jiff::SignedDuration::from_secs_f64(time))
        );
    }
}

#[test]
fn when_a_link_is_paused_those_behind_it_look_for_another_parent() {
    // a is as far from hq as b; c hangs on both, by a link to a that is paused a minute after the start
    let map = map("
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, a: {networks: [10.2.0.0/16]}, b: {networks: [10.3.0.0/16]}, c: {networks: [10.4.0.0/16]}}
links:
  - {between: [hq, a], rate: 20 Mbit/s}
  - {between: [hq, b], rate: 20 Mbit/s}
  - {between: [a, c], rate: 20 Mbit/s, schedule: [{hours: 12:01-24:00, rate: 0}]}
  - {between: [b, c], rate: 5 Mbit/s, cost: 60}
");
    let found = plan(
        &map,
        &rollout(&map, 1000.0 * MB, &[("hq", 1)], &[("a", 1), ("b", 1), ("c", 1)]),
    )
    .unwrap();
    // a minute from a, the rest from b
    let (from_a, from_b) = (copies(&found, &map, "a", "c"), copies(&found, &map, "b", "c"));
    assert!(
        near(from_a, 60.0 * 2.5e6 / (1000.0 * MB * WIRE), 0.05),
        "{from_a}"
    );
    assert!(near(from_a + from_b, 1.0, 1e-4), "{from_a} + {from_b}");
    let rest = (1000.0 * MB * WIRE - 60.0 * 2.5e6) / 0.625e6;
    assert!(near(seconds(&found, &map, "c"), 60.0 + rest, 0.02));
}

#[test]
fn what_is_paused_for_good_is_never_complete_and_says_which_link() {
    let map = map("
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, a: {networks: [10.2.0.0/16]}, b: {networks: [10.3.0.0/16]}}
links: [{between: [hq, a], rate: 20 Mbit/s}, {between: [a, b], rate: 20 Mbit/s, schedule: [{rate: 0}]}]
");
    let plan = plan(
        &map,
        &rollout(&map, 10.0 * MB, &[("hq", 1)], &[("a", 1), ("b", 1)]),
    )
    .unwrap();
    let b = plan.site(map.site_named("b").unwrap()).unwrap();
    assert_eq!((b.seconds, b.complete, plan.seconds), (None, None, None));
    let Limit::Link(hop) = b.limit else {
        panic!("{:?}", b.limit)
    };
    assert_eq!(map.link_name(hop.link), "a-b");
    assert!(near(seconds(&plan, &map, "a"), 0.5 + 4.18, 0.02));
    assert_eq!(
        plan.needed(&map, AT + 1.hour()),
        None,
        "no rate makes up for a pause"
    );
}

#[test]
fn plain_bittorrent_and_unicast_load_the_links_as_the_formulas_say() {
    let map = linked(
        &[
            ("hq", "transit", "100 Mbit/s"),
            ("transit", "a", "10 Mbit/s"),
            ("transit", "b", "10 Mbit/s"),
        ],
        "",
    );
    let found = plan(
        &map,
        &rollout(&map, 500.0 * MB, &[("hq", 4)], &[("a", 4), ("b", 4)]),
    )
    .unwrap();
    let copy = 500.0 * MB * WIRE;
    // F sum n_v (1 - (n_v - 1 + seeds_v) / (N + seeds - 1)) with N = 8, seeds = 4
    assert!(near(
        found.torrent.wan,
        copy * 2.0 * 4.0 * (1.0 - 3.0 / 11.0),
        1e-9
    ));
    let hop = |from: &str, to: &str| -> Hop {
        map.path(map.site_named(from).unwrap(), map.site_named(to).unwrap()).unwrap().hops[0]
    };
    // into a: from four seeders and from four clients at b; out of hq: to both
    assert!(near(
        found.torrent.hops[&hop("transit", "a")],
        copy * 4.0 * 8.0 / 11.0,
        1e-9
    ));
    assert!(near(
        found.torrent.hops[&hop("hq", "transit")],
        copy * 8.0 * 4.0 / 11.0,
        1e-9
    ));
    assert!(near(found.unicast.wan, copy * 8.0, 1e-9));
    assert!(near(found.unicast.hops[&hop("hq", "transit")], copy * 8.0, 1e-9));
    assert_eq!(found.unicast.busiest, Some(hop("transit", "a")));
    assert!(near(found.unicast.seconds.unwrap(), 4.0 * copy / 1.25e6, 0.01));
}

#[test]
fn wrong_rollouts_are_refused_with_the_reason() {
    let map = map("
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, t: {}, vpn: {networks: [10.2.0.0/16], sharing: false}}
links: [{between: [hq, t], rate: 20 Mbit/s}, {between: [t, vpn], rate: 20 Mbit/s}]
");
    let refused = |size: f64, seeds: &[(&str, u32)], clients: &[(&str, u32)]| {
        plan(&map, &rollout(&map, size, seeds, clients)).unwrap_err()
    };
    assert_eq!(refused(0.0, &[("hq", 1)], &[("vpn", 1)]), PlanError::Empty);
    assert_eq!(refused(1.0, &[], &[("vpn", 1)]), PlanError::NoSeeders);
    assert_eq!(refused(1.0, &[("hq", 1)], &[]), PlanError::NoClients);
    assert_eq!(
        refused(1.0, &[("hq", 1)], &[("t", 1)]),
        PlanError::Transit("t".into(), "clients")
    );
    assert_eq!(
        refused(1.0, &[("hq", 0)], &[("vpn", 1)]),
        PlanError::NoPeers("hq".into(), "seeders")
    );
    assert_eq!(
        refused(1.0, &[("vpn", 1)], &[("hq", 1)]),
        PlanError::Unreachable("hq".into(), "vpn".into())
    );
}

fn of(case: &Case, size: f64, clients: u32) -> Rollout {
    Rollout {
        size: size as u64,
        seeds: case.roots.iter().map(|site| (*site, 1)).collect(),
        clients: case.waiting.iter().map(|site| (*site, clients)).collect(),
        at: AT,
    }
}

/// No site is faster than the fluid bound, no hop carries more than its rate allows, bytes are those of the
/// flows.
fn assert_possible(case: &Case, plan: &Plan) -> Result<(), TestCaseError> {
    let copy = plan.rollout.size as f64 * WIRE;
    let mut expected: BTreeMap<Hop, f64> = BTreeMap::new();
    for (site, parent) in plan.stripes.iter().flatten() {
        for hop in case.map.path(parent.site, *site).unwrap().hops.iter() {
            let copies = if case.map.sharing(*site) {
                1.0
            } else {
                f64::from(plan.rollout.clients[site])
            };
            *expected.entry(*hop).or_insert(0.0) += copies / plan.stripes.len() as f64;
        }
    }
    prop_assert!(expected.keys().eq(plan.hops.keys()));
    for (hop, copies) in expected {
        prop_assert!(
            near(plan.copies(hop), copies, 1e-4),
            "{:?} carries {} and not {}",
            hop,
            plan.copies(hop),
            copies
        );
        let least = copies * copy / case.map.rate(hop, AT).bytes_per_second().unwrap() as f64;
        prop_assert!(
            plan.seconds.unwrap() >= least * 0.999,
            "{:?} cannot carry that in the time",
            hop
        );
    }
    for site in &plan.sites {
        let bound = max_flow(&case.map, AT, &case.roots, site.site).bytes_per_second().unwrap() as f64;
        let time = site.seconds.unwrap();
        prop_assert!(time >= copy / bound * 0.999, "{:?} in {} s", site, time);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_never_promises_what_the_links_cannot_carry(
        sites in 2usize..30, extra in 0usize..6, transit in 0u32..40, fetching in 0u32..30, roots in 1usize..3, seed: u64, clients in 1u32..6,
    ) {
        let case = Case::random(Kind { sites, extra, transit, fetching, roots, waiting: 80 }, seed);
        if !case.waiting.is_empty() {
            let plan = plan(&case.map, &of(&case, 300.0 * MB, clients)).unwrap();
            assert_possible(&case, &plan)?;
        }
    }

    #[test]
    fn on_meshes_the_time_is_that_of_the_slowest_planned_rate(
        mesh in prop_oneof![(3usize..9).prop_map(Mesh::Ring), (2usize..5).prop_map(Mesh::Diamond)], seed: u64,
    ) {
        let case = Case::mesh(mesh, Rates::Equal, seed);
        let plan = plan(&case.map, &of(&case, 500.0 * MB, 3)).unwrap();
        assert_possible(&case, &plan)?;
        let bound = case.waiting.iter().map(|site| max_flow(&case.map, AT, &case.roots, *site)).min();
        let bound = bound.and_then(Rate::bytes_per_second).unwrap() as f64;
        prop_assert!(plan.seconds.unwrap() <= 500.0 * MB * WIRE / bound * 1.15 + 1.0);
    }

    #[test]
    fn twice_the_bytes_take_about_twice_the_time_and_the_same_bytes_the_same(seed: u64, sites in 2usize..20) {
        let case = Case::random(Kind { sites, extra: 2, transit: 20, fetching: 0, roots: 1, waiting: 90 }, seed);
        if !case.waiting.is_empty() {
            let time = |size: f64| plan(&case.map, &of(&case, size, 2)).unwrap().seconds.unwrap();
            let (once, twice) = (time(4000.0 * MB), time(8000.0 * MB));
            prop_assert!(near(twice, 2.0 * once, 0.02), "{} and {}", once, twice);
            prop_assert_eq!(time(4000.0 * MB), once);
        }
    }
}

#[test]
fn schedules_change_when_they_say() {
    let map = map("
version: 1
timezone: Europe/Berlin
sites: {hq: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}}
links: [{between: [hq, b], rate: 20 Mbit/s, schedule: [{days: mon-fri, hours: 22:00-06:00, rate: 0}]}]
");
    let mut at: Timestamp = "2026-11-23T12:00:00+01:00".parse().unwrap();
    let mut changes = Vec::new();
    for _ in 0..4 {
        at = map.next_change(at).unwrap();
        changes.push(map.timezone().to_datetime(at).to_string());
    }
    assert_eq!(
        changes,
        [
            "2026-11-23T22:00:00",
            "2026-11-24T00:00:00",
            "2026-11-24T06:00:00",
            "2026-11-24T22:00:00"
        ]
    );
    assert_eq!(linked(&[("a", "b", ALL)], "").next_change(at), None);
}
