//! Max-min fair shares and the fluid bound.

use std::collections::{BTreeSet, HashMap};

use crate::support::{AT, Case, Kind, unlimited};
use narrows_topology::{Hop, Rate, Route, SiteMap, fair_rates, max_flow};
use proptest::prelude::*;

fn bytes(rate: Rate) -> f64 {
    rate.bytes_per_second().map_or(f64::INFINITY, |bytes| bytes as f64)
}

fn routes(case: &Case, pairs: &[(prop::sample::Index, prop::sample::Index)]) -> Vec<Route> {
    let sites: Vec<_> = case.map.sites().collect();
    pairs
        .iter()
        .map(|(a, b)| case.map.path(sites[a.index(sites.len())], sites[b.index(sites.len())]).unwrap())
        .collect()
}

/// Progressive filling as it is in the book, quadratic in the links: what the heap is compared with.
fn slow_fair_rates(map: &SiteMap, flows: &[(&Route, Rate)]) -> Vec<Rate> {
    let mut left: HashMap<Hop, (f64, Vec<usize>)> = HashMap::new();
    for (flow, (route, _)) in flows.iter().enumerate() {
        for hop in route.hops.iter() {
            if let Some(rate) = map.rate(*hop, AT).bytes_per_second() {
                left.entry(*hop).or_insert_with(|| (rate as f64, Vec::new())).1.push(flow);
            }
        }
    }
    let mut rates: Vec<Option<f64>> = vec![None; flows.len()];
    loop {
        let share = |(rate, flows): &(f64, Vec<usize>)| rate / flows.len() as f64;
        let growing = left.iter().filter(|(_, (_, flows))| !flows.is_empty());
        let tightest = growing
            .map(|(hop, link)| (share(link), *hop))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let modest = (0..flows.len()).filter(|flow| rates[*flow].is_none()).min_by_key(|flow| flows[*flow].1);
        let (stopped, rate) = match (tightest, modest) {
            (None, None) => break,
            (Some((share, _)), Some(flow)) if bytes(flows[flow].1) <= share => {
                (vec![flow], bytes(flows[flow].1))
            }
            (None, Some(flow)) => (vec![flow], bytes(flows[flow].1)),
            (Some((share, hop)), _) => (left.remove(&hop).unwrap().1, share),
        };
        for flow in stopped {
            rates[flow] = Some(rate);
            for hop in flows[flow].0.hops.iter() {
                if let Some((left, growing)) = left.get_mut(hop) {
                    *left = (*left - rate).max(0.0);
                    growing.retain(|other| *other != flow);
                }
            }
        }
    }
    let whole = |rate: f64| match rate.is_finite() {
        true => Rate::from_bits_per_second(rate as u64 * 8),
        false => Rate::UNLIMITED,
    };
    rates.into_iter().map(|rate| whole(rate.unwrap())).collect()
}

/// 2,000 sites behind 40 regions around a hub, each fetching from it or from a site of its region, with the
/// caps for no flow, for every third and for all.
#[test]
#[ignore = "measures; run it alone with --nocapture"]
fn shares_of_2000_flows_by_the_heap_and_by_the_book() {
    let mut text = "version: 1\nsites:\n  hub: {networks: [10.255.0.0/24]}\n".to_owned();
    let mut links = "links:\n".to_owned();
    for region in 0..40 {
        text += &format!("  r{region}: {{}}\n");
        links += &format!(
            "  - {{between: [hub, r{region}], rate: {} kbit/s}}\n",
            50_000 + region * 997
        );
        for site in (0..2000).filter(|site| site % 40 == region) {
            text += &format!(
                "  b{site}: {{networks: [10.{}.{}.0/24]}}\n",
                site / 250,
                site % 250
            );
            links += &format!(
                "  - {{between: [r{region}, b{site}], rate: {} kbit/s}}\n",
                1_000 + site * 7
            );
        }
    }
    let map = SiteMap::parse("levels", &(text + &links)).unwrap();
    let site = |name: &str| map.site_named(name).unwrap();
    let routes: Vec<Route> = (0..2000)
        .map(|i| {
            let from = if i % 5 == 0 && i >= 40 {
                format!("b{}", i % 40)
            } else {
                "hub".to_owned()
            };
            map.path(site(&from), site(&format!("b{i}"))).unwrap()
        })
        .collect();
    for capped in [usize::MAX, 3, 1] {
        let cap = |i: usize| match (i + 1) % capped {
            0 => Rate::from_bits_per_second(500_000 + i as u64 * 4_001),
            _ => Rate::UNLIMITED,
        };
        let flows: Vec<(&Route, Rate)> =
            routes.iter().enumerate().map(|(i, route)| (route, cap(i))).collect();
        let timed = |shares: &dyn Fn() -> Vec<Rate>| {
            let mut took: Vec<u128> = (0..5)
                .map(|_| {
                    let begun = std::time::Instant::now();
                    assert_eq!(shares().len(), flows.len());
                    begun.elapsed().as_micros()
                })
                .collect();
            took.sort_unstable();
            took[2]
        };
        let (heap, slow) = (|| fair_rates(&map, AT, &flows), || slow_fair_rates(&map, &flows));
        assert_eq!(heap(), slow());
        println!(
            "a cap for one flow in {capped}: {} us, by the book {} us",
            timed(&heap),
            timed(&slow)
        );
    }
}

