//! Stripes that fit beside each other.

use super::core::Core;
use super::units::{Units, units};

/// The parents of a stripe: `None` of roots, and of sites that take no part.
pub(super) type Tree = Vec<Option<usize>>;

/// In which order flows are tried, beside that of the speeds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The fewest hops, then the site that has been in the stripe for longest.
    Broad,
    /// The fewest hops, then the site that has come into the stripe last.
    Deep,
}

/// How many flows may be tried in one packing, so that its time is bounded.
const MAX_TRIES: usize = 4_000;

/// `count` trees, in each of which a flow of `rate[site]` reaches every site that takes part, and which all
/// fit into the capacities; `None` if none were found. A site that takes no part has the rate 0.
///
/// The proof of Edmonds' theorem on disjoint branchings by Lovász (1976) as an algorithm: trees are grown one
/// after the other from the roots, and a flow is taken only if afterwards the stripes that are still to come
/// can all reach every site. There it shows that such a flow always exists. Here it may not, since the paths
/// between sites are those of the routers, transit sites pass nothing on by themselves, and parents must get
/// as much as their children.
pub(super) fn pack(core: &Core, rate: &[f64], count: usize, order: Order) -> Option<Vec<Tree>> {
    let mut packing = Packing {
        core,
        rate,
        count,
        left: core.arcs.iter().map(|arc| arc.capacity).collect(),
        witnesses: vec![Vec::new(); core.sites.len()],
        tries: 0,
    };
    for site in packing.wanting() {
        packing.witnesses[site] = packing.witness(site, count, &[])?;
    }
    (0..count).map(|done| packing.grow(done, order)).collect()
}

struct Packing<'c> {
    core: &'c Core,
    rate: &'c [f64],
    count: usize,
    /// Bytes per second that are left on each arc.
    left: Vec<f64>,
    /// Per site, a flow that shows that what it still needs can reach it.
    witnesses: Vec<Units>,
    tries: usize,
}

impl Packing<'_> {
    fn wanting(&self) -> Vec<usize> {
        (0..self.rate.len()).filter(|site| self.rate[*site] > 0.0 && !self.core.root[*site]).collect()
    }

    /// How many flows to a site an arc can take.
    fn room(&self, arc: usize, site: usize) -> u8 {
        let (left, rate) = (self.left[arc], self.rate[site]);
        if left.is_infinite() {
            u8::MAX
        } else {
            // `as` saturates; the rates are quotients of the capacities, so rounding must not cost a flow
            (left / rate + 1e-6) as u8
        }
    }

    fn witness(&self, site: usize, need: usize, members: &[usize]) -> Option<Units> {
        units(self.core, site, need, members, |arc| self.room(arc, site))
    }

    /// The next tree, after `done` others.
    fn grow(&mut self, done: usize, order: Order) -> Option<Tree> {
        let core = self.core;
        let mut tree: Tree = vec![None; core.sites.len()];
        let mut members: Vec<usize> = (0..core.sites.len()).filter(|site| core.root[*site]).collect();
        let mut open = self.wanting();
        let mut refused = vec![false; core.sites.len() * core.sites.len()];
        let mut again = false;
        while !open.is_empty() {
            let mut flows = Vec::new();
            for (age, from) in members.iter().enumerate() {
                let age = if order == Order::Deep {
                    members.len() - age
                } else {
                    age
                };
                let supply = if core.root[*from] {
                    f64::INFINITY
                } else {
                    self.rate[*from]
                };
                for to in open.iter().filter(|to| self.rate[**to] <= supply * (1.0 + 1e-9)) {
                    let Some(path) = core.path(*from, *to) else {
                        continue;
                    };
                    let fits = path.iter().all(|arc| self.room(*arc, *to) > 0);
                    if fits && !refused[from * core.sites.len() + to] {
                        flows.push((path.len(), age, *from, *to));
                    }
                }
            }
            let speed = |to: usize| self.rate[to];
            flows.sort_unstable_by(|a, b| {
                let (a_speed, b_speed) = (speed(a.3), speed(b.3));
                b_speed.total_cmp(&a_speed).then((a.0, a.1, a.3).cmp(&(b.0, b.1, b.3)))
            });
            let taken = flows.into_iter().find_map(|(_, _, from, to)| {
                self.tries += 1;
                if self.tries > MAX_TRIES {
                    return None;
                }
                let fits = self.take(from, to, done, &members, &open);
                refused[from * core.sites.len() + to] = !fits;
                fits.then_some((from, to))
            });
            match taken {
                Some((from, to)) => {
                    again = true;
                    tree[to] = Some(from);
                    members.push(to);
                    open.retain(|site| *site != to);
                }
                // a flow that was refused may do now that the tree has grown
                None if again && self.tries <= MAX_TRIES => {
                    again = false;
                    refused.fill(false);
                }
                None => return None,
            }
        }
        Some(tree)
    }

    /// Takes a flow into the tree that is grown after `done` others, if all that is still needed then fits.
    fn take(&mut self, from: usize, to: usize, done: usize, members: &[usize], open: &[usize]) -> bool {
        let Some(path) = self.core.path(from, to) else {
            return false;
        };
        let before: Vec<f64> = path.iter().map(|arc| self.left[*arc]).collect();
        for arc in path {
            if self.left[*arc].is_finite() {
                self.left[*arc] = (self.left[*arc] - self.rate[to]).max(0.0);
            }
        }
        let later = self.count - done - 1;
        let mut renewed = Vec::new();
        for site in self.wanting() {
            let inside = site == to || !open.contains(&site);
            if path.iter().all(|arc| self.witnesses[site][*arc] <= self.room(*arc, site)) {
                continue;
            }
            let need = later + usize::from(!inside);
            // who is in the tree can send it on, if it gets enough
            let able = |member: &usize| !self.core.root[*member] && self.rate[*member] >= self.rate[site];
            let able: Vec<usize> = members.iter().chain([&to]).copied().filter(able).collect();
            match self.witness(site, need, if inside { &[] } else { &able }) {
                Some(witness) => renewed.push((site, witness)),
                None => {
                    for (arc, left) in path.iter().zip(before) {
                        self.left[*arc] = left;
                    }
                    return false;
                }
            }
        }
        for (site, witness) in renewed {
            self.witnesses[site] = witness;
        }
        true
    }
}
