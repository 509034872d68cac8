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
pub struct Traffic {
    agents: Vec<Account>,
    hops: BTreeMap<Hop, Booked>,
}

#[derive(Debug, Clone)]
struct Account {
    site: SiteId,
    content: usize,
    /// Of the incarnation that runs now.
    last: Counters,
    /// Of all incarnations.
    sum: Counters,
    /// Each with its part of the bytes; `None` until the tracker has said from where it fetches.
    routes: Option<Vec<Share>>,
    /// Fetched until then; booked on its first route.
    pending: u64,
}

/// A route and the part of the bytes that takes it.
pub type Share = (Vec<Hop>, f64);

#[derive(Debug, Default, Clone)]
struct Booked {
    bytes: u64,
    /// By the site that fetched and the content.
    each: BTreeMap<(SiteId, usize), u64>,
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

impl Traffic {
    /// Of agents at these sites, each with so many contents one after the other; an agent is its position
    /// here.
    pub fn new(agents: impl IntoIterator<Item = SiteId>, contents: usize) -> Traffic {
        let none = Counters::default();
        let account = |(i, site)| Account {
            site,
            content: i % contents.max(1),
            last: none,
            sum: none,
            routes: None,
            pending: 0,
        };
        Traffic {
            agents: agents.into_iter().enumerate().map(account).collect(),
            ..Traffic::default()
        }
    }

    /// From now on the agent fetches along these routes, in the direction of the data; their parts add up to
    /// 1.
    pub fn route(&mut self, agent: usize, routes: Vec<Share>, now: Duration) {
        let Some(account) = self.agents.get_mut(agent) else {
            return;
        };
        account.routes = Some(routes);
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
        let Some(routes) = &account.routes else {
            account.pending += bytes;
            return;
        };
        let (mut left, mut parts) = (bytes, routes.len());
        for (route, part) in routes {
            parts -= 1;
            // the last takes what rounding leaves
            let bytes = match parts {
                0 => left,
                _ => ((bytes as f64 * part) as u64).min(left),
            };
            left -= bytes;
            for hop in route {
                let booked = self.hops.entry(*hop).or_default();
                booked.bytes += bytes;
                *booked.each.entry((account.site, account.content)).or_default() += bytes;
                booked.recent.push_back((now, bytes));
                while booked.recent.front().is_some_and(|(at, _)| *at + WINDOW < now) {
                    booked.recent.pop_front();
                }
            }
        }
    }

    /// What the agent fetched, over all its incarnations.
    pub fn agent(&self, agent: usize) -> Counters {
        self.agents.get(agent).map(|account| account.sum).unwrap_or_default()
    }

    /// What the site's agents fetched across links.
    pub fn site(&self, site: SiteId) -> u64 {
        self.agents.iter().filter(|account| account.site == site).map(|account| account.sum.wan).sum()
    }

    /// What all agents moved.
    pub fn sum(&self) -> Counters {
        self.agents.iter().map(|account| account.sum).fold(Counters::default(), Counters::and)
    }

    /// Bytes that crossed a link in this direction.
    pub fn bytes(&self, hop: Hop) -> u64 {
        self.hops.get(&hop).map_or(0, |booked| booked.bytes)
    }

    /// How many sites fetched across a link in this direction.
    pub fn demanding(&self, hop: Hop) -> usize {
        let sites = |booked: &Booked| {
            let sites: BTreeSet<SiteId> = booked.each.keys().map(|(site, _)| *site).collect();
            sites.len()
        };
        self.hops.get(&hop).map_or(0, sites)
    }

    /// Bytes of a content that crossed a link in this direction.
    pub fn content(&self, hop: Hop, content: usize) -> u64 {
        self.some(hop, |(_, other)| other == content)
    }

    /// Bytes that crossed a link in this direction for other sites than this one.
    pub fn others(&self, hop: Hop, site: SiteId) -> u64 {
        self.some(hop, |(other, _)| other != site)
    }

    fn some(&self, hop: Hop, which: impl Fn((SiteId, usize)) -> bool) -> u64 {
        let those = |booked: &Booked| {
            let those = booked.each.iter().filter(|(key, _)| which(**key));
            those.map(|(_, bytes)| *bytes).sum()
        };
        self.hops.get(&hop).map_or(0, those)
    }

