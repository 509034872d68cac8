//! Several forests side by side on meshed maps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use narrows_topology::{Forest, Hop, Load, Parent, Rate, SiteId, SiteMap, max_flow, stripes};
use proptest::prelude::*;

use crate::meshes::{Mesh, Rates};
use crate::support::{AT, Case, Kind};

fn bytes(rate: Rate) -> f64 {
    rate.bytes_per_second().map_or(f64::INFINITY, |bytes| bytes as f64)
}

impl Case {
    fn stripes(&self) -> Option<Vec<Forest>> {
        stripes(
            &self.map,
            AT,
            &self.roots,
            &self.waiting,
            &BTreeSet::new(),
            &Load::default(),
        )
    }

    /// The slowest site with one forest, whose flows share the links max-min fairly.
    fn slowest_of_one(&self) -> f64 {
        let rates = self.rates(&self.forest());
        rates.into_iter().map(|(_, rate)| rate).fold(f64::INFINITY, f64::min)
    }

    fn bound(&self) -> f64 {
        let flows = self.waiting.iter().map(|site| bytes(max_flow(&self.map, AT, &self.roots, *site)));
        flows.fold(f64::INFINITY, f64::min)
    }
}

/// What each site gets of all stripes together.
fn totals(stripes: &[Forest]) -> BTreeMap<SiteId, f64> {
    let mut totals = BTreeMap::new();
    for (site, parent) in stripes.iter().flatten() {
        *totals.entry(*site).or_insert(0.0) += bytes(parent.rate);
    }
    totals
}

fn slowest(stripes: &[Forest]) -> f64 {
    totals(stripes).into_values().fold(f64::INFINITY, f64::min)
}

/// Each stripe is a forest below the roots that reaches every waiting site, no hop carries more than its
/// rate, and no site is to send on faster than it receives.
fn assert_packed(case: &Case, stripes: &[Forest]) {
    assert!((2..=4).contains(&stripes.len()));
    let mut used: BTreeMap<Hop, f64> = BTreeMap::new();
    for stripe in stripes {
        assert!(
            stripe.keys().eq(case.waiting.iter()),
            "every waiting site has a parent in each stripe"
        );
        for (site, parent) in stripe {
            assert!(!case.map.is_transit(parent.site) && case.map.sharing(parent.site));
            for hop in case.map.path(parent.site, *site).unwrap().hops.iter() {
                *used.entry(*hop).or_insert(0.0) += bytes(parent.rate);
            }
            if let Some(above) = stripe.get(&parent.site) {
                assert!(parent.rate <= above.rate, "{site:?} gets more than its parent");
            }
            let (mut at, mut steps) = (*site, 0);
            while let Some(parent) = stripe.get(&at) {
                (at, steps) = (parent.site, steps + 1);
                assert!(steps <= stripe.len(), "a loop above {site:?}");
            }
            assert!(case.roots.contains(&at), "{site:?} is not below a root");
        }
    }
    for (hop, sum) in used {
        let rate = bytes(case.map.rate(hop, AT));
        assert!(sum <= rate * 1.000_001 + 1.0, "{sum} of {rate} on {hop:?}");
    }
}

fn mesh() -> impl Strategy<Value = Mesh> {
    prop_oneof![
        (3usize..12).prop_map(Mesh::Ring),
        (2usize..8).prop_map(Mesh::Diamond),
        (2usize..6, 2usize..6).prop_map(|(w, h)| Mesh::Grid(w, h)),
        (1usize..12).prop_map(Mesh::TwoHomed),
        (3usize..10).prop_map(Mesh::Pops),
        (3usize..30, 1usize..20).prop_map(|(n, extra)| Mesh::Random(n, extra)),
    ]
}

