//! Where sites get the content from: what rules 2, supply, and 3, parents, decide is applied.

use std::collections::BTreeSet;
use std::sync::Arc;

use narrows_topology::{Forest, Parent, SiteId};

use super::Turn;
use crate::invariant::Broken;
use crate::rules::{budget, parents, stripes};
use crate::state::Swarm;
use crate::state::flows::PlannedFlow;
use crate::state::picture::{Picture, Plan};
use crate::state::site::{Site, Supply};
use crate::state::stripes::Stripes;
use crate::{Context, Time, dscp};

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

    /// Plans the parents anew if there is a cause; or, where that is done beside the announces, gives the peer's
    /// site a parent to go on with if it has none.
    pub(super) fn plan(&mut self) -> Result<(), Broken> {
        let (cx, now) = (self.cx, self.now);
        if parents::are_planned_at_once(self.swarm, cx.map, cx.policy) {
            if self.swarm.replan {
                let picture = self.swarm.take_picture(cx, now);
                self.outcome.planned = self.swarm.take_over(cx, picture.plan(cx.map));
            }
            return Ok(());
        }
        let (swarm, id) = (&*self.swarm, self.id);
        let waits = self.site()?.supply == Supply::Waiting && swarm.root != Some(id);
        if waits
            && !swarm.is_planned_for(id)
            && let Some(parent) = parents::provisional(swarm, cx, id)
        {
            self.swarm.provide(cx, id, parent);
        }
        Ok(())
    }
}

impl Swarm {
    /// Whether parents are to be planned: take a [`Swarm::picture`]. Never so on small maps, where the announce
    /// that gives the cause plans.
    pub fn is_plan_due(&self, cx: &Context<'_>) -> bool {
        self.replan && !parents::are_planned_at_once(self, cx.map, cx.policy)
    }

    /// The picture to plan with ([`Picture::plan`], while announces go on), if there is a cause. It is put in
    /// force by [`Swarm::take_over`].
    pub fn picture(&mut self, cx: &Context<'_>, now: Time) -> Option<Picture> {
        self.is_plan_due(cx).then(|| self.take_picture(cx, now))
    }

    /// Puts a plan in force, where it still holds: a site that has gone meanwhile, or serves no other any more, is
    /// no parent, and one that came meanwhile keeps the parent that it was given. Returns whether it did: a
    /// plan for an older map is void, and so is any but the one of the last picture.
    pub fn take_over(&mut self, cx: &Context<'_>, plan: Plan) -> bool {
        if !self.finish_planning(plan.id) {
            return false;
        }
        self.root = plan.root.filter(|root| self.sites.get(root).is_some_and(|site| self.has_data(site)));
        self.known = Arc::new(plan.known);
        if let Some(stripes) = plan.stripes {
            self.stripes = Arc::new(stripes);
        }
        let mut forest = plan.forest;
        let holds = |child: SiteId, parent: SiteId| {
            let waits = self.sites.get(&child).is_some_and(|site| site.supply == Supply::Waiting);
            waits && self.root != Some(child) && self.sites.get(&parent).is_some_and(Site::can_serve)
        };
        let mut is_open = false;
        forest.retain(|child, parent| {
            let holds = holds(*child, parent.site);
            is_open |= !holds;
            holds
        });
        let mut provisional = BTreeSet::new();
        for (child, parent) in &self.forest {
            let is_new = !plan.waiting.contains(child) || is_open;
            if is_new
                && !forest.contains_key(child)
                && holds(*child, parent.site)
                && !Swarm::is_above(&forest, *child, parent.site)
            {
                forest.insert(*child, *parent);
                provisional.insert(*child);
            }
        }
        self.provisional = provisional;
        self.adopt(cx, forest);
        true
    }

    /// Puts a forest into the ledger.
    fn adopt(&mut self, cx: &Context<'_>, plan: Forest) {
        let Swarm {
            sites,
            stripes,
            provisional,
            ..
        } = &mut *self;
        let none = Stripes::default();
        for site in sites.values_mut() {
            let stripes = if provisional.contains(&site.id) {
                &none
            } else {
                &**stripes
            };
            plan_flows(
                cx,
                site,
                stripes::planned_flows(site, stripes, plan.get(&site.id)),
            );
        }
        for (child, parent) in &plan {
            if self.forest.get(child).is_none_or(|before| before.site != parent.site) {
                self.note_dscp(cx, parent.site, *child);
            }
        }
        self.forest = plan;
    }

    /// A site has this parent until a plan knows it.
    fn provide(&mut self, cx: &Context<'_>, id: SiteId, parent: Parent) {
        let Some(site) = self.sites.get_mut(&id) else {
            return self.faults.note(Broken::SiteMissing);
        };
        plan_flows(
            cx,
            site,
            stripes::planned_flows(site, &Stripes::default(), Some(&parent)),
        );
        self.forest.insert(id, parent);
        self.provisional.insert(id);
        self.replan = true;
        self.note_dscp(cx, parent.site, id);
    }

    /// A flow from one site to another is planned.
    fn note_dscp(&mut self, cx: &Context<'_>, from: SiteId, to: SiteId) {
        let map = cx.map;
        let Some(route) = map.path(from, to) else { return };
        for id in [from, to] {
            match self.sites.get_mut(&id) {
                Some(site) => {
                    site.dscp = dscp::lowest(map, site.dscp.into_iter().chain(route.hops.iter().copied()));
                }
                None => self.faults.note(Broken::SiteMissing),
            }
        }
    }
}

/// These flows and no others are planned for a site.
fn plan_flows(cx: &Context<'_>, site: &mut Site, flows: Vec<PlannedFlow>) {
    for flow in &mut site.flows {
        flow.planned &= flows.iter().any(|planned| planned.source == flow.source);
    }
    for flow in flows {
        site.plan_flow(cx, flow);
    }
    site.drop_unused(cx);
}
