//! What a link did carry: against its rate, and after each change of that. Pure.

use narrows_topology::Rate;

use super::Change;
use super::rates::Step;
use crate::timeline::Sample;
use crate::values::round;

/// After a fall of the rate, the load has so many seconds to follow before it is judged by the new one.
const GRACE: f64 = 30.0;

/// A load of this part of the rate fills the link.
const FULL: f64 = 0.95;

/// Less than this part of what flowed before is nothing: announces, keep-alives, acknowledgements.
const QUIET: f64 = 0.02;

/// Nor is less than this, in bytes per second.
const LEAST: f64 = 4000.0;

/// The counter of one link and direction over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Track {
    points: Vec<(f64, f64)>,
}

impl Track {
    pub(crate) fn new(samples: &[Sample], link: usize) -> Track {
        let point = |sample: &Sample| Some((sample.at, *sample.link_bytes.get(link)? as f64));
        Track {
            points: samples.iter().filter_map(point).collect(),
        }
    }

    /// Bytes until then, between two samples in proportion.
    pub(crate) fn bytes(&self, at: f64) -> f64 {
        let next = self.points.partition_point(|(then, _)| *then < at);
        let (after, before) = (
            self.points.get(next),
            next.checked_sub(1).and_then(|i| self.points.get(i)),
        );
        match (before, after) {
            (Some((from, a)), Some((to, b))) => a + (b - a) * (at - from) / (to - from).max(1e-9),
            (Some((_, bytes)), None) | (None, Some((_, bytes))) => *bytes,
            (None, None) => 0.0,
        }
    }

    pub(crate) fn mean(&self, from: f64, to: f64) -> f64 {
        (self.bytes(to) - self.bytes(from)) / (to - from).max(1e-9)
    }

    fn times(&self, from: f64, to: f64) -> impl Iterator<Item = f64> {
        let inner = self.points.iter().map(|(at, _)| *at);
        std::iter::once(from).chain(inner.filter(move |at| *at > from && *at <= to))
    }
}

/// A time in which a link had one rate, above 0 and limited, and the load had followed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Steady {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Bytes per second.
    pub(crate) rate: f64,
}

fn number(rate: Rate) -> f64 {
    rate.bytes_per_second().map_or(f64::INFINITY, |rate| rate as f64)
}

/// What the load did after each change of the rate; `wanted` says whether a site wanted something over the
/// link then.
pub(crate) fn changes(
    track: &Track,
    steps: &[Step],
    until: f64,
    wanted: impl Fn(f64) -> bool,
) -> Vec<Change> {
    let pairs = steps.windows(2).enumerate();
    let one = |(i, pair): (usize, &[Step])| {
        let [former, step] = pair else { return None };
        let end = steps.get(i + 2).map_or(until, |next| next.at);
        let seconds = followed(track, number(former.rate), number(step.rate), step.at, end);
        let last = seconds.map_or(end, |seconds| step.at + seconds);
        Some(Change {
            at: round(step.at),
            rate: step.rate.bytes_per_second(),
            before: former.rate.bytes_per_second(),
            why: step.why,
            wanted: wanted(step.at),
            seconds: seconds.map(round),
            bytes: (track.bytes(last) - track.bytes(step.at)).max(0.0) as u64,
        })
    };
    pairs.filter_map(one).collect()
}

/// How long after a change at `at` the load followed, if it did until `end`.
fn followed(track: &Track, former: f64, rate: f64, at: f64, end: f64) -> Option<f64> {
    if rate == 0.0 {
        let quiet = (QUIET * track.mean(at - 5.0, at)).max(LEAST);
        // the end of the last second in which more crossed
        let noisy = |from: &f64| *from + 1.0 <= end && track.mean(*from, *from + 1.0) > quiet;
        let last = track.times(at, end).filter(noisy).last();
        return match last {
            None => Some(0.0),
            Some(last) if last + 3.0 > end => None,
            // where in that second it ended
            Some(last) => {
                let total = track.bytes(last + 1.0);
                let over = track.times(last, last + 1.0).find(|to| total - track.bytes(*to) < quiet);
                Some(over.unwrap_or(last + 1.0) - at)
            }
        };
    }
    let (window, good): (f64, &dyn Fn(f64) -> bool) = match rate < former {
        true => (3.0, &|load| load <= 1.05 * rate),
        false => (2.0, &|load| load >= 0.9 * rate),
    };
    let mut times = track.times(at, end - window);
    let found = times.find(|from| *from + window <= end && good(track.mean(*from, *from + window)));
    found.map(|found| found - at)
}

/// The times to judge by: without what is paused, unlimited, or still following a fall.
pub(crate) fn steady(steps: &[Step], changes: &[Change], until: f64) -> Vec<Steady> {
    let one = |(i, step): (usize, &Step)| {
        let rate = step.rate.bytes_per_second().filter(|rate| *rate > 0)? as f64;
        let change = i.checked_sub(1).and_then(|i| changes.get(i));
        let fell = change.is_some_and(|change| change.before.is_none_or(|before| before as f64 > rate));
        let grace = match change.filter(|_| fell) {
            Some(change) => change.seconds.unwrap_or(GRACE).min(GRACE),
            None => 0.0,
        };
        let to = steps.get(i + 1).map_or(until, |next| next.at);
        let from = step.at + grace;
        (from < to).then_some(Steady { from, to, rate })
    };
    steps.iter().enumerate().filter_map(one).collect()
}

/// The highest mean load over any so many seconds, over the rate.
pub(crate) fn highest(track: &Track, steady: &[Steady], window: f64) -> Option<f64> {
    let of = |time: &Steady| {
        let (to, rate) = (time.to, time.rate);
        let starts = track.times(time.from, to - window).filter(move |from| from + window <= to);
        starts.map(move |from| track.mean(from, from + window) / rate)
    };
    steady.iter().flat_map(of).reduce(f64::max).map(|ratio| round(ratio.max(0.0)))
}

/// Of the seconds in which something was wanted, the part in which the link was full, and how many they were.
/// `moments` are about a second apart; each says whether a site wanted something.
pub(crate) fn full(track: &Track, steady: &[Steady], moments: &[(f64, bool)]) -> (Option<f64>, f64) {
    let (mut all, mut full) = (0.0, 0.0);
    for pair in moments.windows(2) {
        let [(from, true), (to, true)] = *pair else {
            continue;
        };
        let within = steady.iter().find(|time| time.from <= from && to <= time.to);
        let Some(within) = within.filter(|_| to > from) else {
            continue;
        };
        all += to - from;
        if track.mean(from, to) >= FULL * within.rate {
            full += to - from;
        }
    }
    ((all > 0.0).then(|| round(full / all)), round(all))
}
