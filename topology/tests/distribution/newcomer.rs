//! A parent for one site alone, against a look at every path.

use std::cmp::Reverse;

use narrows_topology::{Load, Parent, Rate, SiteId, newcomer};
use proptest::prelude::*;

use super::support::{AT, Case, Kind};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_newcomer_gets_the_fastest_flow_of_all_then_the_shortest_then_the_first_by_name(
        sites in 2usize..40, extra in 0usize..12, transit in 0u32..40, fetching in 0u32..30, roots in 1usize..4, seed: u64,
    ) {
        let case = Case::random(Kind { sites, extra, transit, fetching, roots, waiting: 80 }, seed);
        let forest = case.forest();
        let mut load = Load::default();
        for (child, parent) in &forest {
            load.add(&case.map.path(parent.site, *child).unwrap(), parent.rate);
        }
        for to in case.map.sites() {
            let arrives = |from: SiteId| match forest.get(&from) {
                Some(parent) => Some(parent.rate),
                None => case.roots.contains(&from).then_some(Rate::UNLIMITED),
            };
            let flow = |from: SiteId| {
                let route = case.map.path(from, to)?;
                let speeds = route.hops.iter().map(|hop| load.speed(*hop, case.map.rate(*hop, AT)));
                let speed = speeds.min().unwrap_or(Rate::UNLIMITED).min(arrives(from)?);
                Some((speed, Reverse(route.hops.len()), Reverse(from)))
            };
            let serves = |from: &SiteId| *from != to && case.map.sharing(*from) && !case.map.is_transit(*from);
            let best = case.map.sites().filter(serves).filter_map(flow).max();
            let best = best.map(|(rate, _, Reverse(site))| Parent { site, rate });
            let found = newcomer(&case.map, AT, to, &load, std::iter::empty(), arrives);
            prop_assert_eq!(found, best, "to {:?}", to);
        }
    }
}
