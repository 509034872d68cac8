//! Rules 2, supply, and 3, parents: where each waiting site gets the content from.

use std::collections::BTreeSet;

use narrows_topology::{Forest, Load, Rate, Route, SiteId, forest};

use super::stripes;
use crate::state::Swarm;
use crate::state::site::{Site, Supply};
use crate::state::stripes::{Cause, Stripes};
use crate::state::view::View;
use crate::{Context, Time};

/// Where sites get the content from.
#[derive(Debug)]
pub(crate) struct Parents {
    /// The site with most bytes, where no site is supplied.
    pub(crate) root: Option<SiteId>,
    /// The roots and the waiting sites that serve.
    pub(crate) known: (BTreeSet<SiteId>, BTreeSet<SiteId>),
    pub(crate) forest: Forest,
    /// Other stripes than those in force.
    pub(crate) stripes: Option<Stripes>,
}

/// Plans the parents. Those that can stay do, but for those whose flow leads through a site that has just
/// joined or become supplied.
pub(crate) fn plan(swarm: &Swarm, cx: &Context<'_>, now: Time) -> Parents {
    let with = |supply: Supply| -> BTreeSet<SiteId> {
        let sites = swarm.sites.iter().filter(|(_, site)| site.supply == supply);
        sites.map(|(id, _)| id).collect()
    };
    let (mut roots, mut waiting) = (with(Supply::Supplied), with(Supply::Waiting));
    let root = if roots.is_empty() {
        best_supplied(swarm)
    } else {
        None
    };
    if let Some(root) = root {
        waiting.remove(&root);
        roots.insert(root);
    }
    let serves = |id: &SiteId| swarm.sites.get(id).is_some_and(Site::can_serve);
    let serving = |sites: &BTreeSet<SiteId>| -> BTreeSet<SiteId> {
        sites.iter().filter(|id| serves(id)).copied().collect()
    };
    let known = (serving(&roots), serving(&waiting));
    let newcomers = newcomers(&swarm.known, &known);
    let silent = waiting.iter().filter(|site| !serves(site));
    let silent: BTreeSet<(SiteId, SiteId)> = silent.map(|site| (*site, *site)).collect();
    let avoided = swarm.avoided.iter().filter(|(_, until)| **until > now).map(|(pair, _)| *pair);
    let barren: BTreeSet<(SiteId, SiteId)> =
        swarm.barren.iter().chain(&silent).copied().chain(avoided).collect();
    let stays = |child: SiteId, parent: SiteId| {
        waiting.contains(&child)
            && !passes_through(cx, parent, child, &newcomers)
            && (roots.contains(&parent) || waiting.contains(&parent))
            && !barren.contains(&(child, parent))
            && !is_paused(cx, parent, child)
            && serves(&parent)
    };
    let edges = swarm.forest.iter().map(|(child, parent)| (*child, *parent));
    let keep: Forest = edges.filter(|(child, parent)| stays(*child, parent.site)).collect();
    let load = load_of_others(swarm, cx);
    let mut plan = forest(cx.map, cx.wall, &roots, &waiting, &keep, &barren, &load);
    if plan.len() < waiting.len() {
        // a barren parent is better than none, and so is another than one that can be kept no more
        plan = forest(cx.map, cx.wall, &roots, &waiting, &plan, &silent, &load);
    }
    let cause = Cause {
        roots,
        waiting,
        barren,
        ..Cause::default()
    };
    let stripes = stripes::plan(cx, &swarm.stripes, &plan, cause, &load);
    Parents {
        root,
        known,
        forest: plan,
        stripes,
    }
}

/// What is planned on the links for other swarms.
fn load_of_others(swarm: &Swarm, cx: &Context<'_>) -> Load {
    let mut load = cx.ledger.load();
    for flow in swarm.sites.values().flat_map(|site| &site.flows).filter(|flow| flow.planned) {
        load.remove(&flow.route, cx.ledger.planned(flow.id));
    }
    load
}

/// The sites that may serve since this plan: they joined, became supplied or got a peer that shares since the
/// last one. Both are roots and waiting sites.
fn newcomers(
    (roots_before, waiting_before): &(BTreeSet<SiteId>, BTreeSet<SiteId>),
    (roots, waiting): &(BTreeSet<SiteId>, BTreeSet<SiteId>),
) -> BTreeSet<SiteId> {
    let joined = waiting.iter().filter(|site| !roots_before.contains(site) && !waiting_before.contains(site));
    let supplied = roots.iter().filter(|site| !roots_before.contains(site));
    joined.chain(supplied).copied().collect()
}

/// Whether the way from a parent to its child leads through one of `newcomers`. Such a child is planned anew:
/// with the newcomer in between, the content crosses the links before it once for both.
fn passes_through(cx: &Context<'_>, parent: SiteId, child: SiteId, newcomers: &BTreeSet<SiteId>) -> bool {
    if newcomers.is_empty() {
        return false;
    }
    let Some(route) = cx.map.path(parent, child) else {
        return false;
    };
    let reached = route.hops.iter().map(|hop| {
        let (first, second) = cx.map.ends(hop.link);
        if hop.forward { second } else { first }
    });
    reached.take(route.hops.len().saturating_sub(1)).any(|site| newcomers.contains(&site))
}

/// Whether a link between two sites is at rate 0 now.
fn is_paused(cx: &Context<'_>, from: SiteId, to: SiteId) -> bool {
    cx.map.path(from, to).is_some_and(|route| cx.links().rate_along(&route) == Rate::ZERO)
}

/// The site with most bytes; of equal ones the first by name.
fn best_supplied(swarm: &Swarm) -> Option<SiteId> {
    let sites = swarm.sites.iter().filter(|(_, site)| swarm.has_data(site));
    sites.filter_map(|(id, site)| Some((site.peers.best()?.0, id))).min().map(|(_, id)| id)
}

/// The supplied site (or, without one, the root) from which a site would be reached fastest, other than
/// itself and `not`; ties go to fewer hops, then to the name.
pub(crate) fn nearest_root(view: &View<'_>, not: Option<SiteId>) -> Option<SiteId> {
    let (swarm, cx, id) = (view.swarm, view.cx, view.id());
    let is_root = |root: SiteId, site: &Site| {
        root != id
            && Some(root) != not
            && site.sharing
            && (site.supply == Supply::Supplied || swarm.root == Some(root))
    };
    let roots = swarm.sites.iter().filter(|(root, site)| is_root(*root, site));
    let routes: Vec<(SiteId, Route)> =
        roots.filter_map(|(root, _)| Some((root, cx.map.path(root, id)?))).collect();
    cx.ledger.with_load(|load| {
        let rank = |(root, route): &(SiteId, Route)| {
            let avoided = swarm.avoided.contains_key(&(id, *root));
            let speed = cx.speed_along(load, route);
            (avoided, std::cmp::Reverse(speed), route.hops.len(), *root)
        };
        routes.iter().map(rank).min().map(|(.., root)| root)
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
