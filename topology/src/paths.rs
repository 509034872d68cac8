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

/// Who neighbours whom: per site, (neighbour, link, leaving in the link's forward direction).
pub(crate) type Neighbours = Vec<Vec<(u32, u32, bool)>>;

/// All cheapest paths from one site: per site, how it is reached.
#[derive(Debug)]
pub(crate) struct Tree {
    reached: Vec<Option<Reached>>,
    /// The sites in the order they were reached, the source first: who is before whom on a path is before it here.
    order: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Reached {
    cost: u64,
    hops: u32,
    /// The last hop and where it comes from; `None` for the source.
    last: Option<(u32, Hop)>,
}

impl Tree {
    /// Dijkstra; among paths of equal cost the one of fewer hops, then by the order of names, hop by hop.
    pub(crate) fn new(neighbours: &Neighbours, costs: &[u64], source: u32) -> Tree {
        let mut reached: Vec<Option<Reached>> = vec![None; neighbours.len()];
        let mut settled = vec![false; neighbours.len()];
        let mut order = Vec::with_capacity(neighbours.len());
        let mut queue = BinaryHeap::new();
        if let Some(slot) = reached.get_mut(source as usize) {
            *slot = Some(Reached {
                cost: 0,
                hops: 0,
                last: None,
            });
            queue.push(Reverse((0u64, 0u32, source)));
        }
        while let Some(Reverse((cost, hops, site))) = queue.pop() {
            if std::mem::replace(&mut settled[site as usize], true) {
                continue;
            }
            order.push(site);
            for &(next, link, forward) in &neighbours[site as usize] {
                let (cost, hops) = (cost.saturating_add(costs[link as usize]), hops + 1);
                let better = match reached[next as usize] {
                    None => true,
                    Some(old) => !settled[next as usize] && (cost, hops) < (old.cost, old.hops),
                };
                if better {
                    let hop = Hop {
                        link: LinkId::Named(link),
                        forward,
                    };
                    reached[next as usize] = Some(Reached {
                        cost,
                        hops,
                        last: Some((site, hop)),
                    });
                    queue.push(Reverse((cost, hops, next)));
                }
            }
        }
        Tree { reached, order }
    }

    /// The path to a site, and its cost; `None` if there is none.
    pub(crate) fn hops_to(&self, site: u32) -> Option<(Vec<Hop>, u64)> {
        let end = (*self.reached.get(site as usize)?)?;
        let mut hops = Vec::with_capacity(end.hops as usize);
        let mut at = end;
        while let Some((before, hop)) = at.last {
            hops.push(hop);
            at = (*self.reached.get(before as usize)?)?;
        }
        hops.reverse();
        Some((hops, end.cost))
    }

    /// For every site in the order of reaching: the site, and from where over which hop (`None`: the source).
    pub(crate) fn walk(&self) -> impl Iterator<Item = (u32, Option<(u32, Hop)>)> {
        self.order
            .iter()
            .filter_map(|&site| Some((site, self.reached[site as usize]?.last)))
    }

    /// Whether a site is reached at all.
    pub(crate) fn reaches(&self, site: u32) -> bool {
        self.reached.get(site as usize).is_some_and(Option::is_some)
    }
}
