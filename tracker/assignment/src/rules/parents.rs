//! Rules 2 and 3: where each waiting site gets the content from.

use std::collections::BTreeSet;

use narrows_topology::{Forest, Rate, Route, SiteId, forest};

use crate::Context;
use crate::endpoint::Endpoint;
use crate::rules::stripes::Cause;
use crate::state::Swarm;
use crate::state::site::{Site, Standing};

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

impl Swarm {
    /// Plans the parents anew if there is a cause. Parents that can stay do, but for those whose flow leads
    /// through a site that has just joined or become supplied.
    pub(crate) fn plan(&mut self, cx: &Context<'_>, now: crate::Time) -> bool {
        if !std::mem::take(&mut self.replan) {
            return false;
        }
        let standing = |standing| {
            let sites = self.sites.iter().filter(move |(_, site)| site.standing == standing);
            sites.map(|(id, _)| id).collect::<BTreeSet<SiteId>>()
        };
        let mut roots = standing(Standing::Supplied);
        let mut waiting = standing(Standing::Waiting);
        self.root = None;
        if roots.is_empty() {
            self.root = self.best_supplied();
            if let Some(root) = self.root {
                waiting.remove(&root);
                roots.insert(root);
            }
        }
        let newcomers = self.newcomers(&roots, &waiting);
        let serves = |site: &SiteId| self.sites.get(site).is_some_and(Site::can_serve);
        let silent = waiting.iter().filter(|site| !serves(site));
        let silent: BTreeSet<(SiteId, SiteId)> = silent.map(|site| (*site, *site)).collect();
        let avoided = self.avoided.iter().filter(|(_, until)| **until > now);
        let avoided = avoided.map(|(pair, _)| *pair);
        let barren: BTreeSet<(SiteId, SiteId)> =
            self.barren.iter().chain(&silent).copied().chain(avoided).collect();
        let keep: Forest = self
            .forest
            .iter()
            .filter(|(child, parent)| {
                waiting.contains(child)
                    && !passes_through(cx, parent.site, **child, &newcomers)
                    && (roots.contains(&parent.site) || waiting.contains(&parent.site))
                    && !barren.contains(&(**child, parent.site))
                    && !self.is_paused(cx, parent.site, **child)
                    && serves(&parent.site)
            })
            .map(|(child, parent)| (*child, *parent))
            .collect();
        let mut load = cx.ledger.load();
        for flow in self.sites.values().flat_map(|site| &site.flows).filter(|flow| flow.planned) {
            load.remove(&flow.route, cx.ledger.planned(flow.id));
        }
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
        self.plan_stripes(cx, &plan, cause, &load);
        self.adopt(cx, plan);
        true
    }

    /// The sites that may serve since this plan: they joined, became supplied or got somebody who shares
    /// since the last one.
    fn newcomers(&mut self, roots: &BTreeSet<SiteId>, waiting: &BTreeSet<SiteId>) -> BTreeSet<SiteId> {
        let serve = |sites: &BTreeSet<SiteId>| -> BTreeSet<SiteId> {
            let serves = |id: &&SiteId| self.sites.get(id).is_some_and(Site::can_serve);
            sites.iter().filter(serves).copied().collect()
        };
        let (roots, waiting) = (serve(roots), serve(waiting));
        let known = std::mem::replace(&mut self.known, (roots.clone(), waiting.clone()));
        let joined = waiting.iter().filter(|site| !known.0.contains(site) && !known.1.contains(site));
        let supplied = roots.iter().filter(|site| !known.0.contains(site));
        joined.chain(supplied).copied().collect()
    }

    /// Whether a link between two sites is at rate 0 now.
    fn is_paused(&self, cx: &Context<'_>, from: SiteId, to: SiteId) -> bool {
        let route = cx.map.path(from, to);
        route.is_some_and(|route| route.hops.iter().any(|hop| cx.map.rate(*hop, cx.wall) == Rate::ZERO))
    }

    /// A gateway's links are paused: its parent has nothing to give, so parents are planned anew, once per
    /// pause.
    pub(crate) fn note_pause(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint) {
        let paused = self.is_paused_for(cx, id, at);
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        if site.gateways.get(&at).is_some_and(|gateway| !gateway.upstreams.is_empty()) {
            self.replan |= paused && !site.paused;
            site.paused = paused;
        }
    }

    /// The site with most bytes; of equal ones the first by name.
    fn best_supplied(&self) -> Option<SiteId> {
        let sites = self.sites.iter().filter(|(_, site)| self.has_data(site));
        sites.filter_map(|(id, site)| Some((site.peers.best()?.0, id))).min().map(|(_, id)| id)
    }

    /// Puts a plan into the ledger.
    fn adopt(&mut self, cx: &Context<'_>, plan: Forest) {
        let ids: Vec<SiteId> = self.sites.ids().collect();
        for id in ids {
            let flows = self.planned_flows(id, &plan);
            if let Some(site) = self.sites.get_mut(&id) {
                for flow in &mut site.flows {
                    flow.planned &= flows.iter().any(|(source, ..)| *source == flow.source);
                }
            }
            for (source, rate, weight) in flows {
                self.add_flow(cx, id, source, Some((rate, weight)));
            }
            self.drop_unused(cx, id);
        }
        for (child, parent) in &plan {
            if self.forest.get(child).is_none_or(|before| before.site != parent.site) {
                self.mark(cx, parent.site, *child);
            }
        }
        self.forest = plan;
    }

    /// The supplied site (or, without one, the root) from which a site would be reached fastest, other than
    /// itself and `not`; ties go to fewer hops, then to the name.
    pub(crate) fn nearest_root(&self, cx: &Context<'_>, id: SiteId, not: Option<SiteId>) -> Option<SiteId> {
        let roots = self.sites.iter().filter(|(root, site)| {
            *root != id
                && Some(*root) != not
                && site.sharing
                && (site.standing == Standing::Supplied || self.root == Some(*root))
        });
        let routes = roots.filter_map(|(root, _)| {
            let route = cx.map.path(root, id)?;
            Some((root, route))
        });
        let routes: Vec<_> = routes.collect();
        cx.ledger.with_load(|load| {
            let speed = |route: &Route| cx.speed_along(load, route);
            let ranked = routes.iter();
            let ranked = ranked.map(|(root, route)| {
                let avoided = self.avoided.contains_key(&(id, *root));
                (avoided, std::cmp::Reverse(speed(route)), route.hops.len(), *root)
            });
            ranked.min().map(|(.., root)| root)
        })
    }

    /// Looks whether a parent of a gateway's site has nothing to give: it holds no more than the gateway
    /// (`left`) and has not come on for two leecher intervals. Then the site is planned without it.
    pub(crate) fn judge_parents(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        left: u64,
        now: crate::Time,
    ) {
        for (parent, _) in self.parents(id, at) {
            let Some(site) = self.sites.get(&parent) else {
                continue;
            };
            let more =
                site.standing == Standing::Supplied || site.peers.best().is_some_and(|(best, _)| best < left);
            let idle = now.saturating_sub(site.progressed) > cx.policy.intervals.leecher * 2;
            if !more && idle && self.root != Some(parent) && self.barren.insert((id, parent)) {
                self.replan = true;
            }
        }
    }

    /// A site came on: it is a parent worth having again.
    pub(crate) fn came_on(&mut self, id: SiteId, now: crate::Time) {
        if let Some(site) = self.sites.get_mut(&id) {
            site.progressed = now;
        }
        if !self.barren.is_empty() {
            self.barren.retain(|(_, parent)| *parent != id);
        }
    }
}
