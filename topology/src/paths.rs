//! Cheapest paths, as routers forward.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::{Hop, LinkId};

/// A path between two sites; empty from a site to itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Route {
    /// The hops from the first site to the last.
    pub hops: Arc<[Hop]>,
    /// The sum of the links' costs.
    pub cost: u64,
}

/// The neighbours of each site: (neighbour, hop).
pub(crate) type Neighbours = Vec<Vec<(u32, HopIndex)>>;

/// A hop over a link of the file as a small number: twice the link, plus one if forward.
pub(crate) type HopIndex = u32;

/// The hop of a number.
pub(crate) fn hop(index: HopIndex) -> Hop {
    Hop {
        link: LinkId::Named(index / 2),
        forward: index % 2 == 1,
    }
}

/// What decides between paths of a link: its cost, and a number of its own that settles ties.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub(crate) cost: u64,
    pub(crate) tie: u32,
}

/// All cheapest paths from one site.
///
/// Paths are ordered by cost, then hops, then the sum of the links' ties. The ties are spread over 32 bits,
/// so that cheapest paths are unique: then the way back is the way there, and a part of a path is a path.
#[derive(Debug)]
pub(crate) struct Tree {
    steps: Vec<Step>,
    /// The sites reached, the source first, each followed by all that lie behind it on paths, and how many these are
    /// together with it.
    order: Vec<(u32, u32)>,
}

/// How a site is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The site before it; itself for the source.
    pub(crate) before: u32,
    /// The hop from there.
    pub(crate) hop: HopIndex,
    /// How many hops it is from the source; `u32::MAX` if there is no path.
    pub(crate) hops: u32,
}

const UNREACHED: Step = Step {
    before: u32::MAX,
    hop: u32::MAX,
    hops: u32::MAX,
};

impl Tree {
    /// Dijkstra's algorithm.
    pub(crate) fn new(neighbours: &Neighbours, weights: &[Weight], source: u32) -> Tree {
        let mut best = vec![(u64::MAX, u32::MAX, u64::MAX); neighbours.len()];
        let mut steps = vec![UNREACHED; neighbours.len()];
        let mut order = Vec::with_capacity(neighbours.len());
        let mut queue = BinaryHeap::new();
        if (source as usize) < neighbours.len() {
            best[source as usize] = (0, 0, 0);
            steps[source as usize] = Step {
                before: source,
                hop: u32::MAX,
                hops: 0,
            };
            queue.push(Reverse(((0, 0, 0), source)));
        }
        while let Some(Reverse((length, site))) = queue.pop() {
            if length > best[site as usize] {
                continue;
            }
            order.push(site);
            let (cost, hops, tie) = length;
            for &(next, hop) in &neighbours[site as usize] {
                let weight = weights[hop as usize / 2];
                let length = (
                    cost.saturating_add(weight.cost),
                    hops + 1,
                    tie + u64::from(weight.tie),
                );
                if length < best[next as usize] {
                    best[next as usize] = length;
                    steps[next as usize] = Step {
                        before: site,
                        hop,
                        hops: hops + 1,
                    };
                    if neighbours[next as usize].len() == 1 {
                        // no path leads on from there, and no other there: most sites of large maps are so
                        order.push(next);
                    } else {
                        queue.push(Reverse((length, next)));
                    }
                }
            }
        }
        Tree::of(steps, &order)
    }

    /// The same where there is one path only between any two sites.
    pub(crate) fn of_tree(neighbours: &Neighbours, source: u32) -> Tree {
        let mut steps = vec![UNREACHED; neighbours.len()];
        let mut order = Vec::with_capacity(neighbours.len());
        if let Some(step) = steps.get_mut(source as usize) {
            step.before = source;
            step.hops = 0;
            order.push(source);
        }
        let mut next = 0;
        while let Some(&before) = order.get(next) {
            next += 1;
            let hops = steps[before as usize].hops + 1;
            for &(site, hop) in &neighbours[before as usize] {
                if steps[site as usize].hops == u32::MAX {
                    steps[site as usize] = Step { before, hop, hops };
                    order.push(site);
                }
            }
        }
        Tree::of(steps, &order)
    }

