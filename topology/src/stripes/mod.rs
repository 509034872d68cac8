//! Several forests side by side, where one cannot fill the links.

mod core;
mod filling;
mod packing;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::core::{Core, Cut, cut};
use self::filling::fill;
use self::packing::{Order, Tree, pack};
use self::units::units;
use crate::forest::room::Room;
use crate::{Forest, Load, Parent, Rate, SiteId, SiteMap, forest};

/// The most stripes. (Two bring most of what there is to gain; each costs every site a further connection.)
const MAX_STRIPES: usize = 4;

/// The least gain for the sake of which there are stripes.
const GAIN: f64 = 1.1;

/// What no site may lose beyond.
const LOSS: f64 = 0.95;

/// How near to the bound of its slowest site a packing must be to be taken without looking at more stripes.
const NEAR: f64 = 0.87;

/// Two to four forests side by side, each for an equal part of the pieces, that together bring a site more
/// than one parent can where the map is meshed; `None` where one forest is as good.
///
/// The parameters are those of [`forest`], but nothing is kept. Every waiting site that [`forest`] gives a
/// parent has one in each stripe; each piece rides one stripe, so that no site is entered twice by the same
/// piece. Flows follow [`SiteMap::path`]; [`Parent::rate`] is what is planned for the flow of that stripe
/// alone, the same in all stripes of a site, so that they end together: what a site gets is that times the
/// number of stripes. On every hop the rates planned add up to no more than what [`Load::speed`] says a
/// further flow would have.
///
/// # When there are stripes
/// A site *can gain* if the greatest flow from the roots to it ([`crate::max_flow`]) is at least 1.1 times
/// what it gets with one forest. The fewest stripes are taken with which the slowest of the sites that can
/// gain gets at least 1.1 times what the slowest of them gets now, and at least 0.87 times the least of their
/// bounds, while no site loses more than 5 %; failing 0.87, the number of stripes with which that slowest
/// site is fastest.
///
/// `None` is also the answer if more than 64 sites take part in the meshed part of the map. Sites that hang
/// on a site that takes part by one link are not counted: they are fed from there in each stripe. A map
/// without cycles is told at once.
///
/// # How near to the bound
/// Of 200 random meshes of each kind with 3 to 40 sites (the statistics among the tests), the slowest site
/// was within 1.15 times the time of its max-flow bound on all rings, diamonds, grids and rings of routers
/// with equal links (one forest: on none), on 95 to 100 % of them with links of 5, 10 and 20 Mbit/s, on 74,
/// 52, 40 and 90 % with rates from 1 to 100 Mbit/s: equal stripes cannot fill links whose rates have no
/// common part. Branches that are linked to the same two routers with equal costs gain nothing: the routers
/// send all that reaches one of them over one of its links. It takes 0.1 to 3 ms on average, at 64 sites 10
/// to 240 ms.
///
/// # Stability
/// The result depends on the arguments alone. A site that hangs on another by one link changes nothing for
/// the others, neither by coming nor by going. Any other may change every parent: ask again only where
/// [`forest`] would be asked for a plan, and carry on with the stripes at hand otherwise.
pub fn stripes(
    map: &SiteMap,
    at: Timestamp,
    roots: &BTreeSet<SiteId>,
    waiting: &BTreeSet<SiteId>,
    barren: &BTreeSet<(SiteId, SiteId)>,
    load: &Load,
) -> Option<Vec<Forest>> {
    if !map.is_meshed() {
        return None;
    }
    let waiting: BTreeSet<SiteId> = waiting.difference(roots).copied().collect();
    let mut room = Room::new(map, at, roots.union(&waiting).copied().collect(), load);
    room.silence(barren);
    let Cut { core, outer } = cut(&room, roots, &waiting, barren)?;
    let inner: BTreeSet<SiteId> = core.sites.iter().filter(|site| waiting.contains(site)).copied().collect();
    let single = forest(map, at, roots, &inner, &Forest::new(), barren, load);
    let search = Search::new(&core, &single)?;
    let (trees, rates) = search.best()?;
    let stripes = spell(&room, &core, &single, &outer, &trees, &rates);
    // where a site has nothing to give, a site that hangs on another may have to be fed from elsewhere
    let fed = |site: &SiteId| stripes.iter().all(|stripe| stripe.contains_key(site));
    let above = |parent: &SiteId| roots.contains(parent) || fed(parent);
    outer.iter().all(|(_, parent)| above(parent)).then_some(stripes)
}

/// What is looked for: more than the single forest gives.
struct Search<'c> {
    core: &'c Core,
    /// What each site gets with the single forest; roots without limit.
    single: Vec<f64>,
    /// The greatest flow to each site.
    bound: Vec<f64>,
    /// The sites that can gain.
    hopeful: Vec<usize>,
}

