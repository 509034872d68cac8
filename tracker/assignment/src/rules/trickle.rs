//! Who brings next to nothing gives way: a lease is for fetching at about the rate that the links allow.
//!
//! A gateway that gets a trickle may have slow upstreams (a full or limited uplink), or be slow itself (a bad
//! Wi-Fi, a limit of its own). The tracker cannot tell which: it tries other upstreams and another gateway in
//! turns, with waits that double, since it may as well be the link that others fill. An agent that was told a
//! spare upstream has tried that by itself: then another gateway comes first, as where there is no other
//! upstream.

use std::time::Duration;

use narrows_protocol::AgentReport;
use narrows_topology::{Rate, SiteId};

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::peer::Class;
use crate::{Context, Time};

/// A gateway's rate is measured over at least this.
const WINDOW: Duration = Duration::from_secs(20);
/// A trickle is less than one part in so many of what the gateway was granted.
const PART: u64 = 4;
/// Between two trials at a site: at first, then doubled, at most.
const FIRST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(900);

/// What a gateway had brought when its rate was last measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    since: Time,
    wan: u64,
}

/// The trials of a site.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trials {
    next: Time,
    wait: Duration,
    /// How many there were in a row.
    turn: u32,
}

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trial {
    /// Other upstreams.
    Upstreams,
    /// Another gateway.
    Gateway,
}

impl Trials {
    /// What is tried next, if it is time; after a long calm it begins anew. `tried`: the gateway has tried
    /// several upstreams by itself, or there are no others.
    fn begin(&mut self, tried: bool, now: Time) -> Option<Trial> {
        if now < self.next {
            return None;
        }
        let calm = self.wait.is_zero() || now >= self.next + MOST;
        (self.wait, self.turn) = match calm {
            true => (FIRST, 0),
            false => ((self.wait * 2).clamp(FIRST, MOST), self.turn + 1),
        };
        self.next = now + self.wait;
        Some(match self.turn.is_multiple_of(2) == tried {
            true => Trial::Gateway,
            false => Trial::Upstreams,
        })
    }
}

impl Swarm {
    /// Measures what an announcing gateway has brought across links, and says what to try if that is a
    /// trickle.
    pub(crate) fn measure_gateway(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        report: &AgentReport,
        now: Time,
    ) -> Option<Trial> {
        self.sites.get(&id)?.gateways.get(&at)?;
        let fed = self.has_whole_upstream((id, at)) && self.may_fetch(cx, id, at);
        let site = self.sites.get_mut(&id)?;
        let left = site.wanting(at)?.left;
        let alone = site.is_each_alone();
        let gateway = site.gateways.get_mut(&at)?;
        let new = Meter {
            since: now,
            wan: report.wan,
        };
        let Some(meter) = gateway.meter.filter(|_| fed && !alone && !gateway.extra) else {
            gateway.meter = fed.then_some(new);
            return None;
        };
        let passed = now.saturating_sub(meter.since);
        if passed < WINDOW {
            return None;
        }
        gateway.meter = Some(new);
        let tried = gateway.upstreams.len() > 1 || !self.has_other_seeders((id, at));
        let expected = self.granted(cx, (id, at))?.saturating_mul(passed.as_secs()) / PART;
        let brought = report.wan.saturating_sub(meter.wan);
        // the last pieces come as they may
        if brought >= expected || left <= expected {
            return None;
        }
        self.sites.get_mut(&id)?.trials.begin(tried, now)
    }

    /// What a gateway was last told to fetch, in bytes per second; `None`: as much as it can.
    fn granted(&self, cx: &Context<'_>, (id, at): (SiteId, Endpoint)) -> Option<u64> {
        let told = self.used_flows(id, at).map(|flow| cx.ledger.told(flow.id, at));
        let sum = told.flatten().reduce(Rate::saturating_add)?;
        sum.bytes_per_second().filter(|rate| *rate > 0)
    }

    /// Whether there are seeders, where it fetches from, that it was not told.
    fn has_other_seeders(&self, (id, at): (SiteId, Endpoint)) -> bool {
        let gateway = self.sites.get(&id).and_then(|site| site.gateways.get(&at));
        let told = gateway.map_or(&[][..], |gateway| &gateway.upstreams);
        let seeders = |site: &SiteId| self.sites.get(site).map_or(0, |site| site.peers.count(Class::Seeder));
        let sources: std::collections::BTreeSet<SiteId> = told.iter().map(|up| up.site).collect();
        sources.iter().map(seeders).sum::<usize>() > told.len()
    }

    /// Whether one of the upstreams has everything: who fetches from others waits for what they get.
    fn has_whole_upstream(&self, (id, at): (SiteId, Endpoint)) -> bool {
        let gateway = self.sites.get(&id).and_then(|site| site.gateways.get(&at));
        let mut upstreams = gateway.into_iter().flat_map(|gateway| &gateway.upstreams);
        upstreams.any(|up| {
            let site = self.sites.get(&up.site);
            site.and_then(|site| site.peers.find(up.peer)).is_some_and(|(class, _)| class == Class::Seeder)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_take_turns_and_become_rare() {
        for (spares, first) in [(false, Trial::Upstreams), (true, Trial::Gateway)] {
            let (mut trials, mut seen) = (Trials::default(), Vec::new());
            for second in (0..3600).step_by(20) {
                seen.extend(trials.begin(spares, Duration::from_secs(second)));
            }
            assert!(
                seen[0] == first && seen[1] != first && seen[2] == first,
                "{seen:?}"
            );
            assert!((6..=9).contains(&seen.len()), "{} in an hour", seen.len());
            let later = trials.begin(spares, Duration::from_secs(20_000));
            assert_eq!(later, Some(first), "after a calm it begins anew");
        }
    }
}
