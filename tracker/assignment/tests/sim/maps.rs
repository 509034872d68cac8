//! Random site maps: trees and rings, transit sites, sites that may not share.

use std::fmt::Write as _;

use crate::support::rng::SplitMix;

pub struct MapText {
    pub text: String,
    /// Numbers of the sites with networks: site `n` is 10.n.0.0/16 and fd00:n::/32.
    pub sites: Vec<u8>,
}

pub fn random(rng: &mut SplitMix, most: usize) -> MapText {
    let count = 2 + rng.below(most - 1);
    let mut text = format!(
        "version: 1\ndefaults: {{max_seeders: {}, gateways: {}}}\nsites:\n",
        1 + rng.below(3),
        if rng.one_in(4) { 2 } else { 1 }
    );
    let mut sites = Vec::new();
    for n in 0..count {
        // the first two always have networks, so that one can fetch from the other
        if n > 1 && rng.one_in(5) {
            let _ = writeln!(text, "  s{n}: {{}}");
            continue;
        }
        sites.push(n as u8);
        let sharing = if n > 1 && rng.one_in(6) {
            ", sharing: false"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  s{n}: {{networks: [10.{n}.0.0/16, \"fd00:{n}::/32\"]{sharing}}}"
        );
    }
    text.push_str("links:\n");
    let mut links: Vec<(usize, usize)> = (1..count).map(|n| (rng.below(n), n)).collect();
    if count > 3 && rng.one_in(3) {
        links.push((0, count - 1));
    }
    links.sort_unstable();
    links.dedup();
    for (a, b) in links {
        let rate = ["2 Mbit/s", "10 Mbit/s", "100 Mbit/s", "unlimited"][rng.below(4)];
        let seeders = if rng.one_in(3) {
            format!(", max_seeders: {}", 1 + rng.below(3))
        } else {
            String::new()
        };
        let paused = if rng.one_in(12) {
            ", schedule: [{days: mon-sun, hours: 00:00-24:00, rate: 0}]"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  - {{between: [s{a}, s{b}], rate: {rate}{seeders}{paused}}}"
        );
    }
    MapText { text, sites }
}

/// Trees of sites that all share, without schedules.
pub fn trees(rng: &mut SplitMix, most: usize) -> MapText {
    let mut text = format!(
        "version: 1\ndefaults: {{max_seeders: {}}}\nsites:\n",
        1 + rng.below(2)
    );
    for n in 0..most {
        let _ = writeln!(text, "  s{n}: {{networks: [10.{n}.0.0/16, \"fd00:{n}::/32\"]}}");
    }
    text.push_str("links:\n");
    for n in 1..most {
        let _ = writeln!(
            text,
            "  - {{between: [s{}, s{n}], rate: 10 Mbit/s}}",
            rng.below(n)
        );
    }
    MapText {
        text,
        sites: (0..most).map(|n| n as u8).collect(),
    }
}