fn rates() -> impl Strategy<Value = Rates> {
    prop_oneof![Just(Rates::Equal), Just(Rates::Steps), Just(Rates::Wide)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stripes_are_forests_that_fit_beside_each_other_and_make_no_site_slower(mesh in mesh(), rates in rates(), seed: u64) {
        let case = Case::mesh(mesh, rates, seed);
        if let Some(stripes) = case.stripes() {
            assert_packed(&case, &stripes);
            let one: BTreeMap<SiteId, f64> = case.rates(&case.forest()).into_iter().collect();
            let mut gained = false;
            for (site, total) in totals(&stripes) {
                prop_assert!(total >= one[&site] * 0.949, "{:?}: {} instead of {}", site, total, one[&site]);
                gained |= total >= one[&site] * 1.099;
            }
            prop_assert!(gained, "no site gains");
        }
    }

    #[test]
    fn sites_that_only_fetch_or_have_nothing_to_give_serve_no_site_in_any_stripe(
        sites in 3usize..25, extra in 1usize..15, roots in 1usize..4, seed: u64, dry: u64,
    ) {
        let case = Case::random(Kind { sites, extra, transit: 20, fetching: 25, roots, waiting: 80 }, seed);
        let all: Vec<SiteId> = case.roots.iter().chain(&case.waiting).copied().collect();
        let pick = |n: u64| all[(dry.wrapping_mul(2 * n + 1) >> 32) as usize % all.len()];
        let barren: BTreeSet<(SiteId, SiteId)> = (0..4).map(|n| (pick(n), pick(n + 4))).collect();
        let found = stripes(&case.map, AT, &case.roots, &case.waiting, &barren, &Load::default());
        for stripe in found.iter().flatten() {
            for (site, parent) in stripe {
                prop_assert!(!case.map.is_transit(parent.site) && case.map.sharing(parent.site));
                prop_assert!(!barren.contains(&(*site, parent.site)));
                prop_assert!(!barren.contains(&(parent.site, parent.site)), "it serves no other");
                prop_assert!(case.roots.contains(&parent.site) || stripe.contains_key(&parent.site));
            }
        }
        let harmless = |(child, parent): &(SiteId, SiteId)| child != parent && case.roots.contains(child);
        if let (Some(stripes), true) = (found, barren.iter().all(harmless)) {
            assert_packed(&case, &stripes);
        }
    }

    #[test]
    fn on_rings_and_diamonds_of_equal_links_every_site_gets_the_bound(
        mesh in prop_oneof![(3usize..20).prop_map(Mesh::Ring), (2usize..5).prop_map(Mesh::Diamond)], seed: u64,
    ) {
        let case = Case::mesh(mesh, Rates::Equal, seed);
        let stripes = case.stripes().unwrap();
        assert_packed(&case, &stripes);
        prop_assert!(slowest(&stripes) * 1.15 >= case.bound(), "{} of {}", slowest(&stripes), case.bound());
    }

    #[test]
    fn a_map_without_cycles_has_no_stripes(sites in 1usize..40, roots in 1usize..4, seed: u64) {
        let case = Case::random(Kind { sites, extra: 0, transit: 30, fetching: 20, roots, waiting: 80 }, seed);
        prop_assert_eq!(case.stripes(), None);
    }

    #[test]
    fn what_other_swarms_plan_is_left_to_them(mesh in mesh(), rates in rates(), seed: u64) {
        let case = Case::mesh(mesh, rates, seed);
        let sites: Vec<SiteId> = case.roots.iter().chain(&case.waiting).copied().collect();
        let mut load = Load::default();
        if let Some(route) = case.map.path(sites[0], sites[sites.len() - 1]) {
            load.add(&route, Rate::from_bits_per_second(4_000_000));
        }
        let found = stripes(&case.map, AT, &case.roots, &case.waiting, &BTreeSet::new(), &load);
        let mut used: BTreeMap<Hop, f64> = BTreeMap::new();
        for (site, parent) in found.iter().flatten().flatten() {
            for hop in case.map.path(parent.site, *site).unwrap().hops.iter() {
                *used.entry(*hop).or_insert(0.0) += bytes(parent.rate);
            }
        }
        for (hop, sum) in used {
            let left = bytes(load.speed(hop, case.map.rate(hop, AT)));
            prop_assert!(sum <= left * 1.000_001 + 1.0, "{} of {} on {:?}", sum, left, hop);
        }
    }

    #[test]
    fn a_site_that_hangs_on_another_changes_nothing_for_the_rest(n in 3usize..10, at in 0usize..10) {
        let links = (0..n).map(|i| format!("  - {{between: [s{i}, s{}], rate: 10 Mbit/s}}\n", (i + 1) % n));
        let sites = (0..n).map(|i| format!("  s{i}: {{networks: [10.0.{i}.0/24]}}\n"));
        let text = format!(
            "version: 1\nsites:\n{}  x: {{networks: [10.1.0.0/16]}}\nlinks:\n{}  - {{between: [x, s{}], rate: 3 Mbit/s}}\n",
            sites.collect::<String>(), links.collect::<String>(), at % n,
        );
        let map = SiteMap::parse("ring", &text).unwrap();
        let mut waiting: BTreeSet<SiteId> = map.sites().collect();
        let roots = BTreeSet::from([waiting.pop_first().unwrap()]);
        let ask = |waiting: &BTreeSet<SiteId>| {
            stripes(&map, AT, &roots, waiting, &BTreeSet::new(), &Load::default()).unwrap()
        };
        let with = ask(&waiting);
        let x = waiting.pop_last().unwrap();
        let without = ask(&waiting);
        for (with, without) in with.into_iter().zip(without) {
            prop_assert_eq!(with[&x], Parent { site: map.site_named(&format!("s{}", at % n)).unwrap(), ..with[&x] });
            prop_assert!(with.into_iter().filter(|(site, _)| *site != x).eq(without));
        }
    }
}

/// Issue 3: four links of 10 Mbit/s; with one parent each, one of the three gets 10 Mbit/s and the time is
/// twice the bound.
#[test]
fn on_a_diamond_every_site_gets_both_links_by_two_stripes() {
    let map = SiteMap::parse(
        "diamond",
        "
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, a: {networks: [10.2.0.0/16]}, b: {networks: [10.3.0.0/16]}, c: {networks: [10.4.0.0/16]}}
links:
  - {between: [hq, a], rate: 10 Mbit/s}
  - {between: [hq, b], rate: 10 Mbit/s}
  - {between: [a, c], rate: 10 Mbit/s}
  - {between: [b, c], rate: 10 Mbit/s}
",
    )
    .unwrap();
    let [a, b, c, hq] = ["a", "b", "c", "hq"].map(|name| map.site_named(name).unwrap());
    let rate = Rate::from_bits_per_second(10_000_000);
    let chain = |sites: [SiteId; 4]| -> Forest {
        sites.windows(2).map(|pair| (pair[1], Parent { site: pair[0], rate })).collect()
    };
    let waiting = BTreeSet::from([a, b, c]);
    let found = stripes(
        &map,
        AT,
        &BTreeSet::from([hq]),
        &waiting,
        &BTreeSet::new(),
        &Load::default(),
    );
    assert_eq!(found, Some(vec![chain([hq, a, c, b]), chain([hq, b, c, a])]));
}

