//! Rule 10: fair shares of the links.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{Hop, Rate, Route, SiteMap};

/// Max-min fair shares of the present link rates for flows along these routes, in the order of the routes.
///
/// Progressive filling (Bertsekas & Gallager, Data Networks, 6.5.2): all rates grow together; a link that is
/// full stops the flows that cross it. A flow that meets no limited link is unlimited.
pub fn fair_rates(map: &SiteMap, at: Timestamp, routes: &[&Route]) -> Vec<Rate> {
    let flows: Vec<(&Route, Rate)> = routes.iter().map(|route| (*route, Rate::UNLIMITED)).collect();
    fair_rates_capped(map, at, &flows)
}

/// As [`fair_rates`], where each flow wants no more than the rate beside its route, for example what arrives at
/// its parent; what it leaves goes to the others.
pub fn fair_rates_capped(map: &SiteMap, at: Timestamp, flows: &[(&Route, Rate)]) -> Vec<Rate> {
    // per limited hop: what is left of its rate, and the flows that still grow
    let mut left: HashMap<Hop, (f64, Vec<usize>)> = HashMap::new();
    for (flow, (route, _)) in flows.iter().enumerate() {
        for hop in route.hops.iter() {
            let rate = map.rate(*hop, at);
            if !rate.is_unlimited() {
                left.entry(*hop)
                    .or_insert_with(|| (rate.as_f64(), Vec::new()))
                    .1
                    .push(flow);
            }
        }
    }
    let mut rates: Vec<Option<Rate>> = vec![None; flows.len()];
    // the modest first
    let mut by_cap: Vec<usize> = (0..flows.len()).collect();
    by_cap.sort_by_key(|flow| flows[*flow].1);
    let mut by_cap = by_cap.into_iter().peekable();
    let share = |(_, (rate, flows)): &(&Hop, &(f64, Vec<usize>))| rate / flows.len() as f64;
    loop {
        // the tightest link; of equal ones the first, so that rounding does not depend on the hash map's order
        let tightest = left
            .iter()
            .filter(|(_, (_, flows))| !flows.is_empty())
            .min_by(|a, b| share(a).total_cmp(&share(b)).then(a.0.cmp(b.0)))
            .map(|entry| (*entry.0, share(&entry)));
        while by_cap.next_if(|flow| rates[*flow].is_some()).is_some() {}
        let modest = by_cap.peek().map(|flow| (*flow, flows[*flow].1));
        let (stopped, rate) = match (tightest, modest) {
            (None, None) => break,
            (Some((_, share)), Some((flow, cap))) if cap.as_f64() <= share => (vec![flow], cap.as_f64()),
            (None, Some((flow, cap))) => (vec![flow], cap.as_f64()),
            (Some((hop, share)), _) => (left.remove(&hop).map_or(Vec::new(), |(_, flows)| flows), share),
        };
        for flow in stopped {
            rates[flow] = Some(Rate::of_f64(rate));
            for other in flows[flow].0.hops.iter() {
                if let Some((left, growing)) = left.get_mut(other) {
                    *left = (*left - rate).max(0.0);
                    growing.retain(|f| *f != flow);
                }
            }
        }
    }
    rates
        .into_iter()
        .map(|rate| rate.unwrap_or(Rate::UNLIMITED))
        .collect()
}
