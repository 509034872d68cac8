//! The fluid bound: what the network could bring to one site if it carried nothing else.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::{Hop, LinkId, Rate, SiteId, SiteMap};

/// The maximum flow from all roots together to `site` at the present rates, over any paths, not only those
/// that routers take; unlimited if an unlimited path exists or the site is a root itself, zero if there is
/// none.
pub fn max_flow(map: &SiteMap, at: Timestamp, roots: &BTreeSet<SiteId>, site: SiteId) -> Rate {
    if roots.contains(&site) {
        return Rate::UNLIMITED;
    }
    let mut sites: Vec<SiteId> = map.sites().collect();
    let extra = roots.iter().chain([&site]).filter(|site| matches!(site, SiteId::Attached(_)));
    sites.extend(extra);
    sites.sort();
    sites.dedup();
    let index = |site: SiteId| sites.binary_search(&site).ok();
    let mut network = Network::new(sites.len());
    let attached = sites.iter().filter_map(|site| match site {
        SiteId::Attached(n) => Some(LinkId::Attached(*n)),
        SiteId::Named(_) => None,
    });
    for link in map.links().chain(attached) {
        let (a, b) = map.ends(link);
        if let (Some(a), Some(b)) = (index(a), index(b)) {
            let rate = map.rate(Hop { link, forward: true }, at);
            // a link carries its rate each way, so each arc is the other's reverse with capacity of its own
            network.join(a, b, rate, rate);
        }
    }
    let roots = roots.iter().filter_map(|root| index(*root));
    index(site).map_or(Rate::ZERO, |site| network.max_flow(roots, site))
}

/// A network of nodes and arcs; Edmonds-Karp's algorithm augments along shortest paths.
pub(crate) struct Network {
    /// Where each leads, and what it has room for. Arc `i` and arc `i ^ 1` are each other's reverse.
    arcs: Vec<(usize, Rate)>,
    leaving: Vec<Vec<usize>>,
}

impl Network {
    /// Of so many nodes and no arcs.
    pub(crate) fn new(nodes: usize) -> Network {
        Network {
            arcs: Vec::new(),
            leaving: vec![Vec::new(); nodes],
        }
    }

    /// Joins two nodes, with what may flow there and back.
    pub(crate) fn join(&mut self, a: usize, b: usize, there: Rate, back: Rate) {
        self.leaving[a].push(self.arcs.len());
        self.arcs.push((b, there));
        self.leaving[b].push(self.arcs.len());
        self.arcs.push((a, back));
    }

    /// The greatest flow from all roots together to another node; unlimited over an unlimited path.
    pub(crate) fn max_flow(mut self, roots: impl Iterator<Item = usize>, sink: usize) -> Rate {
        let source = self.leaving.len();
        self.leaving.push(Vec::new());
        for root in roots {
            self.join(source, root, Rate::UNLIMITED, Rate::ZERO);
        }
        let mut total = Rate::ZERO;
        while let Some(more) = self.augment(source, sink) {
            total = total.saturating_add(more);
            if total.is_unlimited() {
                break;
            }
        }
        total
    }

    /// Sends as much as the shortest path with room takes; `None` if there is no such path.
    fn augment(&mut self, source: usize, sink: usize) -> Option<Rate> {
        let mut came: Vec<Option<usize>> = vec![None; self.leaving.len()];
        let mut queue = VecDeque::from([source]);
        while let Some(at) = queue.pop_front() {
            for &arc in &self.leaving[at] {
                let (to, room) = self.arcs[arc];
                if room > Rate::ZERO && to != source && came[to].is_none() {
                    came[to] = Some(arc);
                    queue.push_back(to);
                }
            }
        }
        let mut path = Vec::new();
        let mut at = sink;
        while let Some(arc) = came[at] {
            path.push(arc);
            at = self.arcs[arc ^ 1].0;
        }
        let most = path.iter().map(|arc| self.arcs[*arc].1).min()?;
        for arc in path {
            self.arcs[arc].1 = self.arcs[arc].1.saturating_sub(most);
            self.arcs[arc ^ 1].1 = self.arcs[arc ^ 1].1.saturating_add(most);
        }
        Some(most)
    }
}
