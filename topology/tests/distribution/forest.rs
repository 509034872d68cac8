//! Rule 3 on random maps.

use std::collections::BTreeSet;

use crate::support::{AT, Case, Kind};
use narrows_topology::{Forest, Load, Parent, Rate, SiteId, SiteMap, forest, max_flow};
use proptest::prelude::*;

type Barren = BTreeSet<(SiteId, SiteId)>;

fn kind() -> impl Strategy<Value = Kind> {
    (1usize..40, 0usize..20, 0u32..60, 0u32..40, 1usize..4, 20u32..101).prop_map(
        |(sites, extra, transit, fetching, roots, waiting)| Kind {
            sites,
            extra,
            transit,
            fetching,
            roots,
            waiting,
        },
    )
}

/// Trees whose sites all share.
fn tree() -> impl Strategy<Value = Kind> {
    kind().prop_map(|kind| Kind {
        extra: 0,
        fetching: 0,
        ..kind
    })
}

/// Every site is below a root, by parents that may serve it, and a site without a parent could have none.
fn assert_sound(case: &Case, forest: &Forest, barren: &Barren) {
    let (map, roots) = (&case.map, &case.roots);
    for (site, parent) in forest {
        assert!(
            case.waiting.contains(site) && !roots.contains(site),
            "only waiting sites have parents"
        );
        assert!(
            !map.is_transit(parent.site) && map.sharing(parent.site),
            "{parent:?} serves no other"
        );
        assert!(
            !barren.contains(&(*site, parent.site)),
            "{parent:?} has nothing to give"
        );
        let (mut at, mut steps) = (*site, 0);
        while let Some(parent) = forest.get(&at) {
            (at, steps) = (parent.site, steps + 1);
            assert!(steps <= forest.len(), "a loop above {site:?}");
        }
        assert!(roots.contains(&at), "{site:?} is not below a root");
    }
    for site in case.waiting.difference(roots).filter(|site| !forest.contains_key(site)) {
        for from in roots.iter().chain(forest.keys()) {
            let serves = !map.is_transit(*from) && map.sharing(*from) && !barren.contains(&(*site, *from));
            assert!(
                !serves || map.path(*from, *site).is_none(),
                "{from:?} could feed {site:?}"
            );
        }
    }
}

