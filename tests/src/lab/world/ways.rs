//! How the content gets from site to site: at best, and as the tracker plans it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use narrows_topology::{Forest, Hop, Load, Rate, SiteId, forest, max_flow, stripes};

use super::World;

/// How a part of the content gets to a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// The site that fetches.
    pub site: SiteId,
    /// The site that it fetches from.
    pub from: SiteId,
    /// The links between them, in the direction of the data.
    pub hops: Vec<Hop>,
    /// The part of the content that comes this way: 1, or less where the plan has stripes.
    pub share: f64,
}

impl World {
    /// The most that can reach a site from all seeders together, over any paths.
    pub fn best_rate(&self, site: SiteId, at: Timestamp) -> Rate {
        max_flow(&self.map, at, &self.roots, site)
    }

    /// The seconds that `size` bytes need to the worst-connected waiting site; `None` if no limited link is
    /// in the way of any.
    pub fn bound(&self, size: u64, at: Timestamp) -> Option<f64> {
        let rates = self
            .waiting
            .iter()
            .filter_map(|site| self.best_rate(*site, at).bytes_per_second());
        rates.min().map(|rate| size as f64 / rate.max(1) as f64)
    }

    /// The tracker's plan for these sites, with nothing else on the links: several forests for an equal part of the
    /// pieces each where those are faster, else one.
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

    /// The ways to each waiting site in that plan; the shares of a site's ways add up to 1.
    pub fn ways(&self, at: Timestamp) -> Vec<Way> {
        let planned = self.planned(at);
        let share = 1.0 / planned.len().max(1) as f64;
        let mut ways: Vec<Way> = Vec::new();
        for (site, parent) in planned.iter().flatten() {
            let known = ways
                .iter_mut()
                .find(|way| way.site == *site && way.from == parent.site);
            if let Some(way) = known {
                way.share += share;
            } else if let Some(route) = self.map.path(parent.site, *site) {
                ways.push(Way {
                    site: *site,
                    from: parent.site,
                    hops: route.hops.to_vec(),
                    share,
                });
            }
        }
        ways
    }
}

/// How many copies of the content cross each link and direction on these ways.
pub fn copies(ways: &[Way]) -> BTreeMap<Hop, f64> {
    let mut copies = BTreeMap::new();
    for way in ways {
        for hop in &way.hops {
            *copies.entry(*hop).or_insert(0.0) += way.share;
        }
    }
    copies
}
