//! Rules 2, supply, and 3, parents: where each waiting site gets the content from.

use std::collections::BTreeSet;

use jiff::Timestamp;
use narrows_topology::{Forest, Load, Parent, Rate, Route, SiteId, SiteMap, forest, newcomer};

use super::stripes;
use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::peer::Class;
use crate::state::picture::{Known, Picture, Plan};
use crate::state::site::{Site, Supply};
use crate::state::stripes::Cause;
use crate::state::view::View;
use crate::{Context, Policy, Time};

/// Peers of a class that are looked at at a parent for one that was not tried.
const LOOKED_AT: usize = 8;

/// Whether a swarm's parents are planned within the announce that changes them: on maps so small that it costs
/// less than to have it done beside.
pub(crate) fn are_planned_at_once(swarm: &Swarm, map: &SiteMap, policy: &Policy) -> bool {
    let most = policy.planning.at_once;
    map.sites().len() <= most && swarm.sites.len() <= most
}

impl Picture {
    /// Plans the parents, with the map that the picture was taken with. Those that can stay do, but for those
    /// whose flow leads through a site that has just joined, become supplied, or become a possible parent again; or through
    /// any that could serve, if it comes from one that is no longer supplied: a machine there may have said only that it
    /// has everything.
    pub fn plan(self, map: &SiteMap) -> Plan {
        let with = |supply: Supply| -> BTreeSet<SiteId> {
            let sites = self.sites.iter().filter(|site| site.supply == supply);
            sites.map(|site| site.id).collect()
        };
        let (mut roots, mut waiting) = (with(Supply::Supplied), with(Supply::Waiting));
        let root = self.best.filter(|_| roots.is_empty());
        if let Some(root) = root {
            waiting.remove(&root);
            roots.insert(root);
        }
        let served = self.sites.iter().filter(|site| site.serves).map(|site| site.id);
        let served: BTreeSet<SiteId> = served.collect();
        let serves = |id: &SiteId| served.contains(id);
        let known = Known {
            roots: roots.intersection(&served).copied().collect(),
            waiting: waiting.intersection(&served).copied().collect(),
            barren: self.barren.clone(),
        };
        let newcomers = newcomers(&self.known, &known);
        let silent = waiting.difference(&served);
        let silent: BTreeSet<(SiteId, SiteId)> = silent.map(|site| (*site, *site)).collect();
        let barren: BTreeSet<(SiteId, SiteId)> = self.barren.union(&silent).copied().collect();
        let fallen: BTreeSet<SiteId> = self.known.roots.difference(&roots).copied().collect();
        let freed: BTreeSet<(SiteId, SiteId)> = self.known.barren.difference(&self.barren).copied().collect();
        let can_serve = |site: SiteId| known.roots.contains(&site) || known.waiting.contains(&site);
        let stays = |child: SiteId, parent: SiteId| {
            let is_fallen = fallen.contains(&parent);
            let could_shorten = |site: SiteId| {
                newcomers.contains(&site)
                    || freed.contains(&(child, site))
                    || (is_fallen && can_serve(site) && !barren.contains(&(child, site)))
            };
            let may_be_shorter = is_fallen || !newcomers.is_empty() || !freed.is_empty();
            waiting.contains(&child)
                && !(may_be_shorter && passes_through(map, parent, child, could_shorten))
                && (roots.contains(&parent) || waiting.contains(&parent))
                && !barren.contains(&(child, parent))
                && !is_paused(map, self.wall, parent, child)
                && serves(&parent)
        };
        let edges = self.forest.iter().map(|(child, parent)| (*child, *parent));
        let keep: Forest = edges.filter(|(child, parent)| stays(*child, parent.site)).collect();
        let load = self.load_of_others();
        let mut plan = forest(map, self.wall, &roots, &waiting, &keep, &barren, &load);
        if plan.len() < waiting.len() {
            // a barren parent is better than none, and so is another than one that can be kept no more
            plan = forest(map, self.wall, &roots, &waiting, &plan, &silent, &load);
        }
        let cause = Cause {
            roots,
            waiting: waiting.clone(),
            barren,
            ..Cause::default()
        };
        let stripes = stripes::plan(map, self.wall, &self.stripes, &plan, cause, &load);
        Plan {
            id: self.id,
            root,
            known,
            waiting,
            forest: plan,
            stripes,
        }
    }

    /// What is planned on the links for other swarms.
    fn load_of_others(&self) -> Load {
        let mut load = self.load.clone();
        for (route, rate) in &self.own {
            load.remove(route, *rate);
        }
        load
    }
}

/// A parent for a site that waits and has none, until the next plan: the one that the plan would choose for it
/// alone, had nothing else changed. It is found in one walk over the paths that lead to the site.
pub(crate) fn provisional(swarm: &Swarm, cx: &Context<'_>, id: SiteId) -> Option<Parent> {
    if swarm.supplied == 0 && swarm.root.is_none() {
        return None;
    }
    let is_barren =
        |parent: SiteId| swarm.barren.contains(&(id, parent)) || swarm.avoided.contains_key(&(id, parent));
    let arrives = |parent: SiteId| {
        let site = swarm.sites.get(&parent).filter(|site| parent != id && swarm.feeds(site))?;
        if is_barren(parent) || Swarm::is_above(&swarm.forest, id, parent) {
            return None;
        }
        let fed = swarm.forest.get(&parent).filter(|_| site.supply == Supply::Waiting);
        Some(fed.map_or(Rate::UNLIMITED, |above| above.rate))
    };
    let attached = swarm.sites.attached();
    cx.ledger.with_load(|load| newcomer(cx.map, cx.wall, id, load, attached, arrives))
}

