//! Rule 10, rates: what a gateway may use of the links of its path, and when it hears of changes.

use std::time::Duration;

use narrows_topology::{Rate, Route, SiteId};
use rand::Rng;

use super::intervals::jittered;
use crate::Context;
use crate::ledger::Grant;
use crate::policy::BudgetPolicy;
use crate::state::site::{Flow, Site, Supply};
use crate::state::view::View;

/// What a gateway may fetch from one parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) source: SiteId,
    pub(crate) grant: Grant,
}

/// Whether a link that a gateway fetches over is at rate 0 now.
pub(crate) fn is_paused(view: &View<'_>) -> bool {
    let cx = view.cx;
    view.used_flows().any(|flow| !flow.braked && cx.ledger.share(&cx.links(), flow.id) == Rate::ZERO)
}

/// Whether a gateway could fetch something: its links were neither paused nor braked, and it was not asked
/// to wait for others.
pub(crate) fn may_fetch(view: &View<'_>) -> bool {
    let cx = view.cx;
    view.used_flows().any(|flow| {
        cx.ledger.share(&cx.links(), flow.id) > Rate::ZERO
            && cx.ledger.granted(flow.id, view.at) != Some(Rate::ZERO)
    })
}

/// The most that a gateway's flow can use. A site that is as far as its parent gets no more than what arrives
/// there, so it does not reserve more.
pub(crate) fn cap(view: &View<'_>, flow: &Flow) -> Rate {
    let swarm = view.swarm;
    // what a parent has of some stripes is not known
    let parent = swarm.sites.get(&flow.source).filter(|_| swarm.stripes.is_empty());
    let cap = parent.and_then(|parent| {
        let arriving = arriving(view, parent)?;
        let (ahead, _) = parent.peers.best()?;
        let left = view.site.peers.best().map_or(u64::MAX, |(left, _)| left);
        let path = view.cx.links().rate_along(&flow.route).bytes_per_second()?;
        Some(capped(
            &view.cx.policy.budget,
            arriving,
            left.saturating_sub(ahead),
            path,
        ))
    });
    cap.unwrap_or(Rate::UNLIMITED)
}

/// What a flow can use, bytes per second, whose parent gets `arriving` and is `behind` bytes ahead, over a
/// path of `path`.
fn capped(policy: &BudgetPolicy, arriving: u64, behind: u64, path: u64) -> Rate {
    let cap = arriving as f64 * policy.slack + behind as f64 / policy.catch_up;
    // `as` saturates, and what is beyond any link is no cap
    Rate::from_bytes_per_second((cap as u64).max(path / policy.least_cap))
}

/// What arrives at a site that does not have everything, bytes per second; `None`: no limit, or unknown.
fn arriving(view: &View<'_>, site: &Site) -> Option<u64> {
    let (swarm, cx) = (view.swarm, view.cx);
    if site.supply != Supply::Waiting || swarm.root == Some(site.id) || !swarm.knows_size() {
        return None;
    }
    let used = site.flows.iter().filter(|flow| flow.users > 0);
    let shares = used.map(|flow| cx.ledger.share(&cx.links(), flow.id));
    shares.reduce(Rate::saturating_add)?.bytes_per_second()
}

/// When one of our agents in office is to come back, given its regular interval: where its path has a limited
/// link, after [`crate::Intervals::min`], so that its share follows; sooner while it has less than that; and
/// not long after a schedule changes a link.
pub(crate) fn attend(
    view: &View<'_>,
    allowances: &[Allowance],
    regular: Duration,
    rng: &mut dyn Rng,
) -> Duration {
    let (cx, policy) = (view.cx, &view.cx.policy.budget);
    let routes = || view.used_flows().map(|flow| &flow.route);
    let mut hops = routes().flat_map(|route| route.hops.iter());
    let mut within = if hops.any(|hop| !cx.links().rate(*hop).is_unlimited()) {
        regular.min(cx.policy.intervals.min)
    } else {
        regular
    };
    if allowances.iter().any(|allowed| !allowed.grant.is_settled(&cx.policy.shares)) {
        within = within.min(policy.unsettled);
    }
    let within = jittered(cx.policy, within, rng);
    match next_change(cx, routes(), within) {
        Some(change) => {
            let spread = u32::try_from(policy.after_change_spread.as_millis()).unwrap_or(u32::MAX);
            let later = Duration::from_millis(u64::from(rng.next_u32() % spread.max(1)));
            change + policy.after_change + later
        }
        None => within,
    }
}

/// In what time a schedule changes the rate of a link of these routes, if that is before `within`, or before
/// [`BudgetPolicy::horizon_minutes`]. Schedules are written in minutes.
fn next_change<'r>(
    cx: &Context<'_>,
    routes: impl Iterator<Item = &'r Route> + Clone,
    within: Duration,
) -> Option<Duration> {
    let into = cx.wall.as_millisecond().rem_euclid(60_000).unsigned_abs();
    let minutes = (1..=cx.policy.budget.horizon_minutes).map(|n| Duration::from_millis(n * 60_000 - into));
    minutes.take_while(|until| *until < within).find(|until| {
        let Ok(then) = cx.wall.checked_add(*until) else {
            return false;
        };
        let mut hops = routes.clone().flat_map(|route| route.hops.iter());
        hops.any(|hop| cx.map.rate(*hop, then) != cx.links().rate(*hop))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_may_use_a_little_more_than_what_its_parent_gets_and_never_less_than_a_part_of_its_path() {
        let policy = BudgetPolicy::default();
        for (arriving, behind, path, expected) in [
            (1_000, 0, 10_000, 1_100),
            (1_000, 5_000, 10_000, 1_600),
            (0, 0, 10_000, 400),
            (u64::MAX, u64::MAX, 10_000, u64::MAX),
        ] {
            let cap = capped(&policy, arriving, behind, path);
            assert_eq!(cap, Rate::from_bytes_per_second(expected), "{arriving} {behind}");
        }
    }
}
