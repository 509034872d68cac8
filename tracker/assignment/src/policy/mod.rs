//! The numbers behind the rules, each with its reason. What an operator can set of them is `interval:`.

mod peers;
mod rates;

use std::time::Duration;

pub use peers::{
    BarPolicy, GatewayPolicy, IdentityPolicy, ReachPolicy, StarvationPolicy, SupplyPolicy, TotalsPolicy,
    TricklePolicy, UpstreamPolicy,
};
pub use rates::{BudgetPolicy, PlanningPolicy, SharesPolicy};

/// How often peers announce (`interval:` in tracker.yaml). Replies carry these with 10 % jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intervals {
    /// Peers that have everything.
    pub seeder: Duration,
    /// Peers that fetch inside their site.
    pub leecher: Duration,
    /// Gateways.
    pub gateway: Duration,
    /// Peers that wait for a peer to fetch from; also the least interval in ordinary replies.
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

/// The numbers behind the rules. [`Policy::default`] is what `doc/design.md` says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Policy {
    /// How often peers announce.
    pub intervals: Intervals,
    /// Peers in a reply to a client that does not say how many it wants.
    pub numwant_default: u32,
    /// Most peers in a reply, whatever the client wants.
    pub numwant_max: u32,
    /// Up to so many peers, each peer of a site is handed all others.
    pub full_mesh: u32,
    /// Peers in a reply in a site with more than [`Policy::full_mesh`].
    pub degree: u32,
    /// Seeders among them.
    pub degree_seeders: u32,
    /// How many times as many a starving peer is handed, since those it has do not help.
    pub degree_starving: u32,
    /// How long a lost gateway is waited for while only one neighbour reports it, and how long a free lease
    /// is offered to the best successor before any leecher may take it.
    pub failover: Duration,
    /// For so long after it took office a gateway comes back after at most [`Policy::failover`]: while a
    /// rollout begins, sites join one after the other, and parents and shares of links change with each.
    pub settle: Duration,
    /// For so long after the first announce that it hears of a content, a tracker may not know yet what was
    /// before it restarted: agents notice that within 20 s and announce. A peer that waits for one to fetch
    /// from is to come back soon (see [`Policy::hasty`]), and a gateway that works takes its lease back from
    /// a newcomer that was handed no peer.
    pub youth: Duration,
    /// How long a tracker that has lost its memory gives no lease to a newcomer, counted from its first
    /// announce of a content: a neighbour may have everything, or fetch for the site already, and has not
    /// noticed yet. That it has lost its memory is plain when an agent says that it has restarted, and there
    /// was no snapshot.
    pub recall: Duration,
    /// A tracker that has run for so long has heard from all agents that notice a restart: what they say of
    /// one since then is no reason to wait.
    pub restarted: Duration,
    /// How long a gateway is waited for that the tracker does not know, since a member says that it is
    /// connected to it.
    pub hearsay: Duration,
    /// In that time, when who waits is to come back.
    pub hasty: Duration,
    /// So many of those who wait may come back in a second; with more of them each comes later.
    pub hasty_rate: u32,
    /// The interval that stock clients may insist on, whatever a reply says (libtorrent: 5 minutes). Their
    /// records live for two of it.
    pub stock_interval: Duration,
    /// Distinct live remote peers that a stock client may be handed beyond `max_seeders` in its life as a
    /// gateway: it never drops a peer it was handed.
    pub stock_spares: u32,
    /// Jitter and terms of intervals.
    pub terms: Terms,
    /// Rule 9, identity.
    pub identity: IdentityPolicy,
    /// Rule 2, supply.
    pub supply: SupplyPolicy,
    /// Rule 3, parents: when they are planned.
    pub planning: PlanningPolicy,
    /// Rule 4, gateways.
    pub gateways: GatewayPolicy,
    /// Gateways that bring a trickle.
    pub trickle: TricklePolicy,
    /// Rule 5, upstreams.
    pub upstreams: UpstreamPolicy,
    /// Peers that agents cannot reach.
    pub reach: ReachPolicy,
    /// Rule 8, nobody starves.
    pub starvation: StarvationPolicy,
    /// Rule 10, rates: what a gateway may use, and when it hears of changes.
    pub budget: BudgetPolicy,
    /// Rule 10, rates: how the links are shared.
    pub shares: SharesPolicy,
    /// What agents say they fetched.
    pub totals: TotalsPolicy,
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
            degree_starving: 2,
            failover: Duration::from_secs(2),
            settle: Duration::from_secs(10),
            youth: Duration::from_secs(60),
            recall: Duration::from_secs(20),
            restarted: Duration::from_secs(15 * 60),
            hearsay: Duration::from_secs(3),
            hasty: Duration::from_secs(3),
            hasty_rate: 500,
            stock_interval: Duration::from_secs(300),
            stock_spares: 2,
            terms: Terms::default(),
            identity: IdentityPolicy::default(),
            supply: SupplyPolicy::default(),
            planning: PlanningPolicy::default(),
            gateways: GatewayPolicy::default(),
            trickle: TricklePolicy::default(),
            upstreams: UpstreamPolicy::default(),
            reach: ReachPolicy::default(),
            starvation: StarvationPolicy::default(),
            budget: BudgetPolicy::default(),
            shares: SharesPolicy::default(),
            totals: TotalsPolicy::default(),
        }
    }
}

/// Jitter and terms of intervals.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Terms {
    /// An interval is up to this part of it shorter or longer, so that peers that started together spread.
    pub jitter: f64,
    /// Intervals that a lease or a record outlives its holder's last announce by: one announce may be lost,
    /// and both may be late by their jitter.
    pub lease: f64,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            jitter: 0.1,
            lease: 2.2,
        }
    }
}

impl Policy {
    /// How long a lease or a record lasts whose holder comes every `interval`.
    pub(crate) fn lease(&self, interval: Duration) -> Duration {
        interval.mul_f64(self.terms.lease)
    }

    /// The least time in which what a peer got says something.
    pub(crate) fn patience(&self) -> Duration {
        self.intervals.min.mul_f64(self.starvation.patience)
    }
}
