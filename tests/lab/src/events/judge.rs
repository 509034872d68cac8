//! What an event cost: how long a site's supply stood still, and what crossed in vain. Pure, from the
//! samples.

use serde::Serialize;

use crate::timeline::HEADERS;
use crate::timeline::Sample;

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

/// Frames that came into a site beyond what had to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extra {
    /// The site's name.
    pub site: String,
    /// Bytes into the site over its links, by the kernel's counters, of the whole run: beyond one copy with
    /// 4.5 % of headers, what crossed for other sites by the agents' counts, and acknowledgements. Negative
    /// if headers took less.
    pub bytes: i64,
    /// The same in pieces with their headers.
    pub pieces: f64,
}

/// How many gateways a site had at the same time after an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claimed {
    /// The site's name.
    pub site: String,
    /// The content's.
    pub content: String,
    /// The most until the next event, or the end.
    pub most: usize,
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
    /// What came into those that were complete at the end.
    pub extra: Vec<Extra>,
    /// The gateways that those claimed to have.
    pub gateways: Vec<Claimed>,
}

/// From an event at `at` to the end of the first pause of a site's supply after it. `links` are the positions
/// of those that lead into the site; `complete` is when it needed no more. 0: there was no pause. `None`: the
/// pause did not end.
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
    let before = before.iter().sum::<f64>() / before.len().max(1) as f64;
    // where nothing flowed just then, what did until then: else an announce would count as supply
    let until = samples.iter().take_while(|sample| sample.at <= at).last();
    let all = until.map_or(0.0, |sample| bytes(sample) as f64 / sample.at.max(1.0));
    let usual = before.max(all / 2.0);
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

/// What a link carried into a site.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inward {
    /// Bytes of frames.
    pub bytes: u64,
    /// Bytes of frames the other way.
    pub back: u64,
    /// Bytes of content that other sites fetched over it.
    pub others: u64,
}

/// Bytes of frames into a site beyond one copy of `size` bytes.
pub fn extra(links: &[Inward], size: u64) -> i64 {
    let own = |link: &Inward| link.bytes as f64 - HEADERS * link.others as f64 - ACKS * link.back as f64;
    (links.iter().map(own).sum::<f64>() - HEADERS * size as f64).round() as i64
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
    fn a_pause_that_has_begun_ends_with_supply_and_not_with_an_announce() {
        // braked from 6 s to 30 s, an announce at 20 s; the release at 29 s is judged
        let mut samples = flow(6.0..30.0);
        for sample in samples.iter_mut().skip_while(|sample| sample.at < 29.4) {
            sample.link_bytes[0] += 3_000;
        }
        let found = interruption(&samples, &[0], 29.0, Some(40.0)).unwrap();
        assert!((found - 1.0).abs() <= 0.41, "{found}");
    }

    #[test]
    fn neither_acknowledgements_nor_what_others_fetch_is_extra() {
        let link = |bytes, back, others| Inward { bytes, back, others };
        assert_eq!(extra(&[link(1_000_000, 50_000_000, 0)], 0), -250_000);
        let through = [link(53_000_000, 1_000_000, 0), link(104_500_000, 0, 100_000_000)];
        assert_eq!(extra(&through, 50_000_000), 725_000);
    }
}
