//! What an operator can set about the rules, and what every decision is made in view of.

use std::time::Duration;

use narrows_topology::{Load, Rate, Route, SiteMap};

use crate::Ledger;

/// How often peers announce (`interval:` in tracker.yaml). Replies carry these with 10 % jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intervals {
    /// Peers that have everything.
    pub seeder: Duration,
    /// Peers that fetch inside their site.
    pub leecher: Duration,
    /// Gateways.
    pub gateway: Duration,
    /// Peers that wait for somebody to fetch from; also the least interval in ordinary replies.
    pub min: Duration,
}

impl Default for Intervals {
    fn default() -> Self {
        Intervals {
            seeder: Duration::from_secs(15 * 60),
            leecher: Duration::from_secs(60),
            gateway: Duration::from_secs(30),
            min: Duration::from_secs(10),
        }
    }
}

/// The numbers behind the rules. [`Policy::default`] is what the design says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// How often peers announce.
    pub intervals: Intervals,
    /// Peers in a reply to a client that does not say how many it wants.
    pub numwant_default: u32,
    /// Most peers in a reply, whatever the client wants.
    pub numwant_max: u32,
    /// Up to so many peers, everybody in a site is told of everybody else.
    pub full_mesh: u32,
    /// Peers in a reply in a site with more than [`Policy::full_mesh`].
    pub degree: u32,
    /// Seeders among them.
    pub degree_seeders: u32,
    /// How long a lost gateway is waited for while only one neighbour reports it, and how long a free lease
    /// is offered to the best successor before anybody may take it.
    pub failover: Duration,
    /// For so long after it took office a gateway comes back after at most [`Policy::failover`]: while a
    /// rollout begins, sites join one after the other, and parents and shares of links change with each.
    pub settle: Duration,
    /// For so long after the first announce that it hears of a content, a tracker may not know yet what was
    /// before it restarted: agents notice that within 20 s and announce. Who waits for somebody to fetch from
    /// is to come back soon
    /// (see [`Policy::hasty`]), and a gateway that works takes its lease back from a newcomer that was told of nobody.
    pub youth: Duration,
    /// How long a tracker that has lost its memory gives no lease to a newcomer, counted from its first
    /// announce of a content: a neighbour may have everything, or fetch for the site already, and has not
    /// noticed yet. That it has lost its memory is plain when an agent says that it has restarted, and there
    /// was no snapshot.
    pub recall: Duration,
    /// In that time, when who waits is to come back.
    pub hasty: Duration,
    /// So many of those who wait may come back in a second; with more of them each comes later.
    pub hasty_rate: u32,
    /// The interval that stock clients may insist on, whatever they are told (libtorrent: 5 minutes). Their
    /// records live for two of it.
    pub stock_interval: Duration,
    /// Distinct live remote peers that a stock client may be told beyond `max_seeders` in its life as a
    /// gateway: it never drops a peer it was told of.
    pub stock_spares: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            intervals: Intervals::default(),
            numwant_default: 30,
            numwant_max: 50,
            full_mesh: 30,
            degree: 12,
            degree_seeders: 4,
            failover: Duration::from_secs(2),
            settle: Duration::from_secs(10),
            youth: Duration::from_secs(60),
            recall: Duration::from_secs(20),
            hasty: Duration::from_secs(3),
            hasty_rate: 500,
            stock_interval: Duration::from_secs(300),
            stock_spares: 2,
        }
    }
}

/// What decisions are made in view of, beside the swarm itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The present site map. When it changes, call [`crate::Swarm::remap`] on every swarm.
    pub map: &'a SiteMap,
    /// The numbers behind the rules.
    pub policy: &'a Policy,
    /// The flows of all swarms.
    pub ledger: &'a Ledger,
    /// The wall clock, for the schedules of links.
    pub wall: jiff::Timestamp,
}

impl Context<'_> {
    /// What a new flow along a route would get now beside those of `load`.
    pub(crate) fn speed_along(&self, load: &Load, route: &Route) -> Rate {
        let speeds = route.hops.iter().map(|hop| load.speed(*hop, self.map.rate(*hop, self.wall)));
        speeds.min().unwrap_or(Rate::UNLIMITED)
    }
}
