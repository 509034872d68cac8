//! What to change to be faster, found by planning again with the change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Limit, Plan, Rollout, link_of, plan};
use crate::{Hop, LinkId, Rate, SiteId, SiteMap};

/// A change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// These links at twice their rate: from, to.
    Faster(Vec<(LinkId, Rate, Rate)>),
    /// This link without its schedule: with this rate at all hours but its pauses.
    Unscheduled(LinkId, Rate),
    /// A client at this site, which wants the content and passes it on.
    ClientAt(SiteId),
    /// A seeder at this site.
    SeederAt(SiteId),
}

/// A change and what it brings.
#[derive(Clone, PartialEq, Debug)]
pub struct Advice {
    /// What to change.
    pub change: Change,
    /// Seconds until every client would be complete.
    pub seconds: f64,
    /// The site whose time would fall most, and its seconds before and after.
    pub most: (SiteId, f64, f64),
}

/// What it takes that every client is complete in time.
#[derive(Clone, PartialEq, Debug)]
pub struct Needed {
    /// The links and the rates that they would need: present rate, needed rate.
    pub links: Vec<(LinkId, Rate, Rate)>,
    /// Those of them that would need it at all hours, without their schedule.
    pub at_all_hours: Vec<LinkId>,
}

/// What is worth saying: less than that is no news.
const WORTH: f64 = 0.95;

/// How many changes of a kind are tried.
const MAX_CHANGES: usize = 8;

/// The same on a map of more than [`LARGE`] sites, where each plan takes a second.
const FEW: usize = 2;

/// From how many sites on a map is large.
const LARGE: usize = 500;

impl Plan {
    /// The changes that would make the rollout end soonest, the best first, at most `count` of them.
    pub fn advice(&self, map: &SiteMap, count: usize) -> Vec<Advice> {
        let Some(now) = self.seconds else {
            return Vec::new();
        };
        let mut found: Vec<Advice> = Vec::new();
        for change in self.changes(map) {
            let Some(again) = change.plan(map, &self.rollout) else {
                continue;
            };
            let Some(seconds) = again.seconds else { continue };
            if seconds > now * WORTH {
                continue;
            }
            let gain = |site: &SiteId| {
                let (before, after) = (self.site(*site)?.seconds?, again.site(*site)?.seconds?);
                Some((*site, before, after))
            };
            let gains = self.rollout.clients.keys().filter_map(gain);
            if let Some(most) = gains.max_by(|a, b| (a.1 - a.2).total_cmp(&(b.1 - b.2)).then(b.0.cmp(&a.0))) {
                found.push(Advice {
                    change,
                    seconds,
                    most,
                });
            }
        }
        // of equally good ones the one that was found first, which changes least
        found.sort_by(|a, b| (a.seconds.round()).total_cmp(&b.seconds.round()));
        found.truncate(count);
        found
    }

    /// The changes to try, those that change least first.
    fn changes(&self, map: &SiteMap) -> Vec<Change> {
        let last = self.seconds.unwrap_or(f64::INFINITY) * WORTH;
        let late = self.sites.iter().filter(|site| site.seconds.is_none_or(|seconds| seconds >= last));
        let limits: BTreeSet<LinkId> = late.filter_map(|site| link_of(site.limit)).collect();
        let rate = |link: LinkId| map.base_rate(link);
        let faster = |link: &LinkId| {
            let bytes = rate(*link).bytes_per_second()?;
            Some((
                *link,
                rate(*link),
                Rate::from_bytes_per_second(bytes.saturating_mul(2)),
            ))
        };
        let links: Vec<(LinkId, Rate, Rate)> = limits.iter().filter_map(faster).collect();
        let most = if self.sites.len() > LARGE {
            FEW
        } else {
            MAX_CHANGES
        };
        let mut changes: Vec<Change> =
            links.iter().take(most).map(|link| Change::Faster(vec![*link])).collect();
        let scheduled = limits.iter().filter(|link| map.has_schedule(**link));
        changes.extend(scheduled.take(most).map(|link| Change::Unscheduled(*link, rate(*link))));
        let (empty, relays) = self.middle(map);
        changes.extend(empty.into_iter().take(most).map(Change::ClientAt));
        changes.extend(relays.into_iter().take(most).map(Change::SeederAt));
        if (2..=MAX_CHANGES).contains(&links.len()) {
            changes.push(Change::Faster(links));
        }
        changes
    }

