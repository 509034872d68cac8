//! Rule 2, supply, as a rate: whether what a site's own seeders bring is less than what its link would.
//!
//! A site with a seeder needs nothing across the WAN, unless that seeder is slow: one complete laptop on a
//! bad Wi-Fi, or one with a limit, would else hold its site for as long as it likes. So the first agents that
//! fetch at such a site are measured by what they announce; where the fastest of them gets less than half of
//! what the link from the nearest root would bring, the site waits like one without a seeder: it has a parent
//! and a gateway, and the seeder beside them. It counts as supplied again when it gets another seeder, at another
//! address, or no peer there wants anything any more: that a peer is a seeder is what it says, as often as it likes.

use narrows_topology::Rate;

use super::parents::nearest_root;
use crate::state::peer::Tick;
use crate::state::view::View;

/// What a leecher got from its site since `since`, when it lacked `left_before`, in bytes per second; `None`:
/// there is nothing to measure, or it is too soon.
pub(crate) fn measure(view: &View<'_>, since: Tick, left_before: u64) -> Option<u64> {
    let (site, left) = (view.site, view.peer.left);
    let passed = view.now.saturating_sub(since.time());
    let tells = left != u64::MAX && left_before != u64::MAX;
    if !view.class.wants() || !site.seeder_speed.is_open() || !tells || passed < view.cx.policy.patience() {
        return None;
    }
    let gained = left_before.saturating_sub(left) as f64;
    Some((gained / passed.as_secs_f64()) as u64)
}

/// Whether a site's link would bring so much more than its seeders that it is to fetch across it.
pub(crate) fn is_beaten(view: &View<'_>) -> bool {
    let (site, policy) = (view.site, &view.cx.policy.supply);
    let (speed, wanting) = (&site.seeder_speed, site.wanting());
    !speed.is_unknown(policy, wanting)
        && speed_across(view).is_some_and(|across| speed.is_beaten_by(policy, across, wanting))
}

/// What a new flow from the nearest root would bring to a site, no more than its seeders if they are slow; `None`
/// without another root.
fn speed_across(view: &View<'_>) -> Option<Rate> {
    let (cx, id) = (view.cx, view.id());
    let root = nearest_root(view, None)?;
    let route = cx.map.path(root, id)?;
    if cx.ledger.brakes().stop(cx.map, &view.swarm.info_hash, (root, id), &route) {
        return None;
    }
    let link = cx.ledger.with_load(|load| cx.speed_along(load, &route));
    let slow = view.swarm.sites.get(&root).filter(|site| site.has_slow_seeders());
    let brings = slow.map(|site| Rate::from_bytes_per_second(site.seeder_speed.best()));
    Some(brings.map_or(link, |brings| brings.min(link)))
}
