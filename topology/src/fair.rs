//! Rule 10: fair shares of the links.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{Hop, Rate, Route, SiteMap};

/// Max-min fair shares of the present link rates for flows along these routes, in the order of the routes.
///
/// Progressive filling (Bertsekas & Gallager, Data Networks, 6.5.2): all rates grow together; a link that is
/// full stops the flows that cross it. A flow that meets no limited link is unlimited.
pub fn fair_rates(map: &SiteMap, at: Timestamp, routes: &[&Route]) -> Vec<Rate> {
    // per limited hop: what is left of its rate, and the flows that still grow
    let mut left: HashMap<Hop, (f64, Vec<usize>)> = HashMap::new();
    for (flow, route) in routes.iter().enumerate() {
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
    let mut rates = vec![Rate::UNLIMITED; routes.len()];
    let share = |(_, (rate, flows)): &(&Hop, &(f64, Vec<usize>))| rate / flows.len() as f64;
    loop {
        // the tightest link; of equal ones the first, so that rounding does not depend on the hash map's order
        let tightest = left
            .iter()
            .filter(|(_, (_, flows))| !flows.is_empty())
            .min_by(|a, b| share(a).total_cmp(&share(b)).then(a.0.cmp(b.0)))
            .map(|entry| (*entry.0, share(&entry)));
        let Some((hop, share)) = tightest else {
            return rates;
        };
        let stopped = left.remove(&hop).map_or(Vec::new(), |(_, flows)| flows);
        for flow in stopped {
            rates[flow] = Rate::of_f64(share);
            for other in routes[flow].hops.iter() {
                if let Some((rate, flows)) = left.get_mut(other) {
                    *rate = (*rate - share).max(0.0);
                    flows.retain(|f| *f != flow);
                }
            }
        }
    }
}