    /// Lowers needed rates one after the other, as far as they can be: schedules make time no simple function
    /// of them.
    fn shrink(&self, map: &SiteMap, by: Timestamp, rates: &mut BTreeMap<LinkId, (Rate, f64)>) {
        for link in rates.keys().copied().collect::<Vec<_>>() {
            let Some((base, most)) = rates.get(&link).map(|(base, rate)| (base.as_f64(), *rate)) else {
                continue;
            };
            let (mut less, mut more) = (base, most);
            for _ in 0..8 {
                let middle = nice((less * more).sqrt());
                if middle >= more || middle <= less {
                    break;
                }
                let with = |other: &LinkId, rate: f64| if *other == link { middle } else { rate };
                let changed: Vec<_> =
                    rates.iter().map(|(other, (_, rate))| (*other, with(other, *rate))).collect();
                let in_time = changed_map(map, &changed)
                    .and_then(|map| plan(&map, &self.rollout).ok())
                    .is_some_and(|plan| plan.late(by).is_empty());
                if in_time { more = middle } else { less = middle }
            }
            rates.insert(link, (Rate::of_f64(base), more));
        }
    }

    /// The sites without clients that several flows pass through, and the sites from which others get the
    /// content; the busiest first.
    fn middle(&self, map: &SiteMap) -> (Vec<SiteId>, Vec<SiteId>) {
        let mut passing: BTreeMap<SiteId, usize> = BTreeMap::new();
        let mut children: BTreeMap<SiteId, usize> = BTreeMap::new();
        for (site, parent) in self.stripes.iter().flatten() {
            *children.entry(parent.site).or_default() += 1;
            let route = map.path(parent.site, *site).unwrap_or_default();
            for hop in route.hops.iter() {
                *passing.entry(head(map, *hop)).or_default() += 1;
            }
        }
        let here =
            |site: &SiteId| self.rollout.clients.contains_key(site) || self.rollout.seeds.contains_key(site);
        let busiest = |counts: BTreeMap<SiteId, usize>| {
            let mut sites: Vec<(usize, SiteId)> =
                counts.into_iter().map(|(site, count)| (count, site)).collect();
            sites.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            sites
        };
        let usable = |site: &SiteId| !map.is_transit(*site) && map.sharing(*site);
        let empty = busiest(passing).into_iter().filter(|(count, _)| *count > 1).map(|(_, site)| site);
        let empty: Vec<SiteId> = empty.filter(|site| usable(site) && !here(site)).collect();
        let relays = busiest(children).into_iter().map(|(_, site)| site);
        let relays = relays.filter(|site| usable(site) && !self.rollout.seeds.contains_key(site));
        (empty, relays.collect())
    }

    /// The sites that are complete after `by`, or never.
    pub fn late(&self, by: Timestamp) -> Vec<SiteId> {
        let late = self.sites.iter().filter(|site| site.complete.is_none_or(|complete| complete > by));
        late.map(|site| site.site).collect()
    }

    /// The rates of links with which every client would be complete by `by`, found by planning again. Where
    /// schedules make every rate vain, those without them, but for pauses; `None` if not even these are
    /// enough.
    pub fn needed(&self, map: &SiteMap, by: Timestamp) -> Option<Needed> {
        if let Some(needed) = self.needed_on(map, by) {
            return Some(needed);
        }
        let limits = self.late(by).into_iter().filter_map(|site| self.site(site));
        let limits: BTreeSet<LinkId> = limits.filter_map(|site| link_of(site.limit)).collect();
        let lifted: Vec<LinkId> = limits.into_iter().filter(|link| map.has_schedule(*link)).collect();
        let (first, others) = lifted.split_first()?;
        let open = map.without_schedule(*first);
        let open = others.iter().fold(open, |open, link| open.without_schedule(*link));
        let needed = plan(&open, &self.rollout).ok()?.needed_on(&open, by)?;
        // one that does with the rate it has needs only to have it
        let rate = |link: &LinkId| (*link, map.base_rate(*link), map.base_rate(*link));
        let kept = lifted.iter().filter(|link| needed.links.iter().all(|(other, ..)| other != *link));
        let links = needed.links.iter().copied().chain(kept.map(rate)).collect();
        Some(Needed {
            links,
            at_all_hours: lifted,
        })
    }

