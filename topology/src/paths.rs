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
    /// The sites reached in the order of reaching, the source first: a site that is before another on a path is before
    /// it here.
    order: Vec<u32>,
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
        Tree { steps, order }
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
        Tree { steps, order }
    }

    /// How many hops it is to a site; `None` if there is no path.
    pub(crate) fn distance(&self, site: u32) -> Option<u32> {
        self.steps.get(site as usize).map(|step| step.hops).filter(|hops| *hops < u32::MAX)
    }

    /// The hops from the source to a site, last first; none if there is no path.
    pub(crate) fn back_from(&self, site: u32) -> impl Iterator<Item = HopIndex> {
        let mut left = self.distance(site).unwrap_or(0);
        let mut at = site;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let step = self.steps[at as usize];
            at = step.before;
            Some(step.hop)
        })
    }

    /// Every site reached, the source first, and how.
    pub(crate) fn walk(&self) -> impl Iterator<Item = (u32, Step)> {
        self.order.iter().map(|&site| (site, self.steps[site as usize]))
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
                for (site, step) in tree.walk() {
                    assert!(seen.contains(&step.before));
                    seen.push(site);
                }
                assert_eq!(seen.len(), 61);
            }
        }
    }
}
