//! Random maps, and what a forest means on them.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;
use narrows_topology::{Forest, Load, Rate, Route, SiteId, SiteMap, fair_rates, forest};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Noon on a Monday, UTC.
pub(crate) const AT: Timestamp = Timestamp::constant(1_795_435_200, 0);

/// What a random map is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) sites: usize,
    /// Links beyond those of the tree.
    pub(crate) extra: usize,
    /// Of how many sites in a hundred are transit.
    pub(crate) transit: u32,
    /// Of how many sites in a hundred are `sharing: false`.
    pub(crate) fetching: u32,
    /// How many roots.
    pub(crate) roots: usize,
    /// Of how many of the others in a hundred wait.
    pub(crate) waiting: u32,
}

/// A map and a swarm on it.
pub(crate) struct Case {
    pub(crate) map: SiteMap,
    pub(crate) roots: BTreeSet<SiteId>,
    pub(crate) waiting: BTreeSet<SiteId>,
}

impl Case {
    pub(crate) fn random(kind: Kind, seed: u64) -> Case {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut names: Vec<usize> = (0..kind.sites).collect();
        names.shuffle(&mut rng);
        let mut text = "version: 1\nsites:\n".to_owned();
        let mut transit = Vec::new();
        for (i, name) in names.iter().enumerate() {
            transit.push(i > 0 && rng.random_ratio(kind.transit, 100));
            let fetching = i > 0 && rng.random_ratio(kind.fetching, 100);
            let networks = if transit[i] {
                String::new()
            } else {
                format!("10.{}.{}.0/24", i / 256, i % 256)
            };
            writeln!(
                text,
                "  s{name:04}: {{networks: [{networks}], sharing: {}}}",
                !fetching
            )
            .unwrap();
        }
        text.push_str("links:\n");
        let mut linked = BTreeSet::new();
        // deep, broad and star-like trees by turns
        let style = rng.random_range(0..3);
        for i in 1..kind.sites {
            let up = match style {
                0 => rng.random_range(0..i),
                1 => rng.random_range(i.saturating_sub(3)..i),
                _ => i / 6,
            };
            linked.insert((up, i));
        }
        for _ in 0..kind.extra {
            let (a, b) = (rng.random_range(0..kind.sites), rng.random_range(0..kind.sites));
            if a != b {
                linked.insert((a.min(b), a.max(b)));
            }
        }
        let spread = rng.random_range(0..4);
        for (a, b) in linked {
            // wide apart, close together, or all but equal: the last two are where links are worth sharing
            let rate = match spread {
                0 => rng.random_range(1_000..100_000),
                1 => [2_000u32, 10_000, 34_000, 100_000][rng.random_range(0..4)],
                2 => rng.random_range(9_000..11_000),
                _ => [9_500, 10_000][usize::from(rng.random_bool(0.5))],
            };
            let (a, b) = (names[a], names[b]);
            writeln!(text, "  - {{between: [s{a:04}, s{b:04}], rate: {rate} kbit/s}}").unwrap();
        }
        let map = SiteMap::parse("random", &text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        let mut peopled: Vec<SiteId> = map.sites().filter(|site| !map.is_transit(*site)).collect();
        peopled.shuffle(&mut rng);
        let sharing = peopled.iter().filter(|site| map.sharing(**site)).take(kind.roots.max(1));
        let roots: BTreeSet<SiteId> = sharing.copied().collect();
        let rest = peopled.into_iter().filter(|site| !roots.contains(site));
        let waiting = rest.filter(|_| rng.random_ratio(kind.waiting, 100)).collect();
        Case { map, roots, waiting }
    }

    /// The forest of a swarm that is alone, with nothing kept.
    pub(crate) fn forest(&self) -> Forest {
        forest(
            &self.map,
            AT,
            &self.roots,
            &self.waiting,
            &Forest::new(),
            &BTreeSet::new(),
            &Load::default(),
        )
    }

    /// The rate in bytes per second at which each site of a forest really receives: its max-min fair share of
    /// the links among all flows, but never more than its parent receives.
    pub(crate) fn rates(&self, forest: &Forest) -> Vec<(SiteId, f64)> {
        let routes: Vec<Route> =
            forest.iter().map(|(site, parent)| self.map.path(parent.site, *site).unwrap()).collect();
        let fair = fair_rates(&self.map, AT, &unlimited(&routes));
        let fair: std::collections::BTreeMap<_, _> = forest.keys().copied().zip(fair).collect();
        let receives = |site: SiteId| {
            let (mut at, mut least) = (site, Rate::UNLIMITED);
            while let Some(parent) = forest.get(&at) {
                least = least.min(fair[&at]);
                at = parent.site;
            }
            least.bytes_per_second().map_or(f64::INFINITY, |bytes| bytes as f64)
        };
        forest.keys().map(|site| (*site, receives(*site))).collect()
    }

    /// The best that one parent can do for a site: the greatest bottleneck among the paths from the roots.
    pub(crate) fn widest(&self, site: SiteId) -> Rate {
        let from = |root: &SiteId| {
            let route = self.map.path(*root, site)?;
            route.hops.iter().map(|hop| self.map.rate(*hop, AT)).min()
        };
        self.roots.iter().filter_map(from).max().unwrap_or(Rate::ZERO)
    }
}

/// Flows along these routes that want all they can get.
pub(crate) fn unlimited(routes: &[Route]) -> Vec<(&Route, Rate)> {
    routes.iter().map(|route| (route, Rate::UNLIMITED)).collect()
}