    /// Bytes per second across a link in this direction, over the last seconds.
    pub fn rate(&self, hop: Hop, now: Duration) -> u64 {
        let Some(booked) = self.hops.get(&hop) else {
            return 0;
        };
        let since = now.saturating_sub(WINDOW);
        let bytes: u64 = booked.recent.iter().filter(|(at, _)| *at > since).map(|(_, bytes)| *bytes).sum();
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

    fn one<const N: usize>(hops: [Hop; N]) -> Vec<Share> {
        vec![(hops.to_vec(), 1.0)]
    }

    fn wan(wan: u64) -> Counters {
        Counters {
            wan,
            ..Counters::default()
        }
    }

    #[test]
    fn bytes_are_booked_on_every_hop_of_the_route_in_force() {
        let mut traffic = Traffic::new([SITE, OTHER], 1);
        traffic.route(0, one([hop(0), hop(1)]), NOW);
        traffic.observe(0, wan(100), NOW);
        traffic.route(0, one([hop(2)]), NOW);
        traffic.observe(0, wan(150), NOW);
        assert_eq!([0, 1, 2].map(|link| traffic.bytes(hop(link))), [100, 100, 50]);
        assert_eq!(traffic.bytes(hop(0).reversed()), 0);
        assert_eq!(traffic.site(SITE), 150);
        assert_eq!(traffic.demanding(hop(0)), 1);
    }

    #[test]
    fn bytes_before_the_first_route_wait_for_it() {
        let mut traffic = Traffic::new([SITE], 1);
        traffic.observe(0, wan(70), NOW);
        assert_eq!((traffic.unattributed(), traffic.total()), (70, 0));
        traffic.route(0, one([hop(0)]), NOW);
        assert_eq!((traffic.unattributed(), traffic.total()), (0, 70));
    }

    #[test]
    fn a_restarted_agent_counts_from_zero_even_if_it_has_already_passed_its_old_count() {
        let mut traffic = Traffic::new([SITE], 1);
        traffic.observe(0, wan(70), NOW);
        traffic.restarted(0);
        traffic.observe(0, wan(90), NOW);
        assert_eq!(traffic.agent(0).wan, 160);
    }

    #[test]
    fn a_rate_forgets_what_is_older_than_the_window() {
        let mut traffic = Traffic::new([SITE], 1);
        traffic.route(0, one([hop(0)]), NOW);
        traffic.observe(0, wan(3000), NOW);
        assert_eq!(traffic.rate(hop(0), NOW), 1000);
        assert_eq!(traffic.rate(hop(0), NOW + WINDOW), 0);
    }

    proptest! {
        /// Over any growth, restarts and re-routings, every byte is booked once per hop or is pending.
        #[test]
        fn no_byte_is_lost_or_counted_twice(
            steps in proptest::collection::vec((0usize..3, 0u64..1000, prop::option::of(0u32..4), any::<bool>()), 0..60)
        ) {
            let mut traffic = Traffic::new([SITE, SITE, OTHER], 1);
            let (mut counters, mut fetched) = ([0u64; 3], 0u64);
            for (i, (agent, grown, route, restart)) in steps.into_iter().enumerate() {
                let now = Duration::from_millis(200 * i as u64);
                if let Some(link) = route {
                    traffic.route(agent, vec![(vec![hop(link)], 0.3), (vec![hop(link + 4)], 0.7)], now);
                }
                if restart {
                    counters[agent] = 0;
                    traffic.restarted(agent);
                }
                counters[agent] += grown;
                fetched += grown;
                traffic.observe(agent, wan(counters[agent]), now);
            }
            prop_assert_eq!(traffic.total() + traffic.unattributed(), fetched);
            prop_assert_eq!(traffic.site(SITE) + traffic.site(OTHER), fetched);
        }
    }

    #[test]
    fn of_several_routes_each_carries_its_part_and_contents_are_told_apart() {
        let mut traffic = Traffic::new([SITE, SITE, OTHER, OTHER], 2);
        traffic.route(0, vec![(vec![hop(0)], 0.25), (vec![hop(1)], 0.75)], NOW);
        traffic.route(3, one([hop(1)]), NOW);
        traffic.observe(0, wan(1001), NOW);
        traffic.observe(3, wan(10), NOW);
        assert_eq!([0, 1].map(|link| traffic.bytes(hop(link))), [250, 761]);
        assert_eq!([0, 1].map(|content| traffic.content(hop(1), content)), [751, 10]);
        assert_eq!(
            (traffic.others(hop(1), SITE), traffic.others(hop(1), OTHER)),
            (10, 751)
        );
        assert_eq!(traffic.demanding(hop(1)), 2);
    }
}
