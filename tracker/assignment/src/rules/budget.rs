//! Rule 10: what a gateway may use of the links of its path, and when it hears of changes.

use std::time::Duration;

use narrows_topology::{Rate, Route, SiteId};
use rand::Rng;

use super::intervals::jittered;
use crate::Context;
use crate::endpoint::Endpoint;
use crate::ledger::Grant;
use crate::state::Swarm;
use crate::state::site::{Flow, Standing};

/// What a gateway may fetch from one parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) source: SiteId,
    pub(crate) grant: Grant,
}

/// How much more than what arrives at its parent a flow may have, so that it is never behind for long.
const SLACK: f64 = 1.1;

/// In what time a flow may catch up with its parent.
const CATCH_UP: f64 = 10.0;

/// A capped flow has this part of its path nevertheless.
const LEAST_CAP: u32 = 25;

impl Swarm {
    /// The flows that a gateway uses.
    pub(crate) fn used_flows(&self, id: SiteId, at: Endpoint) -> impl Iterator<Item = &Flow> + Clone {
        let site = self.sites.get(&id);
        let gateway = site.and_then(|site| site.gateways.get(&at));
        let flows = site.map_or(&[][..], |site| &site.flows);
        flows.iter().filter(move |flow| {
            gateway.is_some_and(|gateway| gateway.upstreams.iter().any(|up| up.site == flow.source))
        })
    }

    /// Grants a gateway its part of the share of each flow that it uses. What it is granted counts until it
    /// announces again.
    pub(crate) fn allow(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint) -> Vec<Allowance> {
        self.note_brakes(cx, id, at);
        self.note_caps(cx, id, at);
        let used = self.used_flows(id, at);
        used.map(|flow| Allowance {
            source: flow.source,
            grant: cx.ledger.grant(cx.map, cx.wall, flow.id, at, flow.users),
        })
        .collect()
    }

    /// Whether a link that a gateway fetches over is at rate 0 now.
    pub(crate) fn is_paused_for(&self, cx: &Context<'_>, id: SiteId, at: Endpoint) -> bool {
        self.used_flows(id, at)
            .any(|flow| !flow.braked && cx.ledger.share(cx.map, cx.wall, flow.id) == Rate::ZERO)
    }

    /// Whether a gateway could fetch something: its links were neither paused nor braked, and it was not told
    /// to wait for others.
    pub(crate) fn may_fetch(&self, cx: &Context<'_>, id: SiteId, at: Endpoint) -> bool {
        self.used_flows(id, at).any(|flow| {
            cx.ledger.share(cx.map, cx.wall, flow.id) > Rate::ZERO
                && cx.ledger.told(flow.id, at) != Some(Rate::ZERO)
        })
    }

    fn note_brakes(&mut self, cx: &Context<'_>, id: SiteId, at: Endpoint) {
        let brakes = cx.ledger.brakes();
        let Some(site) = self.sites.get_mut(&id).filter(|site| site.gateways.contains_key(&at)) else {
            return;
        };
        for flow in &mut site.flows {
            let braked = brakes.stop(cx.map, &self.info_hash, (flow.source, id), &flow.route);
            if flow.braked != braked {
                flow.braked = braked;
                cx.ledger.set_braked(flow.id, braked);
            }
        }
    }

    /// A site that is as far as its parent gets no more than what arrives there, so it does not reserve more.
    fn note_caps(&self, cx: &Context<'_>, id: SiteId, at: Endpoint) {
        let Some(site) = self.sites.get(&id) else { return };
        let left = site.peers.best().map_or(u64::MAX, |(left, _)| left);
        // what a parent has of some stripes is not known
        let is_single = self.stripes.is_empty();
        for flow in self.used_flows(id, at) {
            let arriving = self.arriving(cx, flow.source).filter(|_| is_single);
            let cap = arriving.and_then(|arriving| {
                let parent = self.sites.get(&flow.source)?;
                let (ahead, _) = parent.peers.best()?;
                let behind = left.saturating_sub(ahead) as f64 / CATCH_UP;
                let cap = arriving as f64 * SLACK + behind;
                let links = flow.route.hops.iter().map(|hop| cx.map.rate(*hop, cx.wall));
                let least = links.min()?.bytes_per_second()? / u64::from(LEAST_CAP);
                // `as` saturates, and what is beyond any link is no cap
                Some(Rate::from_bytes_per_second((cap as u64).max(least)))
            });
            cx.ledger.set_cap(flow.id, cap.unwrap_or(Rate::UNLIMITED));
        }
    }

    /// What arrives at a site that does not have everything, bytes per second; `None`: no limit, or unknown.
    fn arriving(&self, cx: &Context<'_>, id: SiteId) -> Option<u64> {
        let site = self.sites.get(&id)?;
        if site.standing != Standing::Waiting || self.root == Some(id) || !self.knows_size() {
            return None;
        }
        let used = site.flows.iter().filter(|flow| flow.users > 0);
        let shares = used.map(|flow| cx.ledger.share(cx.map, cx.wall, flow.id));
        shares.reduce(Rate::saturating_add)?.bytes_per_second()
    }

    /// When one of our agents in office is to come back, given its regular interval: where its path has a
    /// limited link, after [`crate::Intervals::min`], so that its share follows; sooner while it has less
    /// than that; and not long after a schedule changes a link.
    pub(crate) fn attend(
        &self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        allowances: &[Allowance],
        regular: Duration,
        rng: &mut dyn Rng,
    ) -> Duration {
        let routes = || self.used_flows(id, at).map(|flow| &flow.route);
        let mut hops = routes().flat_map(|route| route.hops.iter());
        let limited = hops.any(|hop| !cx.map.rate(*hop, cx.wall).is_unlimited());
        let mut within = if limited {
            regular.min(cx.policy.intervals.min)
        } else {
            regular
        };
        if allowances.iter().any(|allowed| !allowed.grant.is_settled()) {
            within = within.min(Duration::from_millis(1500));
        }
        let within = jittered(within, rng);
        match next_change(cx, routes(), within) {
            // a moment later, not all in the same one
            Some(change) => change + Duration::from_millis(200 + u64::from(rng.next_u32() % 1800)),
            None => within,
        }
    }
}

/// In what time a schedule changes the rate of a link of these routes, if that is before `within`, or before
/// an hour. Schedules are written in minutes.
fn next_change<'r>(
    cx: &Context<'_>,
    routes: impl Iterator<Item = &'r Route> + Clone,
    within: Duration,
) -> Option<Duration> {
    let into = cx.wall.as_millisecond().rem_euclid(60_000).unsigned_abs();
    let minutes = (0..60u64).map(|minute| Duration::from_millis((minute + 1) * 60_000 - into));
    minutes.take_while(|until| *until < within).find(|until| {
        let Ok(then) = cx.wall.checked_add(*until) else {
            return false;
        };
        let mut hops = routes.clone().flat_map(|route| route.hops.iter());
        hops.any(|hop| cx.map.rate(*hop, then) != cx.map.rate(*hop, cx.wall))
    })
}
