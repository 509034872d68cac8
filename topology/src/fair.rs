//! Rule 10, rates: fair shares of the links.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::RandomState;
use jiff::Timestamp;

use crate::{Hop, Rate, Route, SiteMap};

/// Max-min fair shares of the present link rates for flows along these routes, in their order. Each flow wants
/// no more than the rate beside its route, for example what arrives at its parent; what it leaves goes to the
/// others. A flow that meets no limited link gets all that it wants.
///
/// Progressive filling (Bertsekas & Gallager, Data Networks, 6.5.2): all rates grow together; a link that is
/// full stops the flows that cross it. A heap of the links by their present share makes it n log n in the hops
/// of all flows.
pub fn fair_rates(map: &SiteMap, at: Timestamp, flows: &[(&Route, Rate)]) -> Vec<Rate> {
    let mut links = Links::of(map, at, flows);
    let mut rates: Vec<Option<Rate>> = vec![None; flows.len()];
    // the modest first
    let mut by_cap: Vec<usize> = (0..flows.len()).collect();
    by_cap.sort_by_key(|flow| flows[*flow].1);
    let mut by_cap = by_cap.into_iter().peekable();
    let mut touched = Vec::new();
    loop {
        while by_cap.next_if(|flow| rates[*flow].is_some()).is_some() {}
        let modest = by_cap.peek().map(|flow| (*flow, flows[*flow].1.as_f64()));
        let (stopped, rate) = match (links.tightest(), modest) {
            (None, None) => break,
            (Some((_, share)), Some((flow, cap))) if cap <= share => (vec![flow], cap),
            (None, Some((flow, cap))) => (vec![flow], cap),
            (Some((link, share)), _) => (std::mem::take(&mut links.links[link].flows), share),
        };
        for flow in stopped {
            if rates[flow].is_none() {
                rates[flow] = Some(Rate::of_f64(rate));
                links.stop(flow, rate, &mut touched);
            }
        }
        links.requeue(&mut touched);
    }
    rates.into_iter().map(|rate| rate.unwrap_or(Rate::UNLIMITED)).collect()
}

/// A limited hop that flows cross.
struct Link {
    hop: Hop,
    /// What is left of its rate, in bytes per second.
    left: f64,
    /// How many of its flows still grow.
    growing: usize,
    /// All its flows, also those that have stopped.
    flows: Vec<usize>,
    /// Counts its changes: older entries of the queue are void.
    version: u32,
}

/// The limited hops, by what each of their growing flows would get.
struct Links {
    links: Vec<Link>,
    /// The links of flow `i` are `crossed[ends[i]..ends[i + 1]]`.
    crossed: Vec<usize>,
    ends: Vec<usize>,
    /// (share, hop, link, version). Of equal shares the first hop, so that rounding does not depend on the order of a
    /// hash map. Shares are not negative, and such floats are ordered as their bits are.
    queue: BinaryHeap<Reverse<(u64, Hop, usize, u32)>>,
}

impl Links {
    fn of(map: &SiteMap, at: Timestamp, flows: &[(&Route, Rate)]) -> Links {
        let mut links: Vec<Link> = Vec::new();
        let rates = map.rates(at);
        // `None`: unlimited
        let mut numbers: HashMap<Hop, Option<usize>, RandomState> = HashMap::default();
        let (mut crossed, mut ends) = (Vec::new(), vec![0]);
        for (flow, (route, _)) in flows.iter().enumerate() {
            for hop in route.hops.iter() {
                let number = *numbers.entry(*hop).or_insert_with(|| {
                    let rate = rates(*hop);
                    (!rate.is_unlimited()).then(|| {
                        links.push(Link {
                            hop: *hop,
                            left: rate.as_f64(),
                            growing: 0,
                            flows: Vec::new(),
                            version: 0,
                        });
                        links.len() - 1
                    })
                });
                if let Some(number) = number {
                    links[number].growing += 1;
                    links[number].flows.push(flow);
                    crossed.push(number);
                }
            }
            ends.push(crossed.len());
        }
        let queue = links.iter().enumerate().map(|(i, link)| link.entry(i)).collect();
        Links {
            links,
            crossed,
            ends,
            queue,
        }
    }

    /// The link whose growing flows would get least, and how much.
    fn tightest(&mut self) -> Option<(usize, f64)> {
        while let Some(Reverse((share, _, link, version))) = self.queue.peek() {
            if self.links[*link].version == *version {
                return Some((*link, f64::from_bits(*share)));
            }
            self.queue.pop();
        }
        None
    }

    /// A flow has its rate, which its links no longer have for others.
    fn stop(&mut self, flow: usize, rate: f64, touched: &mut Vec<usize>) {
        for number in &self.crossed[self.ends[flow]..self.ends[flow + 1]] {
            let link = &mut self.links[*number];
            link.left = (link.left - rate).max(0.0);
            link.growing -= 1;
            link.version += 1;
            touched.push(*number);
        }
    }

    /// Queues links anew that have changed, once each however many of their flows stopped.
    fn requeue(&mut self, touched: &mut Vec<usize>) {
        touched.sort_unstable();
        touched.dedup();
        for number in touched.drain(..) {
            let link = &self.links[number];
            if link.growing > 0 {
                self.queue.push(link.entry(number));
            }
        }
    }
}

impl Link {
    fn entry(&self, number: usize) -> Reverse<(u64, Hop, usize, u32)> {
        let share = self.left / self.growing as f64;
        Reverse((share.to_bits(), self.hop, number, self.version))
    }
}
