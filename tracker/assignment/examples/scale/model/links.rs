//! What the links leave to each flow.

use narrows_topology::{Hop, LinkId, Route};

/// Every link in both directions: its rate and the bytes that crossed it.
#[derive(Debug)]
pub(crate) struct Links {
    /// Bytes per second.
    rates: Vec<f64>,
    pub(crate) crossed: Vec<f64>,
    /// What the flows of this step ask for, and how many they are.
    asked: Vec<f64>,
    left: Vec<f64>,
    growing: Vec<u32>,
}

/// A flow that wants up to `cap` bytes per second.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) site: usize,
    pub(crate) fetch: usize,
    pub(crate) route: Route,
    pub(crate) cap: f64,
    /// The bytes that its upstreams have and its site has not.
    pub(crate) room: f64,
    /// What it gets.
    pub(crate) rate: f64,
}

/// A hop as an index: twice the link, plus one if forward.
pub(crate) fn index(hop: Hop) -> usize {
    match hop.link {
        LinkId::Named(link) => 2 * link as usize + usize::from(hop.forward),
        // the map has none: unknown addresses are denied
        LinkId::Attached(_) => 0,
    }
}

impl Links {
    /// Of the links' rates, the same each way.
    pub(crate) fn new(links: impl Iterator<Item = f64>) -> Links {
        let rates: Vec<f64> = links.flat_map(|rate| [rate, rate]).collect();
        Links {
            crossed: vec![0.0; rates.len()],
            asked: vec![0.0; rates.len()],
            left: vec![0.0; rates.len()],
            growing: vec![0; rates.len()],
            rates,
        }
    }

    /// Sets each flow's rate: max-min fair by progressive filling, where only links that are asked for more
    /// than they carry matter.
    pub(crate) fn share(&mut self, flows: &mut [Flow]) {
        self.asked.fill(0.0);
        for flow in flows.iter_mut() {
            // one flow alone never gets more than its narrowest link
            let hops = flow.route.hops.iter();
            let narrowest = hops.map(|hop| self.rates[index(*hop)]).fold(f64::INFINITY, f64::min);
            flow.cap = flow.cap.min(narrowest);
            flow.rate = flow.cap;
            for hop in flow.route.hops.iter() {
                self.asked[index(*hop)] += flow.cap;
            }
        }
        self.left.copy_from_slice(&self.rates);
        self.growing.fill(0);
        let overloaded =
            |links: &Links, hop: Hop| links.asked[index(hop)] > links.rates[index(hop)] * 1.000_001;
        let mut open: Vec<usize> = Vec::new();
        for (n, flow) in flows.iter().enumerate() {
            if flow.route.hops.iter().any(|hop| overloaded(self, *hop)) {
                open.push(n);
                flow.route.hops.iter().for_each(|hop| self.growing[index(*hop)] += 1);
            } else {
                flow.route.hops.iter().for_each(|hop| self.left[index(*hop)] -= flow.cap);
            }
        }
        while !open.is_empty() {
            // all grow together until a link is full or a flow has what it asked for
            let level = |links: &Links, flow: &Flow| {
                let shares = flow.route.hops.iter().map(|hop| {
                    let hop = index(*hop);
                    links.left[hop].max(0.0) / f64::from(links.growing[hop].max(1))
                });
                shares.fold(flow.cap, f64::min)
            };
            let least = open.iter().map(|n| level(self, &flows[*n])).fold(f64::INFINITY, f64::min);
            let (stopped, grow): (Vec<usize>, Vec<usize>) =
                open.iter().partition(|n| level(self, &flows[**n]) <= least * 1.000_001);
            for n in stopped {
                let flow = &mut flows[n];
                flow.rate = least;
                for hop in flow.route.hops.iter() {
                    let hop = index(*hop);
                    self.left[hop] -= least;
                    self.growing[hop] -= 1;
                }
            }
            open = grow;
        }
    }
}
