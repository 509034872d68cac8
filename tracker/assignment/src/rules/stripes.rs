//! Several parents for a site, on maps where one cannot fill its links: the pieces are divided into stripes,
//! and each stripe has a forest of its own. A piece rides one stripe, so that it enters a site once.

use std::collections::BTreeSet;

use narrows_topology::{Forest, Hop, Load, Rate, SiteId, stripes};

use crate::Context;
use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::site::Standing;

/// What the stripes in force were planned for.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Cause {
    pub(crate) roots: BTreeSet<SiteId>,
    pub(crate) waiting: BTreeSet<SiteId>,
    pub(crate) barren: BTreeSet<(SiteId, SiteId)>,
    pub(crate) rates: Vec<Rate>,
}

/// Whether a map has cycles, so that there may be several ways. Every map is connected.
fn is_meshed(cx: &Context<'_>) -> bool {
    cx.map.links().count() >= cx.map.sites().count()
}

fn rates(cx: &Context<'_>) -> Vec<Rate> {
    let links = cx.map.links();
    links.map(|link| cx.map.rate(Hop { link, forward: true }, cx.wall)).collect()
}

impl Swarm {
    /// Where a gateway's site gets the content from: its parents and the stripes that come from each; one
    /// parent, and no stripes, for stock clients and where one parent is as good.
    pub(crate) fn parents(&self, id: SiteId, at: Endpoint) -> Vec<(SiteId, Vec<u8>)> {
        let site = self.sites.get(&id);
        let is_agent = site.and_then(|site| site.wanting(at)).is_some_and(|peer| peer.agent.is_some());
        let single = self.forest.get(&id).map(|parent| (parent.site, Vec::new()));
        if !is_agent || self.stripes.is_empty() {
            return single.into_iter().collect();
        }
        let mut parents: Vec<(SiteId, Vec<u8>)> = Vec::new();
        for (stripe, forest) in (0u8..).zip(&self.stripes) {
            let Some(parent) = forest.get(&id) else {
                return single.into_iter().collect();
            };
            match parents.iter_mut().find(|(site, _)| *site == parent.site) {
                Some((_, stripes)) => stripes.push(stripe),
                None => parents.push((parent.site, vec![stripe])),
            }
        }
        if let [(_, stripes)] = &mut parents[..] {
            stripes.clear();
        }
        parents
    }

    /// The flows that are planned for a site: parent, rate, and as how many flows each counts.
    pub(crate) fn planned_flows(&self, id: SiteId, plan: &Forest) -> Vec<(SiteId, Rate, u32)> {
        let has_agents = self.sites.get(&id).is_some_and(|site| site.peers.agents() > 0);
        let single = plan.get(&id).map(|parent| (parent.site, parent.rate, 1));
        if self.stripes.is_empty() || !has_agents || !plan.contains_key(&id) {
            return single.into_iter().collect();
        }
        let mut flows: Vec<(SiteId, Rate, u32)> = Vec::new();
        for forest in &self.stripes {
            let Some(parent) = forest.get(&id) else {
                return single.into_iter().collect();
            };
            match flows.iter_mut().find(|(site, ..)| *site == parent.site) {
                Some((_, rate, weight)) => (*rate, *weight) = (rate.saturating_add(parent.rate), *weight + 1),
                None => flows.push((parent.site, parent.rate, 1)),
            }
        }
        if let [(_, _, weight)] = &mut flows[..] {
            *weight = 1;
        }
        flows
    }

    /// Looks once a minute whether a schedule has changed the links that stripes depend on.
    pub(crate) fn look_at_rates(&mut self, cx: &Context<'_>) {
        let minute = cx.wall.as_second().div_euclid(60);
        if std::mem::replace(&mut self.minute, minute) != minute
            && is_meshed(cx)
            && self.striped.as_ref().is_some_and(|cause| cause.rates != rates(cx))
        {
            self.replan = true;
        }
    }

    /// Plans the stripes, unless nothing they depend on has changed. They stay while they hold: a site that
    /// becomes complete, or leaves and was nobody's parent, changes nothing for the others.
    pub(crate) fn plan_stripes(&mut self, cx: &Context<'_>, plan: &Forest, mut cause: Cause, load: &Load) {
        if !is_meshed(cx) {
            self.stripes.clear();
            self.striped = None;
            return;
        }
        cause.rates = rates(cx);
        let before = self.striped.replace(cause.clone());
        if before.as_ref() == Some(&cause) {
            return;
        }
        let known = before.filter(|before| {
            let known = |site: &SiteId| before.roots.contains(site) || before.waiting.contains(site);
            before.rates == cause.rates
                && before.barren.is_superset(&cause.barren)
                && cause.roots.iter().chain(&cause.waiting).all(known)
        });
        let Cause {
            roots,
            waiting,
            barren,
            ..
        } = &cause;
        for forest in &mut self.stripes {
            forest.retain(|child, _| waiting.contains(child));
        }
        let holds = |forest: &Forest| {
            let served = |parent: &SiteId| roots.contains(parent) || forest.contains_key(parent);
            forest.values().all(|parent| served(&parent.site))
                && plan.keys().all(|child| forest.contains_key(child))
        };
        if known.is_some() && !self.stripes.is_empty() && self.stripes.iter().all(holds) {
            return;
        }
        let planned = stripes(cx.map, cx.wall, roots, waiting, barren, load);
        self.stripes = planned.unwrap_or_default();
    }

    /// Whether a gateway is one that fetches for its site from the site's parents.
    pub(crate) fn is_planned_for(&self, id: SiteId, at: Endpoint) -> bool {
        let Some(site) = self.sites.get(&id) else {
            return false;
        };
        let from_root = site.gateways.get(&at).is_some_and(|gateway| gateway.from_root);
        site.standing == Standing::Waiting && self.root != Some(id) && !from_root
    }
}
