//! What crossed which link: the agents' counters, booked on the routes that were in force.
//!
//! An agent counts the bytes that it fetched across the WAN since it was started. Each growth of that counter
//! is booked on every hop of the route from where the tracker lets it fetch at that time to its site.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use narrows_topology::{Hop, SiteId};

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_secs(3);

/// Bytes per link and direction, per site, per agent.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    agents: Vec<Account>,
    hops: BTreeMap<Hop, Booked>,
}

#[derive(Debug, Clone)]
struct Account {
    site: SiteId,
    /// Of the incarnation that runs now.
    last: Counters,
    /// Of all incarnations.
    sum: Counters,
    /// `None` until the tracker has said from where it fetches.
    route: Option<Vec<Hop>>,
    /// Fetched until then; booked on its first route.
    pending: u64,
}

#[derive(Debug, Default, Clone)]
struct Booked {
    bytes: u64,
    sites: BTreeSet<SiteId>,
    recent: VecDeque<(Duration, u64)>,
}

/// What an agent has moved, in bytes of pieces.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// From its own site.
    pub lan: u64,
    /// Across links.
    pub wan: u64,
    /// Sent across links, to gateways of other sites.
    pub sent: u64,
    /// Fetched and thrown away; part of the first two.
    pub wasted: u64,
}

impl Counters {
    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Counters) -> Counters {
        Counters {
            lan: self.lan + other.lan,
            wan: self.wan + other.wan,
            sent: self.sent + other.sent,
            wasted: self.wasted + other.wasted,
        }
    }
}

impl Ledger {
    /// Of agents at these sites; an agent is its position here.
    pub fn new(agents: impl IntoIterator<Item = SiteId>) -> Ledger {
        let none = Counters::default();
        let account = |site| Account {
            site,
            last: none,
            sum: none,
            route: None,
            pending: 0,
        };
        Ledger {
            agents: agents.into_iter().map(account).collect(),
            ..Ledger::default()
        }
    }

    /// From now on the agent fetches along this route, in the direction of the data.
    pub fn route(&mut self, agent: usize, route: Vec<Hop>, now: Duration) {
        let Some(account) = self.agents.get_mut(agent) else {
            return;
        };
        account.route = Some(route);
        let waiting = std::mem::take(&mut account.pending);
        self.book(agent, waiting, now);
    }

    /// The agent's process was started again: its counters begin at zero.
    pub fn restarted(&mut self, agent: usize) {
        if let Some(account) = self.agents.get_mut(agent) {
            account.last = Counters::default();
        }
    }

    /// The agent's counters are these now. A counter that fell began anew.
    pub fn observe(&mut self, agent: usize, counters: Counters, now: Duration) {
        let Some(account) = self.agents.get_mut(agent) else {
            return;
        };
        let grown = |last: u64, now: u64| if now < last { now } else { now - last };
        let (last, sum) = (account.last, &mut account.sum);
        let wan = grown(last.wan, counters.wan);
        sum.wan += wan;
        sum.lan += grown(last.lan, counters.lan);
        sum.sent += grown(last.sent, counters.sent);
        sum.wasted += grown(last.wasted, counters.wasted);
        account.last = counters;
        self.book(agent, wan, now);
    }

    fn book(&mut self, agent: usize, bytes: u64, now: Duration) {
        let Some(account) = self.agents.get_mut(agent).filter(|_| bytes > 0) else {
            return;
        };
        let Some(route) = &account.route else {
            account.pending += bytes;
            return;
        };
        for hop in route {
            let booked = self.hops.entry(*hop).or_default();
            booked.bytes += bytes;
            booked.sites.insert(account.site);
            booked.recent.push_back((now, bytes));
            while booked.recent.front().is_some_and(|(at, _)| *at + WINDOW < now) {
                booked.recent.pop_front();
            }
        }
    }

    /// What the agent fetched, over all its incarnations.
    pub fn agent(&self, agent: usize) -> Counters {
        self.agents
            .get(agent)
            .map(|account| account.sum)
            .unwrap_or_default()
    }

    /// What the site's agents fetched across links.
    pub fn site(&self, site: SiteId) -> u64 {
        self.agents
            .iter()
            .filter(|account| account.site == site)
            .map(|account| account.sum.wan)
            .sum()
    }

    /// What all agents moved.
    pub fn sum(&self) -> Counters {
        self.agents
            .iter()
            .map(|account| account.sum)
            .fold(Counters::default(), Counters::and)
    }

    /// Bytes that crossed a link in this direction.
    pub fn bytes(&self, hop: Hop) -> u64 {
        self.hops.get(&hop).map_or(0, |booked| booked.bytes)
    }

