//! What has been decided, as a reply.

use std::time::Duration;

use narrows_protocol::{Peer, Role};
use narrows_topology::{Rate, SiteId};
use rand::Rng;

use crate::decision::Parent;
use crate::endpoint::Endpoint;
use crate::rules::budget::Allowance;
use crate::rules::gateway::Seat;
use crate::rules::intervals::{jittered, lease};
use crate::rules::supply;
use crate::state::Swarm;
use crate::state::peer::Class;
use crate::state::site::{Standing, Upstream};
use crate::{Context, Decision, Outcome, Time};

/// Beyond its interval, a gateway has so long to come back before it is called overdue.
const LATE: Duration = Duration::from_secs(2);

/// Who is told to a peer, and in which seat.
pub(crate) struct Told {
    pub(crate) seat: Seat,
    pub(crate) is_agent: bool,
    /// Come back after this, whatever the regular interval.
    pub(crate) soon: Option<Duration>,
    pub(crate) local: Vec<Peer>,
    pub(crate) upstream: Vec<Upstream>,
}

impl Swarm {
    pub(crate) fn reply(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        told: Told,
        now: Time,
        rng: &mut dyn Rng,
        mut outcome: Outcome,
    ) -> Decision {
        let intervals = &cx.policy.intervals;
        let site = self.sites.get(&id);
        let wants = site.is_some_and(|site| site.wanting(at).is_some());
        let is_seeder = site
            .and_then(|site| site.peers.find(at))
            .is_some_and(|(class, _)| matches!(class, Class::Seeder | Class::Sated));
        let fed = site.is_some_and(|site| site.standing == Standing::Supplied || site.is_fed());
        let unmeasured =
            told.is_agent && site.is_some_and(|site| site.supply.is_unknown(supply::wanting(site)));
        let is_gateway = told.seat == Seat::Gateway;
        let mut upstream = Vec::with_capacity(told.upstream.len());
        upstream.extend(told.upstream.iter().filter_map(|up| self.tell(up)));
        outcome.starved = wants && !fed;
        outcome.local = u32::try_from(told.local.len()).unwrap_or(u32::MAX);
        outcome.upstream = u32::try_from(upstream.len()).unwrap_or(u32::MAX);
        let allowances = if is_gateway && !upstream.is_empty() {
            self.allow(cx, id, at)
        } else {
            Vec::new()
        };
        let mut interval = match told.seat {
            Seat::Gateway if !upstream.is_empty() && told.is_agent => {
                self.attend(cx, (id, at), &allowances, intervals.gateway, rng)
            }
            seat => jittered(
                match seat {
                    _ if is_seeder => intervals.seeder,
                    _ if !wants => intervals.leecher,
                    Seat::Gateway if upstream.is_empty() => intervals.min,
                    Seat::Gateway => intervals.gateway,
                    Seat::Soon(_) | Seat::Member if !fed || unmeasured => intervals.min,
                    Seat::Soon(_) | Seat::Member => intervals.leecher,
                },
                rng,
            ),
        };
        if let Seat::Soon(within) = told.seat {
            // not jittered, and not before the matter is settled
            interval = interval.min(within.max(Duration::from_secs(1)));
        }
        if let Some(soon) = told.soon {
            interval = interval.min(soon);
        }
        if wants && !fed && upstream.is_empty() && self.is_young(cx, now) {
            interval = interval.min(hasty(cx.policy, self.counts.incomplete));
        }
        let (stripes, parents) = self.by_parent((id, at), &told.upstream, &allowances);
        let (rate, paused) = total(&allowances, &parents);
        let site = self.sites.get_mut(&id);
        if let Some(gateway) = site.and_then(|site| site.gateways.get_mut(&at)) {
            gateway.due = now + interval + LATE;
        }
        let site = self.sites.get(&id);
        let slow_supply = is_gateway && site.is_some_and(|site| site.supply.is_slow());
        // who fetches for itself alone divides the pieces with nobody
        let gateways = site.filter(|site| !site.is_each_alone());
        let gateways = gateways.map_or(Vec::new(), |site| {
            let keys = site.gateways.keys().filter(|key| site.leecher(**key).is_some());
            site.peers.addresses_for(keys.copied(), at)
        });
        Decision {
            role: if is_gateway { Role::Gateway } else { Role::Member },
            site: id,
            local: told.local,
            upstream,
            gateways,
            lease: if is_gateway {
                lease(intervals.gateway)
            } else {
                Duration::ZERO
            },
            rate,
            paused,
            slow_supply,
            dscp: self.dscp(cx, id),
            stripes,
            parents,
            interval,
            min_interval: intervals.min.min(interval),
            complete: self.counts.complete,
            incomplete: self.counts.incomplete,
            downloaded: self.counts.downloaded,
            outcome,
        }
    }

