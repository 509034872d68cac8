//! A site's flows in the ledger, and who uses them.

use std::collections::BTreeSet;

use narrows_topology::{Rate, SiteId};

use super::Swarm;
use super::site::{Flow, Standing, Upstream};
use crate::Context;
use crate::endpoint::Endpoint;

impl Swarm {
    /// Takes a gateway out of office. One of the starvation ladder takes its place, if there is one.
    pub(crate) fn release(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint) -> bool {
        self.set_upstreams(cx, id, at, Vec::new());
        let Some(site) = self.sites.get_mut(&id) else {
            return false;
        };
        let Some(gateway) = site.gateways.swap_remove(&at) else {
            return false;
        };
        site.lost.retain(|lost| lost.gateway != at);
        if !gateway.extra {
            let mut others = site.gateways.iter_mut();
            let peers = &site.peers;
            let shares = |at: &Endpoint| peers.find(*at).is_some_and(|(class, _)| class.shares());
            match others.find(|(at, other)| other.extra && shares(at)) {
                Some((_, other)) => other.extra = false,
                None => site.orphaned = site.stand() == Standing::Waiting,
            }
        }
        true
    }

    /// Says whom a gateway was told to fetch from; the flows follow.
    pub(crate) fn set_upstreams(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint, told: Vec<Upstream>) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        let Some(gateway) = site.gateways.get_mut(&at) else {
            return;
        };
        if gateway.upstreams == told {
            return;
        }
        let before: BTreeSet<SiteId> = gateway.upstreams.iter().map(|upstream| upstream.site).collect();
        let after: BTreeSet<SiteId> = told.iter().map(|upstream| upstream.site).collect();
        gateway.upstreams = told;
        for source in after.difference(&before) {
            self.use_flow(cx, id, *source);
        }
        for source in before.difference(&after) {
            self.leave_flow(cx, id, *source, at);
        }
    }

    fn use_flow(&mut self, cx: &Context<'_>, id: SiteId, source: SiteId) {
        self.add_flow(cx, id, source, None);
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        let Some(flow) = site.flows.iter_mut().find(|flow| flow.source == source) else {
            return;
        };
        flow.users += 1;
        cx.ledger.set_active(flow.id, true);
    }

    fn leave_flow(&mut self, cx: &Context<'_>, id: SiteId, source: SiteId, at: Endpoint) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        let Some(flow) = site.flows.iter_mut().find(|flow| flow.source == source) else {
            return;
        };
        flow.users = flow.users.saturating_sub(1);
        cx.ledger.forget(flow.id, at);
        if flow.users == 0 {
            cx.ledger.set_active(flow.id, false);
            self.drop_unused(cx, id);
        }
    }

    /// Makes sure that there is a flow; `planned` is the rate that rule 3 gave it, and as how many flows it
    /// counts.
    pub(crate) fn add_flow(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        source: SiteId,
        planned: Option<(Rate, u32)>,
    ) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        if let Some(flow) = site.flows.iter_mut().find(|flow| flow.source == source) {
            if let Some((rate, weight)) = planned {
                flow.planned = true;
                cx.ledger.set_planned(flow.id, rate);
                cx.ledger.set_weight(flow.id, weight);
            }
            return;
        }
        let Some(route) = cx.map.path(source, id) else {
            return;
        };
        let rate = planned
            .map(|(rate, _)| rate)
            .unwrap_or_else(|| cx.ledger.with_load(|load| cx.speed_along(load, &route)));
        let id = cx.ledger.add(&route, rate);
        if let Some((_, weight)) = planned.filter(|(_, weight)| *weight > 1) {
            cx.ledger.set_weight(id, weight);
        }
        site.flows.push(Flow {
            source,
            route,
            id,
            planned: planned.is_some(),
            users: 0,
            braked: false,
        });
    }

    /// Takes back the flows that are neither planned nor used.
    pub(crate) fn drop_unused(&mut self, cx: &Context<'_>, id: SiteId) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        site.flows.retain(|flow| {
            let keep = flow.planned || flow.users > 0;
            if !keep {
                cx.ledger.remove(flow.id);
            }
            keep
        });
    }

    /// Takes all flows of a site back.
    pub(crate) fn drop_flows(&mut self, cx: &Context<'_>, id: SiteId) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        site.flows.drain(..).for_each(|flow| cx.ledger.remove(flow.id));
    }
}