    /// `reached` are the sites that have a path, each after the one before it there.
    fn of(steps: Vec<Step>, reached: &[u32]) -> Tree {
        let mut behind = vec![1u32; steps.len()];
        for &site in reached.iter().skip(1).rev() {
            behind[steps[site as usize].before as usize] += behind[site as usize];
        }
        // where the next of those behind a site stands
        let mut next = vec![0; steps.len()];
        let mut order = vec![(0, 0); reached.len()];
        for (n, &site) in reached.iter().enumerate() {
            let (before, behind) = (steps[site as usize].before as usize, behind[site as usize]);
            let at = if n == 0 { 0 } else { next[before] };
            next[before] = at + behind;
            next[site as usize] = at + 1;
            order[at as usize] = (site, behind);
        }
        Tree { steps, order }
    }

    fn distance(&self, site: u32) -> Option<u32> {
        self.steps.get(site as usize).map(|step| step.hops).filter(|hops| *hops < u32::MAX)
    }

    fn back_from(&self, site: u32) -> impl Iterator<Item = HopIndex> {
        let mut left = self.distance(site).unwrap_or(0);
        let mut at = site;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let step = self.steps[at as usize];
            at = step.before;
            Some(step.hop)
        })
    }
}

/// A site with one neighbour, most sites of large maps: all of its paths begin with the hop to there, and go on as
/// the neighbour's do. So it needs no tree of its own, which takes time and 20 bytes for each site of the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spur {
    pub(crate) site: u32,
    /// The hop to its neighbour.
    pub(crate) hop: HopIndex,
}

/// All cheapest paths from a site: those of its tree, or of its neighbour's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paths<'m> {
    tree: &'m Tree,
    spur: Option<Spur>,
}

impl<'m> Paths<'m> {
    /// The tree is of the site that the spur leads to, if there is one.
    pub(crate) fn new(tree: &'m Tree, spur: Option<Spur>) -> Paths<'m> {
        Paths { tree, spur }
    }

    /// How many hops it is to a site; `None` if there is no path.
    pub(crate) fn distance(&self, site: u32) -> Option<u32> {
        match self.spur {
            Some(spur) if spur.site == site => Some(0),
            spur => Some(self.tree.distance(site)? + u32::from(spur.is_some())),
        }
    }

    /// The hops from the source to a site, last first; none if there is no path.
    pub(crate) fn back_from(&self, site: u32) -> impl Iterator<Item = HopIndex> + use<'m> {
        let is_there = self.distance(site).is_some_and(|hops| hops > 0);
        let (tree, spur) = (self.tree, self.spur.filter(|_| is_there));
        let last = Some(site).filter(|_| is_there);
        let back = last.into_iter().flat_map(|site| tree.back_from(site));
        back.chain(spur.map(|spur| spur.hop))
    }