    fn tell(&self, up: &Upstream) -> Option<Peer> {
        let (_, peer) = self.sites.get(&up.site)?.peers.find(up.peer)?;
        Some(Peer {
            addr: up.addr.addr(),
            peer_id: Some(peer.id),
        })
    }

    /// The number of stripes, and the parents of a reply to a gateway with several parents. Stripes whose
    /// parent has nobody to tell come from the first that has.
    fn by_parent(
        &self,
        (id, at): (SiteId, Endpoint),
        upstream: &[Upstream],
        allowances: &[Allowance],
    ) -> (u8, Vec<Parent>) {
        if self.stripes.is_empty() || !self.is_planned_for(id, at) {
            return (1, Vec::new());
        }
        let (mut parents, mut orphans): (Vec<Parent>, Vec<u8>) = (Vec::new(), Vec::new());
        for (site, stripes) in self.parents(id, at) {
            let peers = upstream.iter().filter(|up| up.site == site);
            let peers: Vec<Peer> = peers.filter_map(|up| self.tell(up)).collect();
            let allowed = allowances.iter().find(|allowed| allowed.source == site);
            let Some(allowed) = allowed.filter(|_| !peers.is_empty()) else {
                orphans.extend(stripes);
                continue;
            };
            parents.push(Parent {
                site,
                rate: allowed.grant.rate,
                paused: allowed.grant.rate == Rate::ZERO,
                stripes,
                upstreams: peers,
            });
        }
        if parents.len() < 2 {
            return (1, Vec::new());
        }
        parents[0].stripes.extend(orphans);
        (u8::try_from(self.stripes.len()).unwrap_or(u8::MAX), parents)
    }
}

/// The rate of all flows together, and whether it is nothing at all. Who has several parents and is not told
/// which pieces come from which may fetch everything from any. Without a flow there is nothing to limit.
fn total(allowances: &[Allowance], parents: &[Parent]) -> (Rate, bool) {
    let mut rates = allowances.iter().map(|allowed| allowed.grant.rate);
    let rate = if parents.is_empty() {
        rates.min()
    } else {
        rates.by_ref().reduce(Rate::saturating_add)
    };
    let rate = rate.unwrap_or(Rate::UNLIMITED);
    (rate, rate == Rate::ZERO)
}

/// When one of so many leechers that may all be waiting is to come back in a swarm's youth.
fn hasty(policy: &crate::Policy, leechers: u32) -> Duration {
    let all = Duration::from_secs(leechers.into()) / policy.hasty_rate.max(1);
    all.max(policy.hasty)
}

/// The reply to a peer that has gone.
pub(crate) fn farewell(
    swarm: &Swarm,
    cx: &Context<'_>,
    site: SiteId,
    rng: &mut dyn Rng,
    outcome: Outcome,
) -> Decision {
    Decision {
        role: Role::Member,
        site,
        local: Vec::new(),
        upstream: Vec::new(),
        gateways: Vec::new(),
        lease: Duration::ZERO,
        rate: Rate::UNLIMITED,
        paused: false,
        slow_supply: false,
        dscp: None,
        stripes: 1,
        parents: Vec::new(),
        interval: jittered(cx.policy.intervals.leecher, rng),
        min_interval: cx.policy.intervals.min,
        complete: swarm.counts.complete,
        incomplete: swarm.counts.incomplete,
        downloaded: swarm.counts.downloaded,
        outcome,
    }
}
