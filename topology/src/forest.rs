//! Rule 3: who gets a swarm's content from whom.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{Load, Rate, Route, SiteId, SiteMap};

/// Where a site gets a swarm's content from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// The parent site.
    pub site: SiteId,
    /// The speed that was planned for the flow; [`Rate::ZERO`] while a link of the path is paused.
    pub rate: Rate,
}

/// The parent of each fed site. Roots have none.
pub type Forest = BTreeMap<SiteId, Parent>;

/// Rule 3.
pub fn forest(
    map: &SiteMap,
    at: Timestamp,
    roots: &BTreeSet<SiteId>,
    waiting: &BTreeSet<SiteId>,
    keep: &Forest,
    barren: &BTreeSet<(SiteId, SiteId)>,
    load: &Load,
) -> Forest {
    let mut plan = Load::clone(load);
    let mut forest = Forest::new();
    loop {
        let mut best: Option<(Rate, std::cmp::Reverse<(usize, SiteId, SiteId)>, Route)> = None;
        for &to in waiting
            .iter()
            .filter(|site| !forest.contains_key(site) && !roots.contains(site))
        {
            for &from in roots
                .iter()
                .chain(forest.keys())
                .filter(|site| map.may_serve(**site))
            {
                if barren.contains(&(to, from)) || keep.get(&to).is_some_and(|kept| kept.site != from) {
                    continue;
                }
                let Some(route) = map.path(from, to) else { continue };
                let speed = route
                    .hops
                    .iter()
                    .map(|hop| plan.speed(*hop, map.rate(*hop, at)))
                    .min();
                let speed = speed.unwrap_or(Rate::UNLIMITED);
                let order = std::cmp::Reverse((route.hops.len(), from, to));
                if best.as_ref().is_none_or(|(s, o, _)| (speed, order) > (*s, *o)) {
                    best = Some((speed, order, route));
                }
            }
        }
        let Some((rate, std::cmp::Reverse((_, from, to)), route)) = best else {
            return forest;
        };
        plan.add(&route, rate);
        forest.insert(to, Parent { site: from, rate });
    }
}
