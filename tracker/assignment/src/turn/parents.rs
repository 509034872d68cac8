//! Where sites get the content from: what rules 2, supply, and 3, parents, decide is applied.

use narrows_topology::{Forest, SiteId};

use super::Turn;
use crate::dscp;
use crate::invariant::Broken;
use crate::rules::{budget, parents, stripes};
use crate::state::Swarm;

impl Turn<'_> {
    /// A gateway's links are paused: its parent has nothing to give, so parents are planned anew, once per
    /// pause.
    pub(super) fn note_pause(&mut self) -> Result<(), Broken> {
        let gateway = self.site()?.gateways.get(&self.at);
        if gateway.is_some_and(|gateway| !gateway.upstreams.is_empty()) {
            let is_paused = budget::is_paused(&self.view()?);
            let was_paused = std::mem::replace(&mut self.site_mut()?.paused, is_paused);
            self.swarm.replan |= is_paused && !was_paused;
        }
        Ok(())
    }

    /// Looks once a minute whether a schedule has changed the links that stripes depend on.
    pub(super) fn look_at_rates(&mut self) {
        let minute = self.cx.wall.as_second().div_euclid(60);
        if std::mem::replace(&mut self.swarm.minute, minute) != minute {
            self.swarm.replan |= stripes::are_outdated(self.cx, &self.swarm.stripes);
        }
    }

    /// Plans the parents anew if there is a cause.
    pub(super) fn plan(&mut self) {
        if !std::mem::take(&mut self.swarm.replan) {
            return;
        }
        self.outcome.planned = true;
        let planned = parents::plan(self.swarm, self.cx, self.now);
        self.swarm.root = planned.root;
        self.swarm.known = planned.known;
        if let Some(stripes) = planned.stripes {
            self.swarm.stripes = stripes;
        }
        self.adopt(planned.forest);
    }

    /// Puts a plan into the ledger.
    fn adopt(&mut self, plan: Forest) {
        let cx = self.cx;
        let Swarm { sites, stripes, .. } = &mut *self.swarm;
        for site in sites.values_mut() {
            let flows = stripes::planned_flows(site, stripes, &plan);
            for flow in &mut site.flows {
                flow.planned &= flows.iter().any(|planned| planned.source == flow.source);
            }
            for flow in flows {
                site.plan_flow(cx, flow);
            }
            site.drop_unused(cx);
        }
        for (child, parent) in &plan {
            if self.swarm.forest.get(child).is_none_or(|before| before.site != parent.site) {
                self.note_dscp(parent.site, *child);
            }
        }
        self.swarm.forest = plan;
    }

    /// A flow from one site to another is planned.
    fn note_dscp(&mut self, from: SiteId, to: SiteId) {
        let map = self.cx.map;
        let Some(route) = map.path(from, to) else { return };
        for id in [from, to] {
            match self.swarm.sites.get_mut(&id) {
                Some(site) => {
                    site.dscp = dscp::lowest(map, site.dscp.into_iter().chain(route.hops.iter().copied()));
                }
                None => self.swarm.faults.note(Broken::SiteMissing),
            }
        }
    }
}