#[test]
fn a_ring_whose_fourth_link_is_slow_is_no_case_for_stripes() {
    let text = "
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, a: {networks: [10.2.0.0/16]}, b: {networks: [10.3.0.0/16]}, c: {networks: [10.4.0.0/16]}}
links:
  - {between: [hq, a], rate: 20 Mbit/s}
  - {between: [a, b], rate: 20 Mbit/s}
  - {between: [b, c], rate: 20 Mbit/s}
  - {between: [c, hq], rate: 4 Mbit/s}
";
    let map = SiteMap::parse("ring", text).unwrap();
    let mut waiting: BTreeSet<SiteId> = map.sites().collect();
    let hq = map.site_named("hq").unwrap();
    waiting.remove(&hq);
    let found = stripes(
        &map,
        AT,
        &BTreeSet::from([hq]),
        &waiting,
        &BTreeSet::new(),
        &Load::default(),
    );
    assert_eq!(found, None);
}

/// How often how near to the bound, and in what time:
/// `cargo test --release -p narrows-topology -- --ignored --nocapture stripes`.
#[test]
#[ignore = "statistics, to be run in release"]
fn statistics_of_stripes_on_random_meshes() {
    println!(
        "mesh, rates: maps, one forest within 1.15 / 1.25 of the bound, with stripes, stripes found; time mean / most"
    );
    for (name, make) in [
        ("ring", (|n| Mesh::Ring(3 + n % 18)) as fn(usize) -> Mesh),
        ("diamond", |n| Mesh::Diamond(2 + n % 6)),
        ("grid", |n| Mesh::Grid(2 + n % 5, 2 + n / 5 % 5)),
        ("two-homed", |n| Mesh::TwoHomed(1 + n % 20)),
        ("pops", |n| Mesh::Pops(3 + n % 12)),
        ("random", |n| Mesh::Random(4 + n % 40, 1 + n / 7 % 30)),
        ("64 sites", |n| Mesh::Grid(8, 8 - n % 2)),
    ] {
        for rates in [Rates::Equal, Rates::Steps, Rates::Wide] {
            let maps = if name == "64 sites" { 10 } else { 200 };
            let mut near = [[0; 2]; 2];
            let (mut found, mut sum, mut most) = (0, 0.0f64, 0.0f64);
            for n in 0..maps {
                let case = Case::mesh(make(n), rates, n as u64);
                if case.waiting.is_empty() {
                    continue;
                }
                let _ = case.forest();
                let begun = Instant::now();
                let stripes = case.stripes();
                let took = begun.elapsed().as_secs_f64() * 1e6;
                (sum, most) = (sum + took, most.max(took));
                let one = case.slowest_of_one();
                let bound = case.bound();
                let with = stripes.map_or(one, |stripes| {
                    found += 1;
                    assert_packed(&case, &stripes);
                    slowest(&stripes).max(one)
                });
                for (i, rate) in [one, with].into_iter().enumerate() {
                    for (j, factor) in [1.15, 1.25].into_iter().enumerate() {
                        near[i][j] += usize::from(rate * factor >= bound * 0.9999);
                    }
                }
            }
            let [[a, b], [c, d]] = near.map(|near| near.map(|n| 100 * n / maps));
            println!(
                "{name}, {rates:?}: {maps} maps, one {a} / {b} %, stripes {c} / {d} %, found {} %; {:.0} / {most:.0} us",
                100 * found / maps,
                sum / maps as f64
            );
        }
    }
}
