//! The sites and links of a run.

use std::fmt::Write as _;

use crate::chaos::dice::Dice;
use crate::values::Groups;

/// The site of machines that the tracker does not know.
pub const GUEST: &str = "guest";

/// The rates of links, in Mbit/s.
const RATES: [u64; 4] = [8, 10, 16, 20];

/// A tree of sites below headquarters, which has the content.
#[derive(Debug, Clone)]
pub(super) struct Network {
    /// Each site below another one, the rate of the link to it in Mbit/s, and its clients.
    sites: Vec<(String, String, u64, usize)>,
}

impl Network {
    pub(super) fn new(dice: &mut Dice) -> Network {
        let parents: &[&str] = match dice.between(0, 3) {
            0 => &["hq", "hq"],
            1 => &["hq", "hq", "hq"],
            2 => &["hq", "b1"],
            _ => &["hq", "b1", "b1"],
        };
        let mut sites = Vec::new();
        for (number, parent) in (1u32..).zip(parents) {
            let rate = dice.pick(&RATES).unwrap_or(10);
            let clients = dice.between(2, 3) as usize;
            sites.push((format!("b{number}"), (*parent).to_owned(), rate, clients));
        }
        Network { sites }
    }

    /// The sites below headquarters.
    pub(super) fn branches(&self) -> Vec<String> {
        self.sites.iter().map(|(site, ..)| site.clone()).collect()
    }

    pub(super) fn clients(&self) -> Groups {
        Groups(self.sites.iter().map(|(site, _, _, clients)| (site.clone(), *clients)).collect())
    }

    /// As the map names them.
    pub(super) fn links(&self) -> Vec<(String, u64)> {
        self.sites.iter().map(|(site, parent, rate, _)| (format!("{parent}-{site}"), *rate)).collect()
    }

    /// The least rate, in bits per second.
    pub(super) fn slowest(&self) -> u64 {
        self.sites.iter().map(|(_, _, rate, _)| rate * 1_000_000).min().unwrap_or(8_000_000)
    }

    /// The site map; with the site of those that the tracker does not know, or without.
    pub(super) fn text(&self, guest: bool) -> String {
        let mut text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n".to_owned();
        for (number, (site, ..)) in (2u8..).zip(&self.sites) {
            let _ = writeln!(text, "  {site}: {{networks: [10.{number}.0.0/16]}}");
        }
        if guest {
            let _ = writeln!(text, "  {GUEST}: {{networks: [10.99.0.0/16]}}");
        }
        text.push_str("links:\n");
        for (site, parent, rate, _) in &self.sites {
            let _ = writeln!(text, "  - {{between: [{parent}, {site}], rate: {rate} Mbit/s}}");
        }
        if guest {
            let _ = writeln!(text, "  - {{between: [hq, {GUEST}], rate: 20 Mbit/s}}");
        }
        text
    }
}