proptest! {
    #[test]
    fn the_heap_gives_just_what_progressive_filling_gives(
        sites in 1usize..40, extra in 0usize..15, seed: u64,
        pairs in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..80),
        caps in proptest::collection::vec(prop_oneof![Just(None), (0u64..20_000_000).prop_map(Some)], 80),
    ) {
        let case = Case::random(Kind { sites, extra, transit: 30, fetching: 0, roots: 1, waiting: 50 }, seed);
        let routes = routes(&case, &pairs);
        let caps = caps.into_iter().map(|cap| cap.map_or(Rate::UNLIMITED, Rate::from_bits_per_second));
        let flows: Vec<(&Route, Rate)> = routes.iter().zip(caps).collect();
        prop_assert_eq!(fair_rates(&case.map, AT, &flows), slow_fair_rates(&case.map, &flows));
    }

    #[test]
    fn shares_are_max_min_fair(
        sites in 1usize..20, extra in 0usize..10, seed: u64,
        pairs in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..30),
    ) {
        let case = Case::random(Kind { sites, extra, transit: 30, fetching: 0, roots: 1, waiting: 50 }, seed);
        let routes = routes(&case, &pairs);
        let rates: Vec<f64> =
            fair_rates(&case.map, AT, &unlimited(&routes)).into_iter().map(bytes).collect();
        let mut used: HashMap<Hop, (f64, f64)> = HashMap::new();
        for (route, rate) in routes.iter().zip(&rates) {
            for hop in route.hops.iter() {
                let (sum, most) = used.entry(*hop).or_default();
                (*sum, *most) = (*sum + rate, most.max(*rate));
            }
        }
        // rounding to whole bytes loses less than one per flow
        let slack = routes.len() as f64 + 1.0;
        for (hop, (sum, _)) in &used {
            prop_assert!(*sum <= bytes(case.map.rate(*hop, AT)) + slack, "{hop:?} is over its rate");
        }
        for (route, rate) in routes.iter().zip(&rates) {
            let bottleneck = route.hops.iter().any(|hop| {
                let (sum, most) = used[hop];
                sum >= bytes(case.map.rate(*hop, AT)) - slack && *rate >= most - slack
            });
            prop_assert!(bottleneck || route.hops.is_empty(), "{route:?} could have more than {rate}");
        }
    }

    #[test]
    fn the_fluid_bound_is_at_least_the_widest_path_and_on_a_tree_with_one_root_just_that(
        sites in 1usize..30, extra in 0usize..10, roots in 1usize..4, seed: u64,
    ) {
        let case = Case::random(Kind { sites, extra, transit: 30, fetching: 0, roots, waiting: 60 }, seed);
        for site in &case.waiting {
            let flow = max_flow(&case.map, AT, &case.roots, *site);
            prop_assert!(flow >= case.widest(*site));
            if extra == 0 && roots == 1 {
                prop_assert_eq!(flow, case.widest(*site));
            }
        }
    }
}

#[test]
fn the_fluid_bound_adds_up_disjoint_paths() {
    let map = SiteMap::parse(
        "diamond",
        "
version: 1
sites: {a: {networks: [10.1.0.0/16]}, b: {}, c: {}, d: {networks: [10.2.0.0/16]}, e: {networks: [10.3.0.0/16]}}
links:
  - {between: [a, b], rate: 10 Mbit/s}
  - {between: [a, c], rate: 7 Mbit/s}
  - {between: [b, d], rate: 8 Mbit/s}
  - {between: [c, d], rate: 10 Mbit/s}
  - {between: [b, c], rate: 1 Mbit/s}
  - {between: [d, e], rate: unlimited}
",
    )
    .unwrap();
    let [a, d, e] = ["a", "d", "e"].map(|name| map.site_named(name).unwrap());
    assert_eq!(
        max_flow(&map, AT, &BTreeSet::from([a]), d).to_string(),
        "16 Mbit/s"
    );
    assert_eq!(max_flow(&map, AT, &BTreeSet::from([e]), d), Rate::UNLIMITED);
    assert_eq!(max_flow(&map, AT, &BTreeSet::new(), d), Rate::ZERO);
    let route = map.path(d, e).unwrap();
    assert_eq!(
        fair_rates(&map, AT, &[(&route, Rate::UNLIMITED)]),
        [Rate::UNLIMITED]
    );
}

#[test]
fn what_a_capped_flow_leaves_goes_to_the_others() {
    let text = "
version: 1
sites: {a: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}}
links: [{between: [a, b], rate: 12 Mbit/s}]
";
    let map = SiteMap::parse("two", text).unwrap();
    let [a, b] = ["a", "b"].map(|name| map.site_named(name).unwrap());
    let route = map.path(a, b).unwrap();
    let mbit = |rate: u64| Rate::from_bits_per_second(rate * 1_000_000);
    let shares = |caps: [Rate; 3]| fair_rates(&map, AT, &caps.map(|cap| (&route, cap)));
    assert_eq!(shares([Rate::UNLIMITED; 3]), [mbit(4); 3]);
    assert_eq!(
        shares([mbit(2), Rate::UNLIMITED, mbit(7)]),
        [mbit(2), mbit(5), mbit(5)]
    );
    assert_eq!(shares([mbit(1), mbit(2), mbit(3)]), [mbit(1), mbit(2), mbit(3)]);
    assert_eq!(
        shares([Rate::ZERO, Rate::ZERO, mbit(20)]),
        [Rate::ZERO, Rate::ZERO, mbit(12)]
    );
    let here = map.path(a, a).unwrap();
    assert_eq!(
        fair_rates(&map, AT, &[(&here, mbit(3)), (&here, Rate::UNLIMITED)]),
        [mbit(3), Rate::UNLIMITED]
    );
}
