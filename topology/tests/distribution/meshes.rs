//! Meshed maps.

use std::collections::BTreeSet;
use std::fmt::Write;

use narrows_topology::{SiteId, SiteMap};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::Case;

/// What a meshed map is like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mesh {
    /// So many sites around.
    Ring(usize),
    /// The root, so many sites beside it, and one beyond all of them.
    Diamond(usize),
    /// Width and height.
    Grid(usize, usize),
    /// Two transit routers, to each of which so many branches and the root are linked.
    TwoHomed(usize),
    /// A ring of transit routers, a site at each.
    Pops(usize),
    /// A random tree and so many further links, with some transit sites.
    Random(usize, usize),
}

/// How the rates of the links differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rates {
    /// 10 Mbit/s each, and 100 Mbit/s to transit sites.
    Equal,
    /// 5, 10 or 20 Mbit/s.
    Steps,
    /// 1 to 100 Mbit/s.
    Wide,
}

impl Mesh {
    /// The links by the numbers of their ends, and how many sites there are; site 0 is the root.
    fn links(self, rng: &mut StdRng) -> (usize, Vec<(usize, usize)>, BTreeSet<usize>) {
        let mut transit = BTreeSet::new();
        let mut links = Vec::new();
        let sites = match self {
            Mesh::Ring(n) => {
                links.extend((0..n).map(|i| (i, (i + 1) % n)));
                n
            }
            Mesh::Diamond(n) => {
                links.extend((1..=n).flat_map(|i| [(0, i), (i, n + 1)]));
                n + 2
            }
            Mesh::Grid(w, h) => {
                for y in 0..h {
                    links.extend((1..w).map(|x| (y * w + x - 1, y * w + x)));
                    links.extend((0..w).filter(|_| y > 0).map(|x| (y * w + x - w, y * w + x)));
                }
                w * h
            }
            Mesh::TwoHomed(n) => {
                links.extend((0..=n).flat_map(|i| [(i, n + 1), (i, n + 2)]));
                transit.extend([n + 1, n + 2]);
                n + 3
            }
            Mesh::Pops(n) => {
                links.extend((0..n).flat_map(|i| [(i, n + i), (n + i, n + (i + 1) % n)]));
                transit.extend(n..2 * n);
                2 * n
            }
            Mesh::Random(n, extra) => {
                let mut all: BTreeSet<(usize, usize)> = (1..n).map(|i| (rng.random_range(0..i), i)).collect();
                for _ in 0..extra {
                    let (a, b) = (rng.random_range(0..n), rng.random_range(0..n));
                    if a != b {
                        all.insert((a.min(b), a.max(b)));
                    }
                }
                transit.extend((1..n).filter(|_| rng.random_ratio(1, 5)));
                links.extend(all);
                n
            }
        };
        (sites, links, transit)
    }
}

impl Case {
    /// A swarm on a meshed map: every site wants what site 0 has.
    pub(crate) fn mesh(mesh: Mesh, rates: Rates, seed: u64) -> Case {
        let mut rng = StdRng::seed_from_u64(seed);
        let (sites, links, transit) = mesh.links(&mut rng);
        let mut text = "version: 1\nsites:\n".to_owned();
        for i in 0..sites {
            let networks = if transit.contains(&i) {
                String::new()
            } else {
                format!("10.0.{i}.0/24")
            };
            writeln!(text, "  s{i:02}: {{networks: [{networks}]}}").unwrap();
        }
        text.push_str("links:\n");
        for (a, b) in links {
            let to_transit = transit.contains(&a) != transit.contains(&b);
            let rate = match rates {
                Rates::Equal if to_transit && matches!(mesh, Mesh::Pops(_)) => 100_000,
                Rates::Equal => 10_000,
                Rates::Steps => [5_000, 10_000, 20_000][rng.random_range(0..3)],
                Rates::Wide => rng.random_range(1_000..100_000),
            };
            writeln!(text, "  - {{between: [s{a:02}, s{b:02}], rate: {rate} kbit/s}}").unwrap();
        }
        let map = SiteMap::parse("mesh", &text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        let peopled: Vec<SiteId> = map.sites().filter(|site| !map.is_transit(*site)).collect();
        let roots = BTreeSet::from([peopled[0]]);
        let waiting = peopled.into_iter().skip(1).collect();
        Case { map, roots, waiting }
    }
}
