//! What an event cost: how long a site's supply stood still, and what crossed in vain. Pure, from the samples.

use serde::Serialize;

use crate::lab::timeline::Sample;

/// Less than this part of what flowed before is no supply: acknowledgements, announces, retries.
const QUIET: f64 = 0.1;

/// A shorter pause than this, in seconds, is none: samples are 0.2 s apart.
const LEAST: f64 = 0.35;

/// A pause that begins later, in seconds, has another reason.
const REACH: f64 = 20.0;

/// How much before an event says what used to flow, in seconds.
const BEFORE: f64 = 3.0;

/// Acknowledgements, as a part of the bytes the other way: 66 bytes for each second frame of 1,514.
const ACKS: f64 = 0.025;

/// A site's supply around an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interruption {
    /// The site's name.
    pub site: String,
    /// From the event to the next useful bytes; 0 if the supply never stood still, null if it stayed away.
    pub seconds: Option<f64>,
}

/// Frames that crossed a link beyond what had to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extra {
    /// As in the map.
    pub link: String,
    /// Where bytes come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// Bytes beyond planned copies with 4.5 % of headers, and acknowledgements of what crossed the other way; of the
    /// whole run. Negative if headers took less.
    pub bytes: i64,
    /// The same in pieces with their headers.
    pub pieces: f64,
}

/// What an event cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds since the clients' start.
    pub at: f64,
    /// As asked.
    pub what: String,
    /// Sites that it may have cut off.
    pub interruptions: Vec<Interruption>,
    /// Links that lead to them.
    pub extra: Vec<Extra>,
}

/// From an event at `at` to the end of the first pause of a site's supply after it. `links` are the positions of
/// those that lead into the site; `complete` is when it needed no more. 0: there was no pause. `None`: the pause
/// did not end.
pub fn interruption(samples: &[Sample], links: &[usize], at: f64, complete: Option<f64>) -> Option<f64> {
    let bytes = |sample: &Sample| -> u64 {
        let each = links.iter().filter_map(|link| sample.link_bytes.get(*link));
        each.sum()
    };
    let steps: Vec<(f64, f64, f64)> = samples
        .windows(2)
        .filter_map(|pair| {
            let [a, b] = pair else { return None };
            let seconds = b.at - a.at;
            let grown = bytes(b).saturating_sub(bytes(a)) as f64;
            (seconds > 0.0).then(|| (a.at, b.at, grown / seconds))
        })
        .collect();
    let before: Vec<f64> = (steps.iter())
        .filter(|(from, to, _)| *from >= at - BEFORE && *to <= at)
        .map(|(.., rate)| *rate)
        .collect();
    let usual = before.iter().sum::<f64>() / before.len().max(1) as f64;
    let quiet = |rate: f64| rate < (usual * QUIET).max(1000.0);
    let end = complete.unwrap_or(f64::INFINITY);
    let mut since: Option<f64> = None;
    for (from, to, rate) in steps.iter().filter(|(_, to, _)| *to > at) {
        match (quiet(*rate), since) {
            (true, None) if *from > at + REACH => return Some(0.0),
            (true, None) => since = Some(from.max(at)),
            (true, Some(_)) => {}
            (false, Some(begun)) if from - begun >= LEAST => return Some(from - at),
            (false, _) => since = None,
        }
        if *to >= end {
            // what it had sufficed
            return Some(0.0);
        }
    }
    match since {
        Some(begun) if complete.is_none_or(|complete| complete > begun + 2.0) => None,
        _ => Some(0.0),
    }
}

/// Bytes beyond what had to cross in a direction.
pub fn extra(bytes: u64, back: u64, least: f64) -> i64 {
    (bytes as f64 - least - ACKS * back as f64).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A flow of 2.5 MB/s for 40 s, but for a pause.
    fn flow(pause: std::ops::Range<f64>) -> Vec<Sample> {
        let mut bytes = 0;
        (0..200)
            .map(|i| {
                let at = f64::from(i) * 0.2;
                bytes += if pause.contains(&at) { 2_000 } else { 500_000 };
                Sample {
                    at,
                    progress: vec![],
                    link_bytes: vec![bytes],
                }
            })
            .collect()
    }

    proptest! {
        /// A pause is measured from the event to its end, to within two samples, wherever it begins.
        #[test]
        fn a_pause_is_as_long_as_it_was(begin in 6.0f64..10.0, lasts in 1.0f64..15.0) {
            let found = interruption(&flow(begin..begin + lasts), &[0], 6.0, Some(40.0)).unwrap();
            let expected = begin + lasts - 6.0;
            prop_assert!((found - expected).abs() <= 0.41, "{found} {expected}");
        }

        /// A flow that goes on has no interruption, whenever one looks.
        #[test]
        fn a_flow_that_goes_on_was_not_interrupted(at in 0.0f64..39.0) {
            prop_assert_eq!(interruption(&flow(0.0..0.0), &[0], at, Some(40.0)), Some(0.0));
        }
    }

    #[test]
    fn a_supply_that_stays_away_is_told_from_a_site_that_needs_no_more() {
        let samples = flow(10.0..100.0);
        assert_eq!(interruption(&samples, &[0], 9.9, None), None);
        assert_eq!(interruption(&samples, &[0], 9.9, Some(10.5)), Some(0.0));
    }

    #[test]
    fn acknowledgements_are_no_extra_bytes() {
        assert_eq!(extra(1_000_000, 50_000_000, 0.0), -250_000);
        assert_eq!(extra(53_000_000, 1_000_000, 52_250_000.0), 725_000);
    }
}
