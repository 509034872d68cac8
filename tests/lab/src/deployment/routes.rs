//! How the content gets from site to site: at best, and as the tracker plans it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use narrows_topology::{Forest, Hop, Load, Rate, SiteId, forest, max_flow, stripes};

use super::Deployment;

/// How a part of the content gets to a site.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRoute {
    /// The site that fetches.
    pub site: SiteId,
    /// The site that it fetches from.
    pub from: SiteId,
    /// The links between them, in the direction of the data.
    pub hops: Vec<Hop>,
    /// The part of the content that comes this way: 1, or less where the plan has stripes.
    pub share: f64,
}

impl Deployment {
    /// What the best path brings to a site from any seeders' site, over whatever sites pass it on.
    pub fn best_rate(&self, site: SiteId, at: Timestamp) -> Rate {
        let mut best: BTreeMap<SiteId, Rate> = BTreeMap::new();
        best.extend(self.roots.iter().map(|root| (*root, Rate::UNLIMITED)));
        // Bellman and Ford: a path has fewer links than there are sites
        for _ in self.map.sites() {
            let mut changed = false;
            for link in self.map.links() {
                let (a, b) = self.map.ends(link);
                for (from, to, forward) in [(a, b, true), (b, a, false)] {
                    let rate = self.map.rate(Hop { link, forward }, at);
                    let Some(through) = best.get(&from).map(|to_there| rate.min(*to_there)) else {
                        continue;
                    };
                    if best.get(&to).is_none_or(|known| *known < through) {
                        best.insert(to, through);
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        best.get(&site).copied().unwrap_or(Rate::ZERO)
    }

    /// The seconds that `size` bytes need to the worst-connected waiting site by its best path; `None` if no
    /// limited link is in the way of any.
    pub fn bound(&self, size: u64, at: Timestamp) -> Option<f64> {
        self.slowest(size, |site| self.best_rate(site, at))
    }

    /// The same over all paths at once: the most that any plan could reach.
    pub fn max_flow_bound(&self, size: u64, at: Timestamp) -> Option<f64> {
        self.slowest(size, |site| max_flow(&self.map, at, &self.roots, site))
    }

    fn slowest(&self, size: u64, rate: impl Fn(SiteId) -> Rate) -> Option<f64> {
        let rates = self.waiting.iter();
        let rates = rates.filter_map(|site| rate(*site).bytes_per_second());
        rates.min().map(|rate| size as f64 / rate.max(1) as f64)
    }

    /// The tracker's plan for these sites, with nothing else on the links: several forests for an equal part
    /// of the pieces each where those are faster, else one.
    fn planned(&self, at: Timestamp) -> Vec<Forest> {
        let (none, idle) = (BTreeSet::new(), Load::default());
        let (roots, waiting) = (&self.roots, &self.waiting);
        stripes(&self.map, at, roots, waiting, &none, &idle).unwrap_or_else(|| {
            vec![forest(
                &self.map,
                at,
                roots,
                waiting,
                &Forest::new(),
                &none,
                &idle,
            )]
        })
    }

    /// The routes to each waiting site in that plan; the shares of a site's routes add up to 1.
    pub fn planned_routes(&self, at: Timestamp) -> Vec<PlannedRoute> {
        let planned = self.planned(at);
        let share = 1.0 / planned.len().max(1) as f64;
        let mut routes: Vec<PlannedRoute> = Vec::new();
        for (site, parent) in planned.iter().flatten() {
            let known = routes.iter_mut().find(|route| route.site == *site && route.from == parent.site);
            if let Some(route) = known {
                route.share += share;
            } else if let Some(route) = self.map.path(parent.site, *site) {
                routes.push(PlannedRoute {
                    site: *site,
                    from: parent.site,
                    hops: route.hops.to_vec(),
                    share,
                });
            }
        }
        routes
    }
}

/// How many copies of the content cross each link and direction on these routes.
pub fn copies(routes: &[PlannedRoute]) -> BTreeMap<Hop, f64> {
    let mut copies = BTreeMap::new();
    for route in routes {
        for hop in &route.hops {
            *copies.entry(*hop).or_insert(0.0) += route.share;
        }
    }
    copies
}
