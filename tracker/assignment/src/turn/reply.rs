//! What has been decided, as a reply.

use std::time::Duration;

use narrows_protocol::{Peer, Role};
use narrows_topology::Rate;

use super::Turn;
use crate::decision::Parent;
use crate::invariant::Broken;
use crate::rules::budget::{self, Allowance};
use crate::rules::intervals::jittered;
use crate::rules::{restart, service, stripes};
use crate::state::Swarm;
use crate::state::peer::{Class, NonSharing};
use crate::state::site::{Supply, Upstream};
use crate::state::view::View;
use crate::{Decision, Policy, dscp};

/// What has been decided for a peer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) role: Role,
    /// While the lease is being settled, when to come back at the latest, and not before.
    pub(super) wait: Option<Duration>,
    /// Come back after this, whatever the regular interval.
    pub(super) soon: Option<Duration>,
    pub(super) local: Vec<Peer>,
    pub(super) upstream: Vec<Upstream>,
}

impl Turn<'_> {
    pub(super) fn reply(&mut self, answer: Answer) -> Result<Decision, Broken> {
        let (at, now, cx) = (self.at, self.now, self.cx);
        let is_gateway = answer.role == Role::Gateway;
        let mut upstream = Vec::with_capacity(answer.upstream.len());
        upstream.extend(answer.upstream.iter().filter_map(|up| hand_out(self.swarm, up)));
        let allowances = if is_gateway && !upstream.is_empty() {
            self.allow()?
        } else {
            Vec::new()
        };
        let interval = self.interval(&answer, upstream.is_empty(), &allowances)?;
        if let Some(gateway) = self.gateway_mut()? {
            gateway.due = now + interval + cx.policy.gateways.late;
        }
        let view = self.view()?;
        let site = view.site;
        let (stripes, parents) = by_parent(&view, &answer.upstream, &allowances);
        let (rate, paused) = total(&allowances, &parents);
        // a peer that fetches for itself alone divides the pieces with no other
        let gateways = if site.is_each_alone() {
            Vec::new()
        } else {
            let keys = site.gateways.keys().filter(|key| site.leecher(**key).is_some());
            site.peers.addresses_for(keys.copied(), at)
        };
        let (is_starved, slow_supply) = (
            view.class.wants() && !is_fed(&view),
            is_gateway && site.seeder_speed.is_slow(),
        );
        let dscp = dscp::of(cx.map, site.dscp);
        self.outcome.starved = is_starved;
        self.outcome.local = u32::try_from(answer.local.len()).unwrap_or(u32::MAX);
        self.outcome.upstream = u32::try_from(upstream.len()).unwrap_or(u32::MAX);
        Ok(Decision {
            role: answer.role,
            local: answer.local,
            upstream,
            gateways,
            lease: if is_gateway {
                cx.policy.lease(cx.policy.intervals.gateway)
            } else {
                Duration::ZERO
            },
            rate,
            paused,
            slow_supply,
            dscp,
            stripes,
            parents,
            ..self.as_member(interval)
        })
    }

    /// When the peer is to come back.
    fn interval(
        &mut self,
        answer: &Answer,
        has_no_upstream: bool,
        allowances: &[Allowance],
    ) -> Result<Duration, Broken> {
        let policy = self.cx.policy;
        let intervals = &policy.intervals;
        let Turn { swarm, rng, .. } = self;
        let view = swarm.view(self.cx, (self.id, self.at), self.now)?;
        let (wants, is_fed) = (view.class.wants(), is_fed(&view));
        let is_seeder = matches!(
            view.class,
            Class::Seeder | Class::NonSharing(NonSharing::Complete)
        );
        let is_unmeasured =
            view.is_agent() && view.site.seeder_speed.is_unknown(&policy.supply, view.site.wanting());
        let mut interval = match answer.role {
            Role::Gateway if !has_no_upstream && view.is_agent() => {
                let longest = match service::is_in_doubt(&view) {
                    true => intervals.min,
                    false => intervals.gateway,
                };
                budget::attend(&view, allowances, longest, *rng)
            }
            role => {
                let regular = match role {
                    _ if is_seeder => intervals.seeder,
                    _ if !wants => intervals.leecher,
                    Role::Gateway if has_no_upstream => intervals.min,
                    Role::Gateway => intervals.gateway,
                    Role::Member if !is_fed || is_unmeasured => intervals.min,
                    // so many that not each of a large site comes at once
                    Role::Member if service::is_in_doubt(&view) => {
                        (intervals.min * (1 + view.site.wanting() / 100)).min(intervals.leecher)
                    }
                    Role::Member => intervals.leecher,
                };
                jittered(policy, regular, *rng)
            }
        };
        if let Some(within) = answer.wait {
            // not jittered, and not before the matter is settled
            interval = interval.min(within.max(policy.gateways.wait_min));
        }
        if let Some(soon) = answer.soon {
            interval = interval.min(soon);
        }
        if wants && !is_fed && has_no_upstream && restart::is_young(view.swarm, policy, view.now) {
            interval = interval.min(hasty(policy, policy.hasty, view.swarm.counts.incomplete));
        }
        if wants && !is_fed && has_no_upstream && view.swarm.awaits_plan() {
            interval = interval.min(hasty(policy, policy.planning.again, view.swarm.counts.incomplete));
        }
        Ok(interval)
    }

    /// Grants a gateway its part of the share of each flow that it uses. What it is granted counts until it
    /// announces again.
    fn allow(&mut self) -> Result<Vec<Allowance>, Broken> {
        let (cx, at, id, info_hash) = (self.cx, self.at, self.id, self.swarm.info_hash);
        let brakes = cx.ledger.brakes();
        for flow in &mut self.site_mut()?.flows {
            let braked = brakes.stop(cx.map, &info_hash, (flow.source, id), &flow.route);
            if flow.braked != braked {
                flow.braked = braked;
                cx.ledger.set_braked(flow.id, braked);
            }
        }
        let view = self.view()?;
        for flow in view.used_flows() {
            cx.ledger.set_cap(flow.id, budget::cap(&view, flow));
        }
        let allowances = view.used_flows().map(|flow| Allowance {
            source: flow.source,
            grant: cx.ledger.grant(&cx.links(), flow.id, at, service::sharers(&view, flow)),
        });
        Ok(allowances.collect())
    }

    /// The reply to a peer that has gone.
    pub(super) fn farewell(&mut self) -> Decision {
        let leecher = self.cx.policy.intervals.leecher;
        let interval = jittered(self.cx.policy, leecher, self.rng);
        Decision {
            min_interval: self.cx.policy.intervals.min,
            dscp: None,
            ..self.as_member(interval)
        }
    }

    /// The reply where an invariant is broken: the peer is a member that is to come back soon. What leads to
    /// a record that is not there goes, so that its next announce makes a new one.
    pub(super) fn fall_back(&mut self, broken: Broken) -> Decision {
        self.swarm.faults.note(broken);
        self.forget_place();
        let min = self.cx.policy.intervals.min;
        let interval = jittered(self.cx.policy, min, self.rng);
        self.as_member(interval)
    }

    /// A reply to a member that is handed no peer.
    fn as_member(&mut self, interval: Duration) -> Decision {
        let counts = self.swarm.counts;
        Decision {
            role: Role::Member,
            site: self.id,
            local: Vec::new(),
            upstream: Vec::new(),
            gateways: Vec::new(),
            lease: Duration::ZERO,
            rate: Rate::UNLIMITED,
            paused: false,
            slow_supply: false,
            dscp: self.cx.map.dscp_default(),
            stripes: 1,
            parents: Vec::new(),
            interval,
            min_interval: self.cx.policy.intervals.min.min(interval),
            complete: counts.complete,
            incomplete: counts.incomplete,
            downloaded: counts.downloaded,
            outcome: std::mem::take(&mut self.outcome),
        }
    }
}