    /// Visits every site reached, the source first, and tells how. What lies behind one that `visit` denies is left
    /// out.
    pub(crate) fn walk(&self, mut visit: impl FnMut(u32, Step) -> bool) {
        if let Some(Spur { site, .. }) = self.spur {
            let source = Step {
                before: site,
                hop: u32::MAX,
                hops: 0,
            };
            if !visit(site, source) {
                return;
            }
        }
        let mut at = 0;
        while let Some(&(site, behind)) = self.tree.order.get(at) {
            let step = self.tree.steps[site as usize];
            let goes_on = match self.spur {
                None => visit(site, step),
                // it was first, and nothing lies behind it here
                Some(spur) if spur.site == site => true,
                Some(Spur { site: before, hop }) if step.hops == 0 => {
                    let hops = 1;
                    visit(site, Step { before, hop, hops })
                }
                Some(_) => {
                    let hops = step.hops + 1;
                    visit(site, Step { hops, ..step })
                }
            };
            at += if goes_on { 1 } else { behind as usize };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_one_path_only_it_is_found_without_comparing() {
        // site n hangs on one before it
        let mut neighbours: Neighbours = vec![Vec::new(); 60];
        for n in 1..60u32 {
            let (to, link) = (n * 7 % 11 % n, n - 1);
            neighbours[to as usize].push((n, 2 * link + 1));
            neighbours[n as usize].push((to, 2 * link));
        }
        let weights: Vec<Weight> = (0..59)
            .map(|tie| Weight {
                cost: 1 + u64::from(tie % 5),
                tie,
            })
            .collect();
        for source in 0..60 {
            let (one, other) = (
                Tree::new(&neighbours, &weights, source),
                Tree::of_tree(&neighbours, source),
            );
            let (one, other) = (Paths::new(&one, None), Paths::new(&other, None));
            for site in 0..60 {
                assert_eq!(one.distance(site), other.distance(site));
                assert!(
                    one.back_from(site).eq(other.back_from(site)),
                    "from {source} to {site}"
                );
            }
            // a site that is before another on a path is before it in a walk
            for tree in [one, other] {
                let mut seen = vec![source];
                tree.walk(|site, step| {
                    assert!(seen.contains(&step.before));
                    seen.push(site);
                    true
                });
                assert_eq!(seen.len(), 61);
            }
        }
    }

    #[test]
    fn the_paths_of_a_site_on_a_spur_are_those_of_its_neighbour_with_a_hop_more() {
        // a ring of six, and on each of its sites some with one link
        let mut neighbours: Neighbours = vec![Vec::new(); 30];
        let ring = (0..6).map(|n| (n, (n + 1) % 6));
        let links: Vec<(u32, u32)> = ring.chain((6..30).map(|n| (n, n * n % 6))).collect();
        for (link, (a, b)) in (0..).zip(&links) {
            neighbours[*a as usize].push((*b, 2 * link + 1));
            neighbours[*b as usize].push((*a, 2 * link));
        }
        let weights: Vec<Weight> = (0..30)
            .map(|tie| Weight {
                cost: 1 + u64::from(tie * 7 % 5),
                tie: tie * 31 % 17,
            })
            .collect();
        for source in 6..30 {
            let [(next, hop)] = *neighbours[source as usize] else {
                panic!("{source} is on no spur")
            };
            let (own, next) = (
                Tree::new(&neighbours, &weights, source),
                Tree::new(&neighbours, &weights, next),
            );
            let (own, spur) = (
                Paths::new(&own, None),
                Paths::new(&next, Some(Spur { site: source, hop })),
            );
            for site in 0..31 {
                assert_eq!(spur.distance(site), own.distance(site));
                assert!(
                    spur.back_from(site).eq(own.back_from(site)),
                    "from {source} to {site}"
                );
            }
            let walked = |paths: Paths<'_>| {
                let (mut seen, mut steps) = (vec![source], Vec::new());
                paths.walk(|site, step| {
                    assert!(seen.contains(&step.before), "{site} before {}", step.before);
                    seen.push(site);
                    steps.push((site, step.before, step.hop, step.hops));
                    true
                });
                steps
            };
            let (mut steps, mut expected) = (walked(spur), walked(own));
            assert_eq!(steps[0], expected[0], "the source first");
            steps.sort_unstable();
            expected.sort_unstable();
            assert_eq!(steps, expected);
        }
    }

    #[test]
    fn what_lies_behind_a_site_that_is_denied_is_not_visited_and_all_else_is() {
        // 0 - 1 - 2 - 3, and 4 and 5 behind 1
        let mut neighbours: Neighbours = vec![Vec::new(); 6];
        for (link, (a, b)) in (0..).zip([(0u32, 1u32), (1, 2), (2, 3), (1, 4), (4, 5)]) {
            neighbours[a as usize].push((b, 2 * link + 1));
            neighbours[b as usize].push((a, 2 * link));
        }
        let visited = |paths: Paths<'_>, denied: u32| {
            let mut visited = Vec::new();
            paths.walk(|site, _| {
                visited.push(site);
                site != denied
            });
            visited.sort_unstable();
            visited
        };
        let (from_0, from_1) = (Tree::of_tree(&neighbours, 0), Tree::of_tree(&neighbours, 1));
        let spur = Spur { site: 0, hop: 1 };
        for paths in [Paths::new(&from_0, None), Paths::new(&from_1, Some(spur))] {
            assert_eq!(visited(paths, 2), [0, 1, 2, 4, 5]);
            assert_eq!(visited(paths, 4), [0, 1, 2, 3, 4]);
            assert_eq!(visited(paths, 1), [0, 1]);
            assert_eq!(visited(paths, 0), [0]);
            assert_eq!(visited(paths, 9), [0, 1, 2, 3, 4, 5]);
        }
    }
}