impl<'c> Search<'c> {
    /// `None` if no site can gain.
    fn new(core: &'c Core, forest: &Forest) -> Option<Search<'c>> {
        let number: BTreeMap<SiteId, usize> =
            core.sites.iter().enumerate().map(|(i, site)| (*site, i)).collect();
        let mut tree: Tree = vec![None; core.sites.len()];
        for (site, parent) in forest {
            let (Some(site), Some(parent)) = (number.get(site), number.get(&parent.site)) else {
                continue;
            };
            // a paused flow has no path here; sites below it get nothing
            tree[*site] = core.path(*parent, *site).map(|_| *parent);
        }
        let fed = |mut site: usize| {
            while let Some(parent) = tree[site] {
                site = parent;
            }
            core.root[site]
        };
        let fed: Vec<bool> = (0..core.sites.len()).map(fed).collect();
        let demand = core.root.iter().zip(&fed).map(|(root, fed)| match (root, fed) {
            (true, _) => f64::INFINITY,
            (false, true) => 0.0,
            // filled with nothing, it would seem to have no limit
            (false, false) => -1.0,
        });
        let demand: Vec<f64> = demand.collect();
        let only: Vec<usize> = (0..core.sites.len()).filter(|site| demand[*site] >= 0.0).collect();
        let mut single = vec![0.0; core.sites.len()];
        let filled = rates_of(core, &only, &demand, &[tree]);
        for (site, rate) in only.iter().zip(filled) {
            single[*site] = rate;
        }
        let bound: Vec<f64> = (0..core.sites.len())
            .map(|site| match core.root[site] || single[site] == 0.0 {
                true => single[site],
                false => core.max_flow(site),
            })
            .collect();
        let gains = |site: &usize| {
            single[*site] > 0.0 && bound[*site].is_finite() && bound[*site] >= single[*site] * GAIN
        };
        let hopeful: Vec<usize> = (0..core.sites.len()).filter(gains).collect();
        (!hopeful.is_empty()).then_some(Search {
            core,
            single,
            bound,
            hopeful,
        })
    }

    fn slowest(&self, rates: &[f64]) -> f64 {
        self.hopeful.iter().map(|site| rates[*site]).fold(f64::INFINITY, f64::min)
    }

    /// The best packing: its trees and what each site gets in each of them.
    fn best(&self) -> Option<(Vec<Tree>, Vec<f64>)> {
        let (now, bound) = (self.slowest(&self.single), self.slowest(&self.bound));
        let mut best: Option<(f64, Vec<Tree>, Vec<f64>)> = None;
        for count in 2..=MAX_STRIPES {
            let Some((trees, rates)) = self.packing(count) else {
                continue;
            };
            let total: Vec<f64> = rates.iter().map(|rate| rate * count as f64).collect();
            let slowest = self.slowest(&total);
            if slowest > best.as_ref().map_or(now * GAIN, |(slowest, ..)| slowest * 1.01) {
                best = Some((slowest, trees, rates));
            }
            if best.as_ref().is_some_and(|(slowest, ..)| *slowest >= bound * NEAR) {
                break;
            }
        }
        best.map(|(_, trees, rates)| (trees, rates))
    }

    /// The packing of so many stripes with the fastest slowest site.
    fn packing(&self, count: usize) -> Option<(Vec<Tree>, Vec<f64>)> {
        let whole = self.whole(count);
        let (now, most) = (self.slowest(&self.single), self.slowest(&whole));
        if most < now * GAIN {
            return None;
        }
        // every site as fast as can be; then none faster than the slowest; then all of them slower
        let mut goals: Vec<f64> =
            self.hopeful.iter().map(|site| whole[*site]).filter(|rate| *rate > most).collect();
        goals.sort_by(|a, b| b.total_cmp(a));
        goals.dedup();
        goals.truncate(2);
        goals.extend(
            [1.0, 0.95, 0.9, 0.8, 0.7, 0.6]
                .map(|part| part * most)
                .into_iter()
                .filter(|goal| *goal >= now * GAIN),
        );
        let mut best: Option<(f64, Vec<Tree>, Vec<f64>)> = None;
        for goal in goals {
            if best.as_ref().is_some_and(|(slowest, ..)| *slowest >= goal.min(most) * 0.99) {
                break;
            }
            let rate: Vec<f64> = (0..whole.len())
                .map(|site| match self.core.root[site] {
                    true => f64::INFINITY,
                    false => self.single[site].min(whole[site]).max(whole[site].min(goal)) / count as f64,
                })
                .collect();
            for order in [Order::Broad, Order::Deep] {
                let Some(trees) = pack(self.core, &rate, count, order) else {
                    continue;
                };
                let only: Vec<usize> = (0..rate.len()).filter(|site| rate[*site] > 0.0).collect();
                let mut rates = vec![0.0; rate.len()];
                for (site, rate) in only.iter().zip(rates_of(self.core, &only, &rate, &trees)) {
                    rates[*site] = rate;
                }
                let loses = |site: &usize| rates[*site] * (count as f64) < self.single[*site] * LOSS;
                let slowest = self.slowest(&rates) * count as f64;
                if !only.iter().any(loses) && best.as_ref().is_none_or(|(best, ..)| slowest > *best) {
                    best = Some((slowest, trees, rates));
                }
                break;
            }
        }
        best.map(|(_, trees, rates)| (trees, rates))
    }

    /// The most that each site can get by so many equal stripes: the greatest rate of which so many whole
    /// flows reach it. It is a part of some capacity.
    fn whole(&self, count: usize) -> Vec<f64> {
        let mut parts: Vec<f64> = self
            .core
            .arcs
            .iter()
            .filter(|arc| arc.capacity.is_finite())
            .flat_map(|arc| (1..=count).map(move |part| arc.capacity / part as f64))
            .collect();
        parts.sort_by(f64::total_cmp);
        parts.dedup();
        (0..self.core.sites.len())
            .map(|site| {
                if self.core.root[site] || self.single[site] == 0.0 || self.bound[site].is_infinite() {
                    return self.single[site];
                }
                let fits = |rate: f64| {
                    let room = |arc: usize| (self.core.arcs[arc].capacity / rate + 1e-6) as u8;
                    units(self.core, site, count, &[], room).is_some()
                };
                let fitting = parts.partition_point(|part| fits(*part));
                fitting.checked_sub(1).map_or(0.0, |last| parts[last] * count as f64)
            })
            .collect()
    }
}

/// What the sites get of these trees, at least their demands; the sites left out take no part.
fn rates_of(core: &Core, only: &[usize], demand: &[f64], trees: &[Tree]) -> Vec<f64> {
    let capacity: Vec<f64> = core.arcs.iter().map(|arc| arc.capacity).collect();
    let number: BTreeMap<usize, usize> = only.iter().enumerate().map(|(i, site)| (*site, i)).collect();
    let demand: Vec<f64> = only.iter().map(|site| demand[*site]).collect();
    let parent = |site: &usize| {
        trees.iter().map(|tree| tree[*site].and_then(|parent| number.get(&parent).copied())).collect()
    };
    let parents: Vec<Vec<Option<usize>>> = only.iter().map(parent).collect();
    let uses = |site: &usize| {
        let parents = trees.iter().filter_map(|tree| tree[*site]);
        parents.flat_map(|parent| core.path(parent, *site).unwrap_or_default()).copied().collect()
    };
    let uses: Vec<Vec<usize>> = only.iter().map(uses).collect();
    fill(&capacity, &demand, &parents, &uses)
}

/// The stripes by name, with the sites that hang on those of the core, and those that are paused.
fn spell(
    room: &Room<'_>,
    core: &Core,
    single: &Forest,
    outer: &[(SiteId, SiteId)],
    trees: &[Tree],
    rates: &[f64],
) -> Vec<Forest> {
    let mut rate_of: BTreeMap<SiteId, f64> = core.sites.iter().copied().zip(rates.iter().copied()).collect();
    for (site, root) in core.sites.iter().zip(&core.root) {
        if *root {
            rate_of.insert(*site, f64::INFINITY);
        }
    }
    for (site, parent) in outer {
        let link = match (room.index(*parent), room.index(*site)) {
            (Some(parent), Some(site)) => room.speed(parent, site).map_or(0.0, |(speed, _)| speed.as_f64()),
            _ => 0.0,
        };
        let above = rate_of.get(parent).copied().unwrap_or(0.0);
        rate_of.insert(*site, above.min(link / trees.len() as f64));
    }
    let rate = |site: &SiteId| Rate::of_f64(rate_of.get(site).copied().unwrap_or(0.0));
    let stripe = |tree: &Tree| {
        let mut stripe = Forest::new();
        for (i, site) in core.sites.iter().enumerate() {
            let packed = tree[i].map(|parent| core.sites[parent]);
            // who is not packed is paused
            if let Some(parent) = packed.or(single.get(site).map(|parent| parent.site)) {
                stripe.insert(
                    *site,
                    Parent {
                        site: parent,
                        rate: rate(site),
                    },
                );
            }
        }
        let outer = outer.iter().map(|(site, parent)| {
            (
                *site,
                Parent {
                    site: *parent,
                    rate: rate(site),
                },
            )
        });
        stripe.extend(outer);
        stripe
    };
    trees.iter().map(stripe).collect()
}