/// Some of the sites, by the bits of a number.
fn some(sites: &BTreeSet<SiteId>, mut bits: u64) -> BTreeSet<SiteId> {
    let mut chosen = BTreeSet::new();
    for site in sites {
        if bits & 3 == 3 {
            chosen.insert(*site);
        }
        bits = bits.rotate_right(2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    chosen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_waiting_site_is_below_a_root_without_loops_where_a_path_exists(kind in kind(), seed: u64) {
        let case = Case::random(kind, seed);
        let forest = case.forest();
        assert_sound(&case, &forest, &Barren::new());
        prop_assert_eq!(forest.len(), case.waiting.len());
    }

    #[test]
    fn no_site_is_moved_without_a_cause(kind in kind(), seed: u64, left: u64, supplied: u64, dry: u64) {
        let mut case = Case::random(kind, seed);
        let later = some(&case.waiting, seed);
        case.waiting = &case.waiting - &later;
        let before = case.forest();
        // some join, some leave, some become supplied, some parents have nothing to give
        let gone = some(&case.waiting, left);
        case.waiting = &(&case.waiting | &later) - &gone;
        case.roots.extend(some(&case.waiting, supplied & supplied.rotate_left(9)));
        let dry = some(&case.waiting, dry);
        let barren: Barren =
            before.iter().filter(|(site, _)| dry.contains(site)).map(|(site, parent)| (*site, parent.site)).collect();
        let after =
            forest(&case.map, AT, &case.roots, &case.waiting, &before, &barren, &Load::default());
        assert_sound(&case, &after, &barren);
        for (site, parent) in &after {
            let Some(old) = before.get(site) else { continue };
            // a parent may itself be cut off by all roots, so that it can be fed from below alone
            let mut serving = case.roots.iter().filter(|root| case.map.sharing(**root));
            let is_root = case.roots.contains(&old.site);
            let cut_off = !is_root && serving.all(|root| barren.contains(&(old.site, *root)));
            let gone = !is_root && !after.contains_key(&old.site);
            let cause = barren.contains(&(*site, old.site)) || gone || cut_off;
            prop_assert!(parent.site == old.site || cause, "{:?} moved from {:?} to {:?}", site, old, parent);
        }
    }

    #[test]
    fn nonsense_that_is_to_be_kept_does_no_harm(
        kind in kind(), seed: u64, pairs in proptest::collection::vec((0u32..40, 0u32..45, any::<u64>()), 0..40), dry: u64,
    ) {
        let case = Case::random(kind, seed);
        let keep: Forest = pairs
            .iter()
            .map(|(site, parent, rate)| {
                let parent = Parent { site: SiteId::Named(*parent), rate: Rate::from_bytes_per_second(*rate) };
                (SiteId::Named(*site), parent)
            })
            .collect();
        let barren = some(&case.waiting, dry).into_iter().zip(case.roots.iter().chain(&case.waiting).copied()).collect();
        let forest = forest(&case.map, AT, &case.roots, &case.waiting, &keep, &barren, &Load::default());
        assert_sound(&case, &forest, &barren);
    }

    #[test]
    fn a_forest_that_is_kept_stays(kind in kind(), seed: u64) {
        let case = Case::random(kind, seed);
        let first = case.forest();
        let again = forest(&case.map, AT, &case.roots, &case.waiting, &first, &Barren::new(), &Load::default());
        let parents = |forest: &Forest| forest.iter().map(|(site, parent)| (*site, parent.site)).collect::<Vec<_>>();
        prop_assert_eq!(parents(&first), parents(&again));
    }

    #[test]
    fn on_a_tree_with_one_root_the_time_is_within_a_quarter_of_the_fluid_bound(kind in tree(), seed: u64) {
        let case = Case::random(Kind { roots: 1, ..kind }, seed);
        let bound = case.waiting.iter().map(|site| max_flow(&case.map, AT, &case.roots, *site)).min();
        assert_time(&case, bound)?;
    }

    #[test]
    fn on_a_tree_with_several_roots_the_time_is_within_a_quarter_of_the_best_single_paths(kind in tree(), seed: u64) {
        let case = Case::random(Kind { roots: 3, ..kind }, seed);
        assert_time(&case, case.waiting.iter().map(|site| case.widest(*site)).min())?;
    }
}

/// All sites get the same bytes, so the times are as the inverse of the slowest rates.
fn assert_time(case: &Case, bound: Option<Rate>) -> Result<(), TestCaseError> {
    let forest = case.forest();
    let slowest = case.rates(&forest).into_iter().map(|(_, rate)| rate).fold(f64::INFINITY, f64::min);
    if let Some(bound) = bound.and_then(Rate::bytes_per_second) {
        let ratio = bound as f64 / slowest;
        prop_assert!(ratio <= 1.25, "{ratio} times the bound");
    }
    Ok(())
}

fn map(text: &str) -> SiteMap {
    SiteMap::parse("map", text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn sites(map: &SiteMap, names: &[&str]) -> BTreeSet<SiteId> {
    names.iter().map(|name| map.site_named(name).unwrap()).collect()
}

/// `site<parent` for each site of a forest, by name.
fn spelled(map: &SiteMap, forest: &Forest) -> String {
    let all = forest.iter().map(|(site, parent)| format!("{}<{}", map.name(*site), map.name(parent.site)));
    all.collect::<Vec<_>>().join(" ")
}

fn plain(map: &SiteMap, roots: &[&str], waiting: &[&str], load: &Load) -> Forest {
    forest(
        map,
        AT,
        &sites(map, roots),
        &sites(map, waiting),
        &Forest::new(),
        &Barren::new(),
        load,
    )
}

#[test]
fn a_branch_is_fed_by_its_sibling_so_that_the_roots_uplink_carries_one_copy() {
    let map = map("
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, hub: {}, a: {networks: [10.2.0.0/16]}, b: {networks: [10.3.0.0/16]}}
links:
  - {between: [hq, hub], rate: 10 Mbit/s}
  - {between: [a, hub], rate: 10 Mbit/s}
  - {between: [b, hub], rate: 10 Mbit/s}
");
    let forest = plain(&map, &["hq"], &["a", "b"], &Load::default());
    assert_eq!(spelled(&map, &forest), "a<hq b<a");
    assert!(forest.values().all(|parent| parent.rate.to_string() == "10 Mbit/s"));
}

#[test]
fn what_other_swarms_plan_on_a_link_drives_a_swarm_to_another() {
    let map = map("
version: 1
sites: {a: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}, c: {networks: [10.3.0.0/16]}}
links:
  - {between: [a, c], rate: 10 Mbit/s}
  - {between: [b, c], rate: 10 Mbit/s}
");
    let [a, c] = ["a", "c"].map(|name| map.site_named(name).unwrap());
    assert_eq!(
        spelled(&map, &plain(&map, &["a", "b"], &["c"], &Load::default())),
        "c<a"
    );
    let route = map.path(a, c).unwrap();
    let mut load = Load::default();
    load.add(&route, "10 Mbit/s".parse().unwrap());
    assert_eq!(spelled(&map, &plain(&map, &["a", "b"], &["c"], &load)), "c<b");
    load.remove(&route, "10 Mbit/s".parse().unwrap());
    assert!(load.is_empty());
}

#[test]
fn a_site_that_only_fetches_is_no_parent_even_if_it_is_nearest() {
    let map = map("
version: 1
sites: {a: {networks: [10.1.0.0/16]}, vpn: {networks: [10.2.0.0/16], sharing: false}, c: {networks: [10.3.0.0/16]}}
links:
  - {between: [a, vpn], rate: 1 Mbit/s}
  - {between: [vpn, c], rate: 100 Mbit/s}
");
    assert_eq!(
        spelled(&map, &plain(&map, &["a"], &["c", "vpn"], &Load::default())),
        "c<a vpn<a"
    );
    assert_eq!(plain(&map, &["vpn"], &["c"], &Load::default()), Forest::new());
}

#[test]
fn a_paused_link_still_gives_a_parent_at_rate_zero_but_another_path_wins() {
    let text = "
version: 1
sites: {a: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}, c: {networks: [10.3.0.0/16]}}
links:
  - {between: [a, c], rate: 100 Mbit/s, schedule: [{rate: 0}]}
  - {between: [b, c], rate: 1 Mbit/s}
";
    let map = map(text);
    assert_eq!(
        spelled(&map, &plain(&map, &["a", "b"], &["c"], &Load::default())),
        "c<b"
    );
    let paused = plain(&map, &["a"], &["c"], &Load::default());
    assert_eq!(spelled(&map, &paused), "c<a");
    assert_eq!(paused.values().next().unwrap().rate, Rate::ZERO);
}

#[test]
fn a_site_that_is_paired_with_itself_serves_no_other_and_is_served() {
    let map = map("
version: 1
sites: {a: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}, c: {networks: [10.3.0.0/16]}}
links:
  - {between: [a, b], rate: 10 Mbit/s}
  - {between: [b, c], rate: 10 Mbit/s}
");
    let site = |name: &str| map.site_named(name).unwrap();
    let (roots, waiting) = (
        BTreeSet::from([site("a")]),
        BTreeSet::from([site("b"), site("c")]),
    );
    let plan =
        |keep: &Forest, barren: &Barren| forest(&map, AT, &roots, &waiting, keep, barren, &Load::default());
    let before = plan(&Forest::new(), &Barren::new());
    assert_eq!(spelled(&map, &before), "b<a c<b");
    let barren = Barren::from([(site("b"), site("b"))]);
    assert_eq!(spelled(&map, &plan(&before, &barren)), "b<a c<a");
}

#[test]
fn unknown_networks_take_part_as_sites_of_their_own() {
    let map = map("
version: 1
sites: {hq: {networks: [10.1.0.0/16]}}
unknown: {attach: hq, rate: 2 Mbit/s}
");
    let site = |addr: &str| map.locate(addr.parse().unwrap()).unwrap();
    let (hq, a, b) = (site("10.1.0.1"), site("192.0.2.1"), site("198.51.100.1"));
    let forest = |roots, waiting| {
        let forest = forest(
            &map,
            AT,
            &roots,
            &waiting,
            &Forest::new(),
            &Barren::new(),
            &Load::default(),
        );
        spelled(&map, &forest)
    };
    assert_eq!(
        forest(BTreeSet::from([hq]), BTreeSet::from([a, b])),
        "192.0.2.0/24<hq 198.51.100.0/24<hq"
    );
    assert_eq!(
        forest(BTreeSet::from([a]), BTreeSet::from([hq, b])),
        "hq<192.0.2.0/24 198.51.100.0/24<hq"
    );
}

/// Fastest-first feeds `a` first and then `c` from `a`; then no idle way is left to `b`.
#[test]
fn the_slowest_site_does_not_pay_for_an_uplink_that_was_spent_too_early() {
    let map = map("
version: 1
sites: {r: {networks: [10.1.0.0/16]}, t1: {}, t2: {}, a: {networks: [10.2.0.0/16]}, b: {networks: [10.3.0.0/16]}, c: {networks: [10.4.0.0/16]}}
links:
  - {between: [r, t1], rate: 10 Mbit/s}
  - {between: [t1, t2], rate: 10 Mbit/s}
  - {between: [t2, a], rate: 10 Mbit/s}
  - {between: [t2, b], rate: 9 Mbit/s}
  - {between: [t1, c], rate: 9500 kbit/s}
");
    let forest = plain(&map, &["r"], &["a", "b", "c"], &Load::default());
    let slowest = forest.values().map(|parent| parent.rate).min().unwrap();
    assert_eq!(slowest.to_string(), "9 Mbit/s", "{}", spelled(&map, &forest));
}

/// Not for every run: `cargo test --release -p narrows-topology -- --ignored --nocapture`.
#[test]
#[ignore = "takes seconds, to be run in release"]
fn forests_of_two_thousand_sites_are_planned_in_seconds() {
    for (name, transit, roots, extra) in [
        ("tree", 0, 1, 0),
        ("transit", 30, 1, 0),
        ("three roots", 30, 3, 0),
        ("meshed", 30, 3, 1000),
    ] {
        for seed in 0..6 {
            let kind = Kind {
                sites: 2000,
                extra,
                transit,
                fetching: 0,
                roots,
                waiting: 100,
            };
            let case = Case::random(kind, seed);
            let begun = std::time::Instant::now();
            let mut whole = case.forest();
            let first = begun.elapsed();
            let begun = std::time::Instant::now();
            case.forest();
            let second = begun.elapsed();
            let newcomer = *whole.keys().last().unwrap();
            whole.remove(&newcomer);
            whole.retain(|_, parent| parent.site != newcomer);
            let begun = std::time::Instant::now();
            forest(
                &case.map,
                AT,
                &case.roots,
                &case.waiting,
                &whole,
                &Barren::new(),
                &Load::default(),
            );
            println!(
                "{name} {seed}: {first:?}, paths known {second:?}, one newcomer {:?}",
                begun.elapsed()
            );
        }
    }
}

#[test]
#[ignore = "takes seconds, to be run in release"]
fn a_star_of_two_thousand_sites_is_planned_in_seconds() {
    use std::fmt::Write;
    for equal in [true, false] {
        let (mut text, mut links) = (
            "version: 1\nsites:\n  hub: {}\n".to_owned(),
            "links:\n".to_owned(),
        );
        for i in 0..2000 {
            writeln!(text, "  s{i:04}: {{networks: [10.{}.{}.0/24]}}", i / 256, i % 256).unwrap();
            let rate = if equal { 10_000 } else { 5_000 + i * 7919 % 5000 };
            writeln!(links, "  - {{between: [hub, s{i:04}], rate: {rate} kbit/s}}").unwrap();
        }
        let map = map(&(text + &links));
        let mut waiting: BTreeSet<SiteId> = map.sites().filter(|site| !map.is_transit(*site)).collect();
        let root = BTreeSet::from([waiting.pop_last().unwrap()]);
        let begun = std::time::Instant::now();
        let forest = forest(
            &map,
            AT,
            &root,
            &waiting,
            &Forest::new(),
            &Barren::new(),
            &Load::default(),
        );
        println!("star, equal {equal}: {:?}", begun.elapsed());
        assert_eq!(forest.len(), 1999);
    }
}
