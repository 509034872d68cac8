//! Max-min fair shares and the fluid bound.

use std::collections::{BTreeSet, HashMap};

use crate::support::{AT, Case, Kind};
use narrows_topology::{Hop, Rate, Route, SiteMap, fair_rates, fair_rates_capped, max_flow};
use proptest::prelude::*;

fn bytes(rate: Rate) -> f64 {
    rate.bytes_per_second()
        .map_or(f64::INFINITY, |bytes| bytes as f64)
}

fn routes(case: &Case, pairs: &[(prop::sample::Index, prop::sample::Index)]) -> Vec<Route> {
    let sites: Vec<_> = case.map.sites().collect();
    pairs
        .iter()
        .map(|(a, b)| {
            case.map
                .path(sites[a.index(sites.len())], sites[b.index(sites.len())])
                .unwrap()
        })
        .collect()
}

proptest! {
    #[test]
    fn shares_are_max_min_fair(
        sites in 1usize..20, extra in 0usize..10, seed: u64,
        pairs in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..30),
    ) {
        let case = Case::random(Kind { sites, extra, transit: 30, fetching: 0, roots: 1, waiting: 50 }, seed);
        let routes = routes(&case, &pairs);
        let rates: Vec<f64> =
            fair_rates(&case.map, AT, &routes.iter().collect::<Vec<_>>()).into_iter().map(bytes).collect();
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
    assert_eq!(fair_rates(&map, AT, &[&route]), [Rate::UNLIMITED]);
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
    let shares = |caps: [Rate; 3]| fair_rates_capped(&map, AT, &caps.map(|cap| (&route, cap)));
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
        fair_rates_capped(&map, AT, &[(&here, mbit(3)), (&here, Rate::UNLIMITED)]),
        [mbit(3), Rate::UNLIMITED]
    );
}
