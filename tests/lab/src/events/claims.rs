//! How many agents claim to be gateway of a site for a content at the same time. Pure, from the agents'
//! answers.

use serde::Serialize;

/// The gateways of a site for a content, over a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gateways {
    /// The site's name.
    pub site: String,
    /// The content's.
    pub content: String,
    /// As many the site may have by the site map.
    pub allowed: usize,
    /// The most at the same time. Agents are asked one after the other, five times a second: when one takes
    /// over from another, both may be seen for an instant.
    pub most: usize,
    /// For how many seconds there were more than allowed.
    pub seconds_above: f64,
}

/// The numbers over time, of each site and content in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Whenever one changed.
    noted: Vec<(f64, Vec<usize>)>,
    /// When they were last looked at.
    last: f64,
}

impl Claims {
    /// These are claimed now.
    pub fn note(&mut self, at: f64, claims: Vec<usize>) {
        self.last = at;
        if self.noted.last().is_none_or(|(_, before)| *before != claims) {
            self.noted.push((at, claims));
        }
    }

    /// The most at the same time from one second to another.
    pub fn most(&self, which: usize, from: f64, to: f64) -> usize {
        let ends = self.noted.iter().skip(1).map(|(at, _)| *at);
        let spans = self.noted.iter().zip(ends.chain([f64::INFINITY]));
        let those = spans.filter(|((begun, _), end)| *begun < to && *end > from);
        those.filter_map(|((_, claims), _)| claims.get(which).copied()).max().unwrap_or(0)
    }

    /// For how many seconds there were more than that.
    pub fn above(&self, which: usize, allowed: usize) -> f64 {
        let ends = self.noted.iter().skip(1).map(|(at, _)| *at);
        let spans = self.noted.iter().zip(ends.chain([self.last]));
        let over = |claims: &[usize]| claims.get(which).is_some_and(|claims| *claims > allowed);
        let those = spans.filter(|((_, claims), _)| over(claims));
        those.map(|((begun, _), end)| (end - begun).max(0.0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The most of the whole run is that of its parts, and time above it there is none.
        #[test]
        fn the_most_of_a_run_is_the_most_of_its_parts(
            claims in proptest::collection::vec(0usize..4, 1..30), cut in 0usize..30
        ) {
            let mut noted = Claims::default();
            for (i, claims) in claims.iter().enumerate() {
                noted.note(i as f64, vec![*claims]);
            }
            let (cut, end) = (cut.min(claims.len()) as f64, claims.len() as f64);
            let most = *claims.iter().max().unwrap();
            prop_assert_eq!(noted.most(0, 0.0, end), most);
            prop_assert_eq!(noted.most(0, 0.0, cut).max(noted.most(0, cut, end)), most);
            prop_assert_eq!(noted.above(0, most), 0.0);
            // the last look has no length
            let above = claims[..claims.len() - 1].iter().filter(|claims| **claims > 1).count();
            prop_assert_eq!(noted.above(0, 1), above as f64);
        }
    }
}
