//! How fast links are used. Agents report bytes now and then, so each report is spread over the time since
//! the agent's last one, and until the next one the agent is taken to go on as it did. Pure: time is passed
//! in.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use crate::metrics::labels::Direction;

/// Seconds over which use is averaged.
const WINDOW: usize = 20;

/// For so long after a report its rate is taken to go on: gateways report each 30 s, jittered by 10 %.
const AHEAD: f64 = 35.0;

/// Most agents whose last report is remembered; the reports of others are spread over the window.
const MAX_FLOWS: usize = 20_000;

/// The use of all links; `F`: what tells one agent's fetching of one content from others.
pub(crate) struct LinkUse<F> {
    flows: HashMap<F, Flow>,
    /// Of each direction the bytes of the last seconds by second.
    past: BTreeMap<Direction, Seconds>,
}

/// What an agent does since its last report.
struct Flow {
    at: f64,
    /// Bytes per second.
    rates: Vec<(Direction, f64)>,
}

/// Bytes by second; the first is that of the second `first`.
#[derive(Default)]
struct Seconds {
    first: u64,
    bytes: VecDeque<f64>,
}

impl<F> Default for LinkUse<F> {
    fn default() -> Self {
        Self {
            flows: HashMap::new(),
            past: BTreeMap::new(),
        }
    }
}

impl<F: Eq + Hash> LinkUse<F> {
    /// An agent has reported bytes that crossed links since its last report; `goes_on`: it may fetch more.
    pub(crate) fn report(&mut self, flow: F, now: Duration, bytes: &[(Direction, u64)], goes_on: bool) {
        let now = now.as_secs_f64();
        if self.flows.len() >= MAX_FLOWS {
            self.flows.retain(|_, flow| now - flow.at < AHEAD);
        }
        let last = self.flows.remove(&flow);
        let since = last.map_or(now - WINDOW as f64, |last| last.at).max(0.0);
        let span = (now - since).max(0.001);
        let mut rates: Vec<(Direction, f64)> = Vec::new();
        for (direction, bytes) in bytes {
            let rate = *bytes as f64 / span;
            let past = self.past.entry(direction.clone()).or_default();
            past.add(now - span, now, rate);
            match rates.iter_mut().find(|(other, _)| other == direction) {
                Some((_, sum)) => *sum += rate,
                None => rates.push((direction.clone(), rate)),
            }
        }
        if goes_on && self.flows.len() < MAX_FLOWS {
            self.flows.insert(flow, Flow { at: now, rates });
        }
    }

    /// Bytes per second towards an end of each link, over the last seconds.
    pub(crate) fn used(&self, now: Duration) -> BTreeMap<Direction, f64> {
        let until = now.as_secs_f64().floor();
        let from = until - WINDOW as f64;
        let mut used: BTreeMap<Direction, f64> = BTreeMap::new();
        for (direction, past) in &self.past {
            used.insert(direction.clone(), past.sum(from, until));
        }
        for flow in self.flows.values() {
            let overlap = until.min(flow.at + AHEAD) - from.max(flow.at);
            for (direction, rate) in &flow.rates {
                *used.entry(direction.clone()).or_default() += rate * overlap.max(0.0);
            }
        }
        // a tracker that has only just started knows less
        let known = until.clamp(1.0, WINDOW as f64);
        used.values_mut().for_each(|bytes| *bytes /= known);
        used
    }
}

impl Seconds {
    /// Adds a rate from a time until now, as far as it is within what is kept.
    fn add(&mut self, from: f64, now: f64, rate: f64) {
        let newest = now as u64;
        // one second more than the window: the present one is not over
        let oldest = newest.saturating_sub(WINDOW as u64);
        while self.first < oldest && self.bytes.pop_front().is_some() {
            self.first += 1;
        }
        if self.bytes.is_empty() {
            self.first = oldest;
        }
        let length = (newest.saturating_sub(self.first) + 1) as usize;
        if self.bytes.len() < length {
            self.bytes.resize(length, 0.0);
        }
        for (second, bytes) in (self.first..).zip(&mut self.bytes) {
            let second = second as f64;
            *bytes += rate * ((second + 1.0).min(now) - second.max(from)).max(0.0);
        }
    }

    fn sum(&self, from: f64, until: f64) -> f64 {
        let seconds = (self.first..).zip(&self.bytes);
        let within = seconds.filter(|(second, _)| *second as f64 >= from && (*second as f64) < until);
        within.map(|(_, bytes)| bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn east() -> Direction {
        ("hq-b1".to_owned(), "b1".to_owned())
    }

    fn used(links: &LinkUse<usize>, now: f64) -> f64 {
        let all = links.used(Duration::from_secs_f64(now));
        all.get(&east()).copied().unwrap_or(0.0)
    }

    /// A block: agents count what they have received by these.
    const BLOCK: f64 = 16384.0;

    proptest! {
        #[test]
        fn on_a_flat_wire_the_use_is_flat_whenever_agents_report(
            gaps in prop::collection::vec(prop::collection::vec(10.0..30.0f64, 12), 1..4),
            rate in 125_000.0..12_500_000.0f64,
        ) {
            let mut reports = Vec::new();
            for (agent, gaps) in gaps.iter().enumerate() {
                let mut at = 0.0;
                reports.push((at, agent, 0));
                for gap in gaps {
                    let blocks = |time: f64| (rate * time / BLOCK).floor() * BLOCK;
                    reports.push((at + gap, agent, (blocks(at + gap) - blocks(at)) as u64));
                    at += gap;
                }
            }
            reports.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (mut links, mut reports) = (LinkUse::default(), reports.into_iter().peekable());
            let wire = rate * gaps.len() as f64;
            for second in 0..120 {
                let now = f64::from(second) + 0.5;
                while let Some((at, agent, bytes)) = reports.next_if(|report| report.0 <= now) {
                    links.report(agent, Duration::from_secs_f64(at), &[(east(), bytes)], true);
                }
                // each has reported once by then, and the window has passed
                if second >= 55 {
                    let shown = used(&links, now);
                    prop_assert!((shown / wire - 1.0).abs() < 0.05, "{second} s: {shown} of {wire}");
                }
            }
        }
    }

    #[test]
    fn an_agent_that_stops_or_is_heard_of_no_more_uses_nothing_after_a_while() {
        let mut links = LinkUse::default();
        let at = Duration::from_secs;
        for agent in [1, 2] {
            links.report(agent, at(100), &[], true);
            links.report(agent, at(130), &[(east(), 30_000)], true);
        }
        assert!((used(&links, 130.0) - 2000.0).abs() < 1.0);
        // the second one stops, the first one is silent
        links.report(2, at(140), &[(east(), 10_000)], false);
        assert!((used(&links, 160.0) - 1000.0).abs() < 1.0);
        assert_eq!(used(&links, 190.0), 0.0);
    }

    #[test]
    fn a_report_after_a_long_silence_is_no_peak() {
        let mut links = LinkUse::default();
        links.report(1, Duration::from_secs(100), &[], true);
        links.report(1, Duration::from_secs(400), &[(east(), 300_000)], true);
        assert!((used(&links, 400.0) - 1000.0).abs() < 1.0);
    }
}
