//! Rule 8: nobody starves.
//!
//! A leecher whose `left` has not moved for two announces, or that says it is stalled, climbs a step at each
//! further such announce: 1 other peers (locals; for a gateway, upstreams), 2 a gateway of its own, 3 the
//! seeders of a root site. A member that is stalled, was handed its whole site (one peer of each address), and whose
//! gateways have had the time of their first pieces climbs to the second step at once. At progress it goes one step back; an extra
//! gateway does so when most of the progress came from its own site, since otherwise it would starve again without
//! its upstream. A gateway to which a root site brought something stays there for minutes, if its parent never brought
//! anything or was left so a short time ago already: it may only say that it has something.
//!
//! A peer is excused where others are responsible: a gateway whose link is paused or braked, or whose
//! upstreams hold no more than itself, a member in a site where no peer holds more than itself and the
//! gateway is in office and may still bring something.

use super::{budget, neighbours, service};
use crate::endpoint::Endpoint;
use crate::policy::StarvationPolicy;
use crate::state::peer::{Class, Peer};
use crate::state::site::{Gateway, Supply};
use crate::state::view::View;

/// Where a leecher stands, and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Its step, and announces in a row without progress.
    pub(crate) step: u8,
    pub(crate) still: u8,
    /// What it lacked at its last announce, and now.
    pub(crate) left_before: u64,
    pub(crate) left: u64,
    /// What crossed links for it since it last moved.
    pub(crate) fetched_across: u64,
    /// It was not judged just now.
    pub(crate) is_due: bool,
    /// It says that it is stalled.
    pub(crate) stalled: bool,
    /// What the first step would give it is no help, see [`is_past_neighbours`].
    pub(crate) is_past_neighbours: bool,
    /// It could not have come on, or others are responsible.
    pub(crate) is_excused: bool,
    /// It is a gateway of the ladder.
    pub(crate) is_extra: bool,
}

/// Where a leecher stands from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Judgement {
    pub(crate) step: u8,
    pub(crate) still: u8,
    /// It has been looked at: the next judgement counts from now on.
    pub(crate) judged: bool,
    /// It climbed.
    pub(crate) escalated: bool,
}

/// Compares a leecher with what it was at its last announce.
pub(crate) fn judge(policy: &StarvationPolicy, facts: Facts) -> Judgement {
    let Facts { step, still, .. } = facts;
    if facts.left < facts.left_before {
        // what was received is verified later, so the two are compared with a wide margin
        let is_local = (facts.left_before - facts.left) / policy.verified > facts.fetched_across;
        let steps_back = step > 0 && (!facts.is_extra || step > policy.gateway_step || is_local);
        return Judgement {
            step: step - u8::from(steps_back),
            still: 0,
            judged: true,
            escalated: false,
        };
    }
    if !facts.is_due {
        return Judgement {
            step,
            still,
            judged: false,
            escalated: false,
        };
    }
    let still = still.saturating_add(1);
    let climbs = !facts.is_excused && (still >= policy.still || facts.stalled);
    let next = match facts.stalled && facts.is_past_neighbours {
        true => policy.gateway_step.max(step + 1),
        false => step + 1,
    };
    Judgement {
        step: if climbs { next.min(policy.top) } else { step },
        still: if facts.is_excused { still.min(1) } else { still },
        judged: true,
        escalated: climbs && step < policy.top,
    }
}

/// Whether, by their numbers, no peer holds anything while this one's site waits. Then the numbers may be
/// wrong (clients that resume with equal parts of a content whose size is unknown), so that every peer may
/// fetch from every other.
pub(crate) fn assumes_data(view: &View<'_>) -> bool {
    let swarm = view.swarm;
    let nothing_planned = swarm.root.is_none() && swarm.forest.is_empty();
    let is_seeded = || swarm.sites.values().any(|site| site.peers.count(Class::Seeder) > 0);
    view.peer.still >= 1
        && nothing_planned
        && !swarm.assume_data
        && view.site.supply == Supply::Waiting
        && !swarm.knows_size()
        && !is_seeded()
}

