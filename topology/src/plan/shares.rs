//! Max-min fair rates of many flows, some of which get no more than their parent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A flow that grows.
pub(super) struct Flow<'p> {
    pub(super) path: &'p [usize],
    /// How many such flows there are side by side.
    pub(super) copies: f64,
    /// The flow that this one cannot be faster than, by its place in the list.
    pub(super) behind: Option<usize>,
}

/// What each flow gets, and the hop that limits it or the one that it is behind; `None`: the cap of all.
///
/// Progressive filling as in [`crate::fair_rates`]: all rates grow together from 0, so a flow that is behind
/// another stops with it. A heap of the levels at which hops are full makes it n log n.
pub(super) fn shares(capacity: &[f64], flows: &[Flow<'_>], cap: f64) -> Vec<(f64, Option<usize>)> {
    struct Hop {
        left: f64,
        growing: f64,
        version: u32,
        flows: Vec<usize>,
    }
    let mut hops: Vec<Hop> = capacity
        .iter()
        .map(|left| Hop {
            left: *left,
            growing: 0.0,
            version: 0,
            flows: Vec::new(),
        })
        .collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); flows.len()];
    for (i, flow) in flows.iter().enumerate() {
        for hop in flow.path {
            hops[*hop].growing += flow.copies;
            hops[*hop].flows.push(i);
        }
        if let Some(before) = flow.behind {
            behind[before].push(i);
        }
    }
    let mut result: Vec<Option<(f64, Option<usize>)>> = vec![None; flows.len()];
    // positive floats are ordered as their bits are
    let key = |hop: &Hop| (hop.left.max(0.0) / hop.growing).to_bits();
    let mut queue: BinaryHeap<Reverse<(u64, usize, u32)>> = BinaryHeap::new();
    for (i, hop) in hops.iter().enumerate().filter(|(_, hop)| hop.growing > 0.0 && hop.left.is_finite()) {
        queue.push(Reverse((key(hop), i, 0)));
    }
    while let Some(Reverse((level, full, version))) = queue.pop() {
        let level = f64::from_bits(level);
        if hops[full].version != version {
            continue;
        }
        if level >= cap {
            break;
        }
        let mut stopping = std::mem::take(&mut hops[full].flows);
        let mut touched = Vec::new();
        while let Some(flow) = stopping.pop() {
            if result[flow].is_some() {
                continue;
            }
            result[flow] = Some((level, Some(full)));
            for hop in flows[flow].path {
                let (copies, hop_of) = (flows[flow].copies, &mut hops[*hop]);
                hop_of.left -= copies * level;
                hop_of.growing -= copies;
                hop_of.version += 1;
                touched.push(*hop);
            }
            stopping.append(&mut behind[flow]);
        }
        touched.sort_unstable();
        touched.dedup();
        for i in touched {
            // counts are whole numbers
            if hops[i].growing > 0.5 && hops[i].left.is_finite() {
                queue.push(Reverse((key(&hops[i]), i, hops[i].version)));
            }
        }
    }
    result.into_iter().map(|rate| rate.unwrap_or((cap, None))).collect()
}
