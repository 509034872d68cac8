//! A site's flows in the ledger, and which gateways use them.

use std::collections::{BTreeSet, HashMap};

use narrows_topology::{Rate, SiteId};

use super::Swarm;
use super::service::Released;
use super::site::{Flow, Gateway, Site, Supply, Upstream};
use crate::endpoint::Endpoint;
use crate::policy::GatewayPolicy;
use crate::{Context, Time};

impl Site {
    /// A peer goes: if it was a gateway, and no peer of its site had got anything of it, its address is last in line
    /// for the next lease, as it may come back under other names.
    fn bar_if_useless(&mut self, policy: &GatewayPolicy, at: Endpoint, now: Time) {
        let brought_nothing = |lease: &Gateway| !lease.extra && lease.service.served <= lease.since;
        if self.gateways.get(&at).is_some_and(brought_nothing) {
            let who = self.who(at);
            self.bars.add(&policy.barred, who, now);
        }
    }

    /// Takes a gateway out of office. One of the starvation ladder takes its place, if there is one.
    pub(crate) fn release(&mut self, cx: &Context<'_>, at: Endpoint) {
        if let Some(gateway) = self.gateways.get(&at).filter(|gateway| gateway.service.doubt.is_some()) {
            let until = gateway.renewed + cx.policy.starvation.useless;
            self.fed.had_nothing_of(gateway.upstreams.iter().map(|up| up.peer), until);
        }
        self.set_upstreams(cx, at, Vec::new());
        let Some(gateway) = self.gateways.swap_remove(&at) else {
            return;
        };
        if gateway.extra {
            return;
        }
        self.released = Some(Released {
            at,
            renewed: gateway.renewed,
            service: gateway.service,
        });
        match self.heir().and_then(|heir| self.gateways.get_mut(&heir)) {
            Some(heir) => heir.extra = false,
            None => self.orphaned = self.present_supply() == Supply::Waiting,
        }
    }

    /// The gateway of the starvation ladder that takes the place of a regular one: the one longest in office.
    pub(crate) fn heir(&self) -> Option<Endpoint> {
        let shares = |at: &Endpoint| self.peers.find(*at).is_some_and(|(class, _)| class.shares());
        let extra = self.gateways.iter().filter(|(at, gateway)| gateway.extra && shares(at));
        extra.map(|(at, gateway)| (gateway.since, *at)).min().map(|(_, at)| at)
    }

    /// The flows that a gateway uses.
    pub(crate) fn used_flows(&self, at: Endpoint) -> impl Iterator<Item = &Flow> + Clone {
        let upstreams = self.gateways.get(&at).map_or(&[][..], |gateway| &gateway.upstreams);
        self.flows.iter().filter(move |flow| upstreams.iter().any(|up| up.site == flow.source))
    }

    /// A gateway fetches from these from now on; the flows follow.
    pub(crate) fn set_upstreams(&mut self, cx: &Context<'_>, at: Endpoint, upstreams: Vec<Upstream>) {
        let Some(gateway) = self.gateways.get_mut(&at).filter(|gateway| gateway.upstreams != upstreams)
        else {
            return;
        };
        let before: BTreeSet<SiteId> = gateway.upstreams.iter().map(|upstream| upstream.site).collect();
        let after: BTreeSet<SiteId> = upstreams.iter().map(|upstream| upstream.site).collect();
        gateway.upstreams = upstreams;
        for source in after.difference(&before) {
            if let Some(flow) = self.flow_from(cx, *source) {
                flow.users += 1;
                cx.ledger.set_active(flow.id, true);
            }
        }
        for source in before.difference(&after) {
            self.leave_flow(cx, *source, at);
        }
    }

    fn leave_flow(&mut self, cx: &Context<'_>, source: SiteId, at: Endpoint) {
        let Some(flow) = self.flows.iter_mut().find(|flow| flow.source == source) else {
            return;
        };
        flow.users = flow.users.saturating_sub(1);
        cx.ledger.forget(flow.id, at);
        if flow.users == 0 {
            cx.ledger.set_active(flow.id, false);
            self.drop_unused(cx);
        }
    }

    /// The flow from a site, which is made if there is none, at what it would get now; `None`: no path of the
    /// map leads from there.
    fn flow_from(&mut self, cx: &Context<'_>, source: SiteId) -> Option<&mut Flow> {
        if let Some(known) = self.flows.iter().position(|flow| flow.source == source) {
            return self.flows.get_mut(known);
        }
        let route = cx.map.path(source, self.id)?;
        let rate = cx.ledger.with_load(|load| cx.speed_along(load, &route));
        let id = cx.ledger.add(&route, rate);
        self.flows.push(Flow::new(source, route, id));
        self.flows.last_mut()
    }

    /// Rule 3 plans a flow at this rate, which counts as so many flows.
    pub(crate) fn plan_flow(&mut self, cx: &Context<'_>, planned: PlannedFlow) {
        let PlannedFlow { source, rate, weight } = planned;
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.source == source) {
            flow.planned = true;
            cx.ledger.set_planned(flow.id, rate);
            cx.ledger.set_weight(flow.id, weight);
        } else if let Some(route) = cx.map.path(source, self.id) {
            let id = cx.ledger.add(&route, rate);
            if weight > 1 {
                cx.ledger.set_weight(id, weight);
            }
            let mut flow = Flow::new(source, route, id);
            flow.planned = true;
            self.flows.push(flow);
        }
    }

    /// Takes back the flows that are neither planned nor used.
    pub(crate) fn drop_unused(&mut self, cx: &Context<'_>) {
        self.flows.retain(|flow| {
            let keep = flow.planned || flow.users > 0;
            if !keep {
                cx.ledger.remove(flow.id);
            }
            keep
        });
    }

    /// Takes all flows back.
    pub(crate) fn drop_flows(&mut self, cx: &Context<'_>) {
        self.flows.drain(..).for_each(|flow| cx.ledger.remove(flow.id));
    }
}

/// A flow that rule 3, parents, plans for a site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedFlow {
    pub(crate) source: SiteId,
    pub(crate) rate: Rate,
    /// As how many flows it counts: the stripes it carries.
    pub(crate) weight: u32,
}

impl Swarm {
    /// Forgets a peer that said that it goes, has been silent, or is not reached.
    pub(crate) fn let_go(&mut self, cx: &Context<'_>, (id, at): (SiteId, Endpoint), now: Time) {
        if let Some(site) = self.sites.get_mut(&id) {
            site.bar_if_useless(&cx.policy.gateways, at, now);
        }
        self.remove(cx, (id, at));
    }

    /// What each gateway was granted, over all its flows.
    pub(crate) fn granted(&self, cx: &Context<'_>) -> HashMap<Endpoint, Rate> {
        let mut granted = HashMap::new();
        for site in self.sites.values() {
            for at in site.gateways.keys() {
                let rates = site.used_flows(*at).filter_map(|flow| cx.ledger.granted(flow.id, *at));
                if let Some(rate) = rates.reduce(Rate::saturating_add) {
                    granted.insert(*at, rate);
                }
            }
        }
        granted
    }

    /// An upstream as the present map has it; `None`: it is not here any more, or serves no other site.
    pub(crate) fn translate(&self, cx: &Context<'_>, up: Upstream) -> Option<Upstream> {
        let site = cx.map.locate(up.peer.ip())?;
        let here = self.sites.get(&site).filter(|here| here.sharing)?;
        here.peers.find(up.peer).filter(|(class, _)| class.shares())?;
        Some(Upstream { site, ..up })
    }
}