    /// How many sites fetched across a link in this direction.
    pub fn demanding(&self, hop: Hop) -> usize {
        self.hops.get(&hop).map_or(0, |booked| booked.sites.len())
    }

    /// Bytes per second across a link in this direction, over the last seconds.
    pub fn rate(&self, hop: Hop, now: Duration) -> u64 {
        let Some(booked) = self.hops.get(&hop) else {
            return 0;
        };
        let since = now.saturating_sub(WINDOW);
        let bytes: u64 = booked
            .recent
            .iter()
            .filter(|(at, _)| *at > since)
            .map(|(_, bytes)| *bytes)
            .sum();
        let seconds = (now - since).as_secs_f64();
        if seconds > 0.0 {
            (bytes as f64 / seconds) as u64
        } else {
            0
        }
    }

    /// Every link and direction that something crossed.
    pub fn hops(&self) -> impl Iterator<Item = Hop> {
        self.hops.keys().copied()
    }

    /// All bytes on all links: a byte that crosses two counts twice.
    pub fn total(&self) -> u64 {
        self.hops.values().map(|booked| booked.bytes).sum()
    }

    /// Bytes fetched across the WAN by agents of which the tracker never said from where.
    pub fn unattributed(&self) -> u64 {
        self.agents.iter().map(|account| account.pending).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrows_topology::LinkId;
    use proptest::prelude::*;

    const SITE: SiteId = SiteId::Named(1);
    const OTHER: SiteId = SiteId::Named(2);
    const NOW: Duration = Duration::from_secs(10);

    fn hop(link: u32) -> Hop {
        Hop {
            link: LinkId::Named(link),
            forward: true,
        }
    }

    fn wan(wan: u64) -> Counters {
        Counters {
            wan,
            ..Counters::default()
        }
    }

    #[test]
    fn bytes_are_booked_on_every_hop_of_the_route_in_force() {
        let mut ledger = Ledger::new([SITE, OTHER]);
        ledger.route(0, vec![hop(0), hop(1)], NOW);
        ledger.observe(0, wan(100), NOW);
        ledger.route(0, vec![hop(2)], NOW);
        ledger.observe(0, wan(150), NOW);
        assert_eq!([0, 1, 2].map(|link| ledger.bytes(hop(link))), [100, 100, 50]);
        assert_eq!(ledger.bytes(hop(0).reversed()), 0);
        assert_eq!(ledger.site(SITE), 150);
        assert_eq!(ledger.demanding(hop(0)), 1);
    }

    #[test]
    fn bytes_before_the_first_route_wait_for_it() {
        let mut ledger = Ledger::new([SITE]);
        ledger.observe(0, wan(70), NOW);
        assert_eq!((ledger.unattributed(), ledger.total()), (70, 0));
        ledger.route(0, vec![hop(0)], NOW);
        assert_eq!((ledger.unattributed(), ledger.total()), (0, 70));
    }

    #[test]
    fn a_restarted_agent_counts_from_zero_even_if_it_has_already_passed_its_old_count() {
        let mut ledger = Ledger::new([SITE]);
        ledger.observe(0, wan(70), NOW);
        ledger.restarted(0);
        ledger.observe(0, wan(90), NOW);
        assert_eq!(ledger.agent(0).wan, 160);
    }

    #[test]
    fn a_rate_forgets_what_is_older_than_the_window() {
        let mut ledger = Ledger::new([SITE]);
        ledger.route(0, vec![hop(0)], NOW);
        ledger.observe(0, wan(3000), NOW);
        assert_eq!(ledger.rate(hop(0), NOW), 1000);
        assert_eq!(ledger.rate(hop(0), NOW + WINDOW), 0);
    }

    proptest! {
        /// Over any growth, restarts and re-routings, every byte is booked once per hop or is pending.
        #[test]
        fn no_byte_is_lost_or_counted_twice(
            steps in proptest::collection::vec((0usize..3, 0u64..1000, prop::option::of(0u32..4), any::<bool>()), 0..60)
        ) {
            let mut ledger = Ledger::new([SITE, SITE, OTHER]);
            let (mut counters, mut fetched) = ([0u64; 3], 0u64);
            for (i, (agent, grown, route, restart)) in steps.into_iter().enumerate() {
                let now = Duration::from_millis(200 * i as u64);
                if let Some(link) = route {
                    ledger.route(agent, vec![hop(link)], now);
                }
                if restart {
                    counters[agent] = 0;
                    ledger.restarted(agent);
                }
                counters[agent] += grown;
                fetched += grown;
                ledger.observe(agent, wan(counters[agent]), now);
            }
            prop_assert_eq!(ledger.total() + ledger.unattributed(), fetched);
            prop_assert_eq!(ledger.site(SITE) + ledger.site(OTHER), fetched);
        }
    }
}
