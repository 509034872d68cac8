//! Several parents for a site, on maps where one cannot fill its links: the pieces are divided into stripes,
//! and each stripe has a forest of its own. A piece rides one stripe, so that it enters a site once.

use jiff::Timestamp;
use narrows_topology::{Forest, Hop, Load, Parent, Rate, SiteId, SiteMap, stripes};

use crate::Context;
use crate::state::flows::PlannedFlow;
use crate::state::site::{Site, Supply};
use crate::state::stripes::{Cause, Stripes};
use crate::state::view::View;

fn rates(map: &SiteMap, at: Timestamp) -> Vec<Rate> {
    map.links().map(|link| map.rate(Hop { link, forward: true }, at)).collect()
}

/// Where a peer's site gets the content from, were the peer its gateway: its parents and the stripes that
/// come from each; one parent, and no stripes, for stock clients and where one parent is as good.
pub(crate) fn parents(view: &View<'_>) -> Vec<(SiteId, Vec<u8>)> {
    let (swarm, id) = (view.swarm, view.id());
    let single = swarm.forest.get(&id).map(|parent| (parent.site, Vec::new()));
    let is_single = swarm.stripes.is_empty() || swarm.provisional.contains(&id);
    if is_single || !view.class.wants() || !view.is_agent() {
        return single.into_iter().collect();
    }
    let mut parents: Vec<(SiteId, Vec<u8>)> = Vec::new();
    for (stripe, forest) in (0u8..).zip(&swarm.stripes.forests) {
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

/// The flows that are planned for a site.
pub(crate) fn planned_flows(site: &Site, stripes: &Stripes, parent: Option<&Parent>) -> Vec<PlannedFlow> {
    let flow_from = |parent: &Parent| PlannedFlow {
        source: parent.site,
        rate: parent.rate,
        weight: 1,
    };
    let single = parent.map(flow_from);
    if stripes.is_empty() || site.peers.agents() == 0 || single.is_none() {
        return single.into_iter().collect();
    }
    let mut flows: Vec<PlannedFlow> = Vec::new();
    for forest in &stripes.forests {
        let Some(parent) = forest.get(&site.id) else {
            return single.into_iter().collect();
        };
        match flows.iter_mut().find(|flow| flow.source == parent.site) {
            Some(flow) => {
                flow.rate = flow.rate.saturating_add(parent.rate);
                flow.weight += 1;
            }
            None => flows.push(flow_from(parent)),
        }
    }
    if let [flow] = &mut flows[..] {
        flow.weight = 1;
    }
    flows
}

/// Whether a schedule has changed the links that the stripes in force depend on.
pub(crate) fn are_outdated(cx: &Context<'_>, stripes: &Stripes) -> bool {
    cx.map.is_meshed() && stripes.cause.as_ref().is_some_and(|cause| cause.rates != rates(cx.map, cx.wall))
}

/// Plans the stripes; `None`: nothing they depend on has changed. They stay while they hold: a site that
/// becomes complete, or leaves and was no site's parent, changes nothing for the others.
pub(crate) fn plan(
    map: &SiteMap,
    at: Timestamp,
    present: &Stripes,
    plan: &Forest,
    mut cause: Cause,
    load: &Load,
) -> Option<Stripes> {
    if !map.is_meshed() {
        // where there were none, nothing has changed
        return (present.cause.is_some() || !present.is_empty()).then(Stripes::default);
    }
    cause.rates = rates(map, at);
    if present.cause.as_ref() == Some(&cause) {
        return None;
    }
    let knows = |before: &Cause| {
        let known = |site: &SiteId| before.roots.contains(site) || before.waiting.contains(site);
        before.rates == cause.rates
            && before.barren.is_superset(&cause.barren)
            && cause.roots.iter().chain(&cause.waiting).all(known)
    };
    let is_known = present.cause.as_ref().is_some_and(knows);
    let mut forests = present.forests.clone();
    for forest in &mut forests {
        forest.retain(|child, _| cause.waiting.contains(child));
    }
    let holds = |forest: &Forest| {
        let served = |parent: &SiteId| cause.roots.contains(parent) || forest.contains_key(parent);
        forest.values().all(|parent| served(&parent.site))
            && plan.keys().all(|child| forest.contains_key(child))
    };
    if !is_known || forests.is_empty() || !forests.iter().all(holds) {
        let planned = stripes(map, at, &cause.roots, &cause.waiting, &cause.barren, load);
        forests = planned.unwrap_or_default();
    }
    Some(Stripes {
        forests,
        cause: Some(cause),
    })
}

/// Whether a peer is a gateway that fetches for its site from the site's parents, or would be one.
pub(crate) fn is_planned_for(view: &View<'_>) -> bool {
    let from_root = view.gateway().is_some_and(|gateway| gateway.from_root);
    view.site.supply == Supply::Waiting && view.swarm.root != Some(view.id()) && !from_root
}