/// The sites that may serve since this plan: they joined, became supplied or got a peer that shares since the
/// last one. Both are roots and waiting sites.
fn newcomers(before: &Known, now: &Known) -> BTreeSet<SiteId> {
    let was_there = |site: &SiteId| before.roots.contains(site) || before.waiting.contains(site);
    let joined = now.waiting.iter().filter(|site| !was_there(site));
    let supplied = now.roots.difference(&before.roots);
    joined.chain(supplied).copied().collect()
}

/// Whether the way from a parent to its child leads through one of these. Such a child is planned anew: with that site
/// in between, the content crosses the links before it once for both.
fn passes_through(map: &SiteMap, parent: SiteId, child: SiteId, is_one: impl Fn(SiteId) -> bool) -> bool {
    let Some(route) = map.path(parent, child) else {
        return false;
    };
    let reached = route.hops.iter().map(|hop| {
        let (first, second) = map.ends(hop.link);
        if hop.forward { second } else { first }
    });
    reached.take(route.hops.len().saturating_sub(1)).any(is_one)
}

/// Whether a link between two sites is at rate 0 now.
fn is_paused(map: &SiteMap, at: Timestamp, from: SiteId, to: SiteId) -> bool {
    map.path(from, to)
        .is_some_and(|route| route.hops.iter().any(|hop| map.rate(*hop, at) == Rate::ZERO))
}

/// The supplied site (or, without one, the root) from which a site would be reached fastest, other than
/// itself and `not`; ties go to fewer hops, then to the name. Without any, one whose seeders are slow: those of the
/// others may be made up.
pub(crate) fn nearest_root(view: &View<'_>, not: Option<SiteId>) -> Option<SiteId> {
    let (swarm, cx, id) = (view.swarm, view.cx, view.id());
    let is_root = |root: SiteId, site: &Site| {
        root != id
            && Some(root) != not
            && site.sharing
            && (site.supply == Supply::Supplied || swarm.root == Some(root) || site.has_slow_seeders())
    };
    let is_slow = |root: SiteId| swarm.sites.get(&root).is_some_and(Site::has_slow_seeders);
    let roots = swarm.sites.iter().filter(|(root, site)| is_root(*root, site));
    let routes: Vec<(SiteId, Route)> =
        roots.filter_map(|(root, _)| Some((root, cx.map.path(root, id)?))).collect();
    cx.ledger.with_load(|load| {
        let rank = |(root, route): &(SiteId, Route)| {
            let avoided = swarm.avoided.contains_key(&(id, *root));
            let is_slow = swarm.root != Some(*root) && is_slow(*root);
            let speed = cx.speed_along(load, route);
            (
                avoided,
                is_slow,
                std::cmp::Reverse(speed),
                route.hops.len(),
                *root,
            )
        };
        routes.iter().map(rank).min().map(|(.., root)| root)
    })
}

/// When there was last a sign that a parent of a gateway's site has something: another site had something of it, or it has
/// a peer that was not tried.
pub(crate) fn proven(view: &View<'_>, parent: SiteId) -> Option<Time> {
    match has_another(view, parent) {
        true => Some(view.now),
        false => view.swarm.brought.get(&parent).copied(),
    }
}

/// Whether a peer of a parent says that it has more than a gateway, of whose address that one's site did not have
/// nothing before.
fn has_another(view: &View<'_>, parent: SiteId) -> bool {
    let is_fresh = |at: Endpoint| !view.site.fed.was_useless(at);
    view.swarm.sites.get(&parent).filter(|site| site.sharing).is_some_and(|site| {
        let best = site.peers.best().into_iter().filter_map(|(_, at)| Some((at, site.peers.find(at)?.1)));
        let of = |class| site.peers.one_of_each_address(class, 0).take(LOOKED_AT);
        let mut others = best.chain(of(Class::Leecher)).filter(|(_, peer)| peer.left < view.peer.left);
        others.any(|(at, _)| is_fresh(at)) || of(Class::Seeder).any(|(at, _)| is_fresh(at))
    })
}

/// Parents of a gateway's site that have nothing to give: they hold no more than the gateway and have not
/// come on for two leecher intervals. The site is to be planned without them.
pub(crate) fn barren(view: &View<'_>) -> Vec<SiteId> {
    let (swarm, left) = (view.swarm, view.peer.left);
    let policy = view.cx.policy;
    let patience = policy.intervals.leecher * policy.starvation.barren;
    let is_barren = |parent: SiteId, site: &Site| {
        let has_more =
            site.supply == Supply::Supplied || site.peers.best().is_some_and(|(best, _)| best < left);
        let is_idle = view.now.saturating_sub(site.progressed) > patience;
        !has_more && is_idle && swarm.root != Some(parent)
    };
    let parents = stripes::parents(view).into_iter().map(|(parent, _)| parent);
    parents.filter(|id| swarm.sites.get(id).is_some_and(|site| is_barren(*id, site))).collect()
}