    fn needed_on(&self, map: &SiteMap, by: Timestamp) -> Option<Needed> {
        let allowed = by.duration_since(self.rollout.at).as_secs_f64();
        let mut rates: BTreeMap<LinkId, (Rate, f64)> = BTreeMap::new();
        let mut changed: Option<SiteMap> = None;
        let mut now = self.clone();
        for _ in 0..40 {
            let map = changed.as_ref().unwrap_or(map);
            let late = now.late(by);
            if late.is_empty() {
                break;
            }
            let mut factors: BTreeMap<LinkId, f64> = BTreeMap::new();
            for site in late.iter().filter_map(|site| now.site(*site)) {
                let Limit::Link(hop) = site.limit else { return None };
                // what is paused for a part of the time needs more than the proportion; the next round sees
                // to it
                let factor =
                    site.seconds.map_or(2.0, |seconds| (seconds / allowed.max(1e-3)).clamp(1.02, 4.0));
                let most = factors.entry(hop.link).or_insert(factor);
                *most = most.max(factor);
            }
            let mut next: Option<SiteMap> = None;
            for (link, factor) in factors {
                let base = map.base_rate(link);
                let (_, rate) = rates.entry(link).or_insert((base, base.as_f64()));
                *rate = nice(*rate * factor);
                if *rate > 125e9 {
                    return None;
                }
                next = Some(next.as_ref().unwrap_or(map).with_rate(link, Rate::of_f64(*rate)));
            }
            let next = next?;
            now = plan(&next, &self.rollout).ok()?;
            changed = Some(next);
        }
        let enough = now.late(by).is_empty();
        if enough && rates.len() <= MAX_CHANGES {
            self.shrink(map, by, &mut rates);
        }
        let links = rates.into_iter().map(|(link, (before, rate))| (link, before, Rate::of_f64(rate)));
        enough.then(|| Needed {
            links: links.collect(),
            at_all_hours: Vec::new(),
        })
    }
}

impl Change {
    /// The plan with the change.
    fn plan(&self, map: &SiteMap, rollout: &Rollout) -> Option<Plan> {
        let mut rollout = rollout.clone();
        match self {
            Change::Faster(links) => {
                let rates: Vec<(LinkId, f64)> =
                    links.iter().map(|(link, _, rate)| (*link, rate.as_f64())).collect();
                return plan(changed_map(map, &rates).as_ref().unwrap_or(map), &rollout).ok();
            }
            Change::Unscheduled(link, _) => return plan(&map.without_schedule(*link), &rollout).ok(),
            Change::ClientAt(site) => {
                rollout.clients.insert(*site, 1);
            }
            Change::SeederAt(site) => {
                rollout.seeds.insert(*site, 1);
            }
        }
        plan(map, &rollout).ok()
    }
}

/// The map with links of these rates; `None` if there are none.
fn changed_map(map: &SiteMap, rates: &[(LinkId, f64)]) -> Option<SiteMap> {
    let mut changed: Option<SiteMap> = None;
    for (link, rate) in rates {
        changed = Some(changed.as_ref().unwrap_or(map).with_rate(*link, Rate::of_f64(*rate)));
    }
    changed
}

/// Where a hop leads.
fn head(map: &SiteMap, hop: Hop) -> SiteId {
    let (first, second) = map.ends(hop.link);
    if hop.forward { second } else { first }
}

/// Rounded up to two digits in bits per second: what one would order.
fn nice(bytes: f64) -> f64 {
    let bits = bytes * 8.0;
    let unit = 10f64.powf(bits.max(1.0).log10().floor() - 1.0);
    (bits / unit - 1e-6).ceil() * unit / 8.0
}
