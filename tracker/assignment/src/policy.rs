//! The numbers behind the rules, each with its reason. What an operator can set of them is `interval:`.

use std::time::Duration;

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
    /// Jitter and terms of intervals.
    pub terms: Terms,
    /// Rule 2, supply.
    pub supply: SupplyPolicy,
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
            terms: Terms::default(),
            supply: SupplyPolicy::default(),
            gateways: GatewayPolicy::default(),
            trickle: TricklePolicy::default(),
            upstreams: UpstreamPolicy::default(),
            reach: ReachPolicy::default(),
            starvation: StarvationPolicy::default(),
            budget: BudgetPolicy::default(),
            shares: SharesPolicy::default(),
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

/// When a site's own seeders are too slow to count as its supply (rule 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupplyPolicy {
    /// Leechers that are measured before a site's seeders are judged, or all if it has fewer: one slow
    /// leecher says little of a seeder.
    pub enough: u32,
    /// A site fetches across its link if that brings more than so many times what its own seeders do; for
    /// less, the link is not worth a second copy.
    pub times_faster: u64,
}

impl Default for SupplyPolicy {
    fn default() -> Self {
        SupplyPolicy {
            enough: 3,
            times_faster: 2,
        }
    }
}

/// Leases and successors (rule 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GatewayPolicy {
    /// The soonest that a gateway comes back while a rollout begins: most sites have joined by then.
    pub settle_min: Duration,
    /// Leechers that are compared when a successor is looked for: a sample of a large site is as good as all
    /// of it.
    pub candidates: usize,
    /// A free lease waits for a better successor than the announcing peer only if that one is ahead by more
    /// than this part of the content: a second without a gateway costs more than it would save.
    pub head_start: u64,
    /// Beyond its interval, a gateway has so long to come back before it is called overdue: a request may be
    /// sent twice.
    pub late: Duration,
    /// Least intervals that a starving member's claim to a remote peer lasts: the regular gateway announces
    /// within that time.
    pub claim: u32,
    /// A gateway on this step of the starvation ladder lets another try, after ...
    pub stuck_step: u8,
    /// ... so many announces without progress: other upstreams and a root site have been tried by then.
    pub stuck_still: u8,
    /// With a claim pending it lets the claimant try sooner: on this step, after ...
    pub claimed_step: u8,
    /// ... so many announces without progress.
    pub claimed_still: u8,
}

impl Default for GatewayPolicy {
    fn default() -> Self {
        GatewayPolicy {
            settle_min: Duration::from_millis(300),
            candidates: 64,
            head_start: 64,
            late: Duration::from_secs(2),
            claim: 3,
            stuck_step: 3,
            stuck_still: 3,
            claimed_step: 1,
            claimed_still: 2,
        }
    }
}

/// When a gateway brings next to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TricklePolicy {
    /// A gateway's rate is measured over at least this: shorter windows see bursts of pieces.
    pub window: Duration,
    /// A trickle is less than one part in so many of what the gateway was granted.
    pub part: u64,
    /// Between two trials at a site, at first; doubled with each, since it may as well be the link that
    /// others fill.
    pub wait_min: Duration,
    /// Between two trials at a site, at most; after as long a calm it begins anew.
    pub wait_max: Duration,
}

impl Default for TricklePolicy {
    fn default() -> Self {
        TricklePolicy {
            window: Duration::from_secs(20),
            part: 4,
            wait_min: Duration::from_secs(60),
            wait_max: Duration::from_secs(900),
        }
    }
}

/// Which peers a gateway fetches from (rule 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpstreamPolicy {
    /// Up to so many seeders, all are ranked by rendezvous hash; among more ...
    pub ranked: usize,
    /// ... so many are drawn by hash and ranked, so that a choice costs the same at any size.
    pub drawn: u64,
    /// Sites that a root without everything is sent to at most: each is asked for what the others lack.
    pub root_sources: usize,
}

impl Default for UpstreamPolicy {
    fn default() -> Self {
        UpstreamPolicy {
            ranked: 32,
            drawn: 16,
            root_sources: 8,
        }
    }
}

