//! What each flow is to have of its links, and what that follows from.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use narrows_topology::{Hop, Rate, Route, fair_rates};

use super::Links;

/// A flow that is to have a share.
pub(super) struct Wanting {
    pub(super) slot: usize,
    pub(super) route: Route,
    pub(super) weight: u32,
    pub(super) cap: Rate,
}

/// What each flow is to have of its links.
pub(super) struct Shares {
    /// In the order of the flows.
    pub(super) rates: Vec<Rate>,
    pub(super) basis: Basis,
}

/// All that shares follow from: while it is the same, so are they.
#[derive(Debug)]
pub(super) struct Basis {
    /// How often the flows had changed.
    pub(super) changes: u64,
    /// The links that flows cross. Of a site map nothing else counts.
    links: Vec<(Hop, Rate)>,
    backwards: f64,
}

impl Basis {
    /// Whether the links are as they were.
    pub(super) fn holds(&self, links: &Links<'_>) -> bool {
        let rates = links.map.rates(links.at);
        self.backwards == links.policy.backwards && self.links.iter().all(|(hop, rate)| rates(*hop) == *rate)
    }
}

impl Shares {
    /// Of flows that had changed so often.
    pub(super) fn new(links: &Links<'_>, wanting: &[Wanting], changes: u64) -> Shares {
        // each stripe is a flow of its own
        let stripes = |flow: &Wanting| {
            let cap = flow.cap.share(flow.weight);
            (0..flow.weight).map(move |_| cap)
        };
        let flows: Vec<(&Route, Rate)> =
            wanting.iter().flat_map(|flow| stripes(flow).map(|cap| (&flow.route, cap))).collect();
        let mut shares = fair_rates(links.map, links.at, &flows);
        let crossed = leave_room(links, &flows, &mut shares);
        let mut shares = shares.into_iter();
        let parts = wanting.iter().map(|flow| {
            let parts = shares.by_ref().take(flow.weight as usize);
            parts.reduce(Rate::saturating_add).unwrap_or(Rate::ZERO)
        });
        Shares {
            rates: parts.collect(),
            basis: Basis {
                changes,
                links: crossed,
                backwards: links.policy.backwards,
            },
        }
    }
}

/// Where flows cross a link both ways, leaves room for what each of them sends against its direction. Without
/// it such a link is offered more than its rate, its queues stay full, and a queue that drops requests costs
/// more than they take. Returns the links that flows cross.
fn leave_room(links: &Links<'_>, flows: &[(&Route, Rate)], shares: &mut [Rate]) -> Vec<(Hop, Rate)> {
    let mut sums: HashMap<Hop, u64, RandomState> = HashMap::default();
    for ((route, _), share) in flows.iter().zip(&*shares) {
        for hop in route.hops.iter() {
            let sum = sums.entry(*hop).or_default();
            *sum = sum.saturating_add(share.bytes_per_second().unwrap_or(0));
        }
    }
    let rates = links.map.rates(links.at);
    let crossed: Vec<(Hop, Rate)> = sums.keys().map(|hop| (*hop, rates(*hop))).collect();
    let tight: HashMap<Hop, f64, RandomState> = crossed
        .iter()
        .filter_map(|(hop, rate)| {
            let rate = rate.bytes_per_second().filter(|rate| *rate > 0)?;
            let (there, back) = (*sums.get(hop)? as f64, *sums.get(&hop.reversed())? as f64);
            let room = (rate as f64 - links.policy.backwards * back) / there;
            (room < 1.0).then_some((*hop, room))
        })
        .collect();
    if tight.is_empty() {
        return crossed;
    }
    for ((route, _), share) in flows.iter().zip(shares) {
        let room = route.hops.iter().filter_map(|hop| tight.get(hop).copied());
        let least = room.fold(1.0, f64::min);
        if least < 1.0 {
            let bytes = share.bytes_per_second().map(|bytes| (bytes as f64 * least) as u64);
            *share = bytes.map_or(Rate::UNLIMITED, Rate::from_bytes_per_second);
        }
    }
    crossed
}