/// Whether a peer's site is supplied, or a gateway there was handed an upstream.
fn is_fed(view: &View<'_>) -> bool {
    view.site.supply == Supply::Supplied || view.site.is_fed()
}

/// An upstream as a reply has it.
fn hand_out(swarm: &Swarm, up: &Upstream) -> Option<Peer> {
    let (_, peer) = swarm.sites.get(&up.site)?.peers.find(up.peer)?;
    Some(Peer {
        addr: up.addr.addr(),
        peer_id: Some(peer.id),
    })
}

/// The number of stripes, and what a gateway with several parents fetches from each. Stripes whose parent has
/// no peer to hand out come from the first that has.
fn by_parent(view: &View<'_>, upstream: &[Upstream], allowances: &[Allowance]) -> (u8, Vec<Parent>) {
    let all = &view.swarm.stripes;
    if all.is_empty() || !stripes::is_planned_for(view) {
        return (1, Vec::new());
    }
    let (mut parents, mut orphans): (Vec<Parent>, Vec<u8>) = (Vec::new(), Vec::new());
    for (site, stripes) in stripes::parents(view) {
        let peers = upstream.iter().filter(|up| up.site == site);
        let peers: Vec<Peer> = peers.filter_map(|up| hand_out(view.swarm, up)).collect();
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
    (u8::try_from(all.forests.len()).unwrap_or(u8::MAX), parents)
}

/// The rate of all flows together, and whether it is nothing at all. A gateway that has several parents and
/// is not told which pieces come from which may fetch everything from any. Without a flow there is nothing to
/// limit.
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

/// When one of so many leechers that may all be waiting is to come back, at the soonest after `least`.
fn hasty(policy: &Policy, least: Duration, leechers: u32) -> Duration {
    let all = Duration::from_secs(leechers.into()) / policy.hasty_rate.max(1);
    all.max(least)
}