/// What agents report with `gone=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReachPolicy {
    /// For so long a gateway is not handed a peer again that it could not reach, nor its site planned behind
    /// a site of which it reached no peer: agents give up and report within about half of it.
    pub avoided: Duration,
    /// How old the failure may be that an agent reports; a peer that has announced since then is alive.
    pub recent: Duration,
    /// Upstreams that are remembered as unreachable, per gateway: any client may report what it likes.
    pub remembered: usize,
    /// Neighbours that must report the same before others believe it (or all there are): one report may be
    /// one broken connection.
    pub witnesses: u32,
}

impl Default for ReachPolicy {
    fn default() -> Self {
        ReachPolicy {
            avoided: Duration::from_secs(60),
            recent: Duration::from_secs(30),
            remembered: 32,
            witnesses: 2,
        }
    }
}

/// The starvation ladder (rule 8).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StarvationPolicy {
    /// A peer is judged at most once in this part of the least interval: sooner announces, with their jitter,
    /// say nothing new.
    pub patience: f64,
    /// Announces without progress after which a leecher climbs.
    pub still: u8,
    /// From this step on it may be a gateway of its own.
    pub gateway_step: u8,
    /// The last step: the seeders of a root site.
    pub top: u8,
    /// What was received is verified later, so progress counts as local only if this part of it exceeds what
    /// crossed links.
    pub verified: u64,
}

impl Default for StarvationPolicy {
    fn default() -> Self {
        StarvationPolicy {
            patience: 0.8,
            still: 2,
            gateway_step: 2,
            top: 3,
            verified: 2,
        }
    }
}

/// What a gateway may use of its path, and when it hears of changes (rule 10).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BudgetPolicy {
    /// How many times what arrives at its parent a flow may have, so that it is never behind for long.
    pub slack: f64,
    /// In how many seconds a flow may catch up with its parent.
    pub catch_up: f64,
    /// A capped flow has one part in so many of its path nevertheless: it must be able to notice that its
    /// parent became faster.
    pub least_cap: u64,
    /// When a gateway comes back that has less than its share: others hear within that time that they have
    /// less.
    pub unsettled: Duration,
    /// A gateway comes back so long after a schedule changes one of its links, so that the new rate is in
    /// force ...
    pub after_change: Duration,
    /// ... or up to so much later, not all gateways in the same moment.
    pub after_change_spread: Duration,
    /// How far ahead schedules are looked at, in minutes: beyond, no interval reaches.
    pub horizon_minutes: u64,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        BudgetPolicy {
            slack: 1.1,
            catch_up: 10.0,
            least_cap: 25,
            unsettled: Duration::from_millis(1500),
            after_change: Duration::from_millis(200),
            after_change_spread: Duration::from_millis(1800),
            horizon_minutes: 60,
        }
    }
}

/// How the links are shared between flows, and what of the shares is granted (rule 10).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SharesPolicy {
    /// More flows than this are shared out once in [`SharesPolicy::fresh`] only, since it takes time; a newer
    /// flow gets an estimate until then.
    pub eager: usize,
    /// How old shares may get: schedules change rates.
    pub fresh: Duration,
    /// What a flow sends the other way, as a part of it: acknowledgements, one frame of 66 bytes for two full
    /// segments, and requests. 2.3 to 2.8 % by the lab's counters; a link that is offered even a little more
    /// than its rate has full queues.
    pub backwards: f64,
    /// Thousandths of a link that may be granted beyond its rate, so that a newcomer need not wait: what
    /// shaping and queues take without loss.
    pub headroom: u64,
    /// A newcomer gets at least one part in so many of a link ...
    pub floor: u64,
    /// ... but no more than so many twentieths of what is left of the headroom, so that there is some for the
    /// next one.
    pub floor_headroom: u64,
    /// A grant counts as all that is fair when less than one part in so many, and one, is missing: not worth
    /// another announce.
    pub settled: u32,
}

impl Default for SharesPolicy {
    fn default() -> Self {
        SharesPolicy {
            eager: 256,
            fresh: Duration::from_secs(1),
            backwards: 0.03,
            headroom: 48,
            floor: 25,
            floor_headroom: 17,
            settled: 49,
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