/// Whether a leecher could not have come on, or others are responsible.
pub(crate) fn is_excused(view: &View<'_>) -> bool {
    let (site, peer) = (view.site, view.peer);
    if let Some(gateway) = view.gateway() {
        let has_more = gateway.upstreams.iter().any(|up| {
            // a record that says nothing may hold anything
            view.find(up.site, up.peer).is_some_and(|(class, other)| {
                class == Class::Seeder || (class.shares() && has_more(other, peer))
            })
        });
        return !has_more || !budget::may_fetch(view);
    }
    if site.supply == Supply::Supplied || site.peers.best().is_some_and(|(best, _)| best < peer.left) {
        return false;
    }
    let policy = view.cx.policy;
    let lease = policy.lease(policy.intervals.gateway);
    let is_overdue = |gateway: &Gateway| gateway.is_overdue(lease, view.now);
    let brings = |(at, gateway): (&Endpoint, &Gateway)| !service::has_failed(view, *at, gateway);
    !site.gateways.values().any(is_overdue) && (site.gateways.is_empty() || site.gateways.iter().any(brings))
}

/// Whether other neighbours can be no help to a member: it was handed its whole site
/// (one peer of each address there), and no gateway may still
/// bring its first pieces.
pub(crate) fn is_past_neighbours(view: &View<'_>) -> bool {
    let site = view.site;
    view.gateway().is_none()
        && site.gateways.iter().all(|(at, gateway)| service::has_failed_all(view, *at, gateway))
        && neighbours::has_all(view)
}

fn has_more(other: &Peer, than: &Peer) -> bool {
    other.left < than.left || (other.left == u64::MAX && than.left == u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts {
        step: 0,
        still: 0,
        left_before: 1000,
        left: 1000,
        fetched_across: 0,
        is_due: true,
        stalled: false,
        is_past_neighbours: false,
        is_excused: false,
        is_extra: false,
    };

    /// Step, announces without progress, and whether it climbed.
    fn judged(facts: Facts) -> (u8, u8, bool) {
        let judged = judge(&StarvationPolicy::default(), facts);
        (judged.step, judged.still, judged.escalated)
    }

    #[test]
    fn a_leecher_climbs_with_its_second_announce_without_progress_and_with_each_further_one_up_to_the_top() {
        let (mut facts, mut seen) = (FACTS, Vec::new());
        for _ in 0..5 {
            let (step, still, escalated) = judged(facts);
            seen.push((step, escalated));
            facts = Facts { step, still, ..facts };
        }
        assert_eq!(seen, [(0, false), (1, true), (2, true), (3, true), (3, false)]);
    }

    #[test]
    fn one_that_says_it_is_stalled_climbs_at_once_and_one_that_was_just_judged_does_not() {
        let stalled = Facts {
            stalled: true,
            ..FACTS
        };
        assert_eq!(judged(stalled), (1, 1, true));
        assert_eq!(
            judged(Facts {
                is_due: false,
                ..stalled
            }),
            (0, 0, false)
        );
    }

    #[test]
    fn one_that_is_stalled_and_can_get_no_help_from_neighbours_climbs_past_them() {
        let stalled = Facts {
            stalled: true,
            is_past_neighbours: true,
            ..FACTS
        };
        assert_eq!(judged(stalled), (2, 1, true));
        assert_eq!(judged(Facts { step: 1, ..stalled }), (2, 1, true));
        assert_eq!(judged(Facts { step: 2, ..stalled }), (3, 1, true));
        // it does not say so: the first step may help
        let silent = Facts {
            stalled: false,
            still: 1,
            ..stalled
        };
        assert_eq!(judged(silent), (1, 2, true));
    }

    #[test]
    fn an_excused_one_stays_where_it_is() {
        let excused = Facts {
            step: 1,
            still: 7,
            stalled: true,
            is_excused: true,
            ..FACTS
        };
        assert_eq!(judged(excused), (1, 1, false));
    }

    #[test]
    fn progress_leads_a_step_back_and_an_extra_gateway_only_if_most_of_it_came_from_its_own_site() {
        let moved = Facts {
            step: 2,
            still: 3,
            left: 0,
            ..FACTS
        };
        assert_eq!(judged(moved), (1, 0, false));
        let extra = Facts {
            is_extra: true,
            ..moved
        };
        assert_eq!(judged(extra), (1, 0, false));
        let across = Facts {
            fetched_across: 500,
            ..extra
        };
        assert_eq!(judged(across), (2, 0, false));
        // from a root site's seeders it steps back to its own in any case
        assert_eq!(judged(Facts { step: 3, ..across }), (2, 0, false));
    }
}
