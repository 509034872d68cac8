//! What each content got of a link while some were under way over it. Pure.

use serde::Serialize;

use super::loads::{Steady, Track};
use crate::timeline::HEADERS;
use crate::values::round;

/// What is shown of times shorter than this, in seconds, would be chance.
const LEAST: f64 = 3.0;

/// While exactly these contents were under way over a link.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// Their names.
    pub contents: Vec<String>,
    /// For so many seconds.
    pub seconds: f64,
    /// What each got of the link's rate (of what crossed, if there is no limit), by the agents' own counts
    /// with 4.5 % of headers.
    pub shares: Vec<f64>,
    /// What crossed by the kernel's count, over the same.
    pub all: f64,
}

/// A moment of one link and direction.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Moment {
    pub(crate) at: f64,
    /// One bit per content that a site still wants over it.
    pub(crate) active: u32,
    /// Bytes of each content that were fetched over it.
    pub(crate) carried: Vec<u64>,
}

#[derive(Default)]
struct Sum {
    active: u32,
    seconds: f64,
    may: f64,
    all: f64,
    carried: Vec<f64>,
}

/// Per set of contents, in the order in which they came.
pub(crate) fn shares(
    track: &Track,
    steady: &[Steady],
    limited: bool,
    moments: &[Moment],
    names: &[String],
) -> Vec<Share> {
    let mut sums: Vec<Sum> = Vec::new();
    for pair in moments.windows(2) {
        let [a, b] = pair else { continue };
        let time = steady.iter().find(|time| time.from <= a.at && b.at <= time.to);
        if a.active == 0 || a.active != b.active || (limited && time.is_none()) {
            continue;
        }
        let crossed = track.bytes(b.at) - track.bytes(a.at);
        let at = match sums.iter().position(|sum| sum.active == a.active) {
            Some(at) => at,
            None => {
                sums.push(Sum {
                    active: a.active,
                    carried: vec![0.0; names.len()],
                    ..Sum::default()
                });
                sums.len() - 1
            }
        };
        let sum = &mut sums[at];
        sum.seconds += b.at - a.at;
        sum.may += time.map_or(crossed, |time| time.rate * (b.at - a.at));
        sum.all += crossed;
        for ((sum, before), after) in sum.carried.iter_mut().zip(&a.carried).zip(&b.carried) {
            *sum += after.saturating_sub(*before) as f64 * HEADERS;
        }
    }
    let one = |sum: &Sum| {
        let those = || (0..names.len()).filter(|content| sum.active >> content & 1 == 1);
        Share {
            contents: those().map(|content| names[content].clone()).collect(),
            seconds: round(sum.seconds),
            shares: those().map(|content| round(sum.carried[content] / sum.may.max(1.0))).collect(),
            all: round(sum.all / sum.may.max(1.0)),
        }
    };
    sums.iter().filter(|sum| sum.seconds >= LEAST).map(one).collect()
}
