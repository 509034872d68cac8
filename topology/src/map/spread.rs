//! What may flow from one site to all others.

use super::SiteMap;
use crate::paths::{Paths, Tree, hop};
use crate::{Hop, LinkId, Rate, SiteId};

/// The least rate on the way from a site to each other one; `None` where there is no way.
#[derive(Clone, PartialEq, Debug)]
pub struct Spread {
    /// By the number of a named site, in the order of [`SiteMap::sites`]; to itself without a limit.
    pub sites: Vec<Option<Rate>>,
    /// To an attached network, not counting what `rate` says of its own link.
    pub attached: Option<Rate>,
}

impl SiteMap {
    /// The least rate along the path from a site to each other one, where `rate` says what a hop has. Takes
    /// time in proportion to the sites and links, and keeps nothing: it may be asked for every site.
    pub fn spread(&self, from: SiteId, rate: impl Fn(Hop) -> Rate) -> Spread {
        let mut sites = vec![None; self.sites.len()];
        let first = match from {
            SiteId::Named(_) => Rate::UNLIMITED,
            SiteId::Attached(net) => rate(Hop {
                link: LinkId::Attached(net),
                forward: false,
            }),
        };
        if let Some(hub) = self.hub(from) {
            let mut walk = |paths: Paths<'_>| {
                paths.walk(|site, step| {
                    let reached = match step.hops {
                        0 => Some(first),
                        _ => sites[step.before as usize].map(|before: Rate| before.min(rate(hop(step.hop)))),
                    };
                    sites[site as usize] = reached;
                    true
                });
            };
            let (stem, spur) = self.stem(hub);
            match self.trees.get(stem as usize).and_then(|tree| tree.get()) {
                Some(tree) => walk(Paths::new(tree, spur)),
                None => walk(Paths::new(
                    &Tree::new(&self.neighbours, &self.weights, stem),
                    spur,
                )),
            }
        }
        let attached = self.attach.as_ref().and_then(|attach| {
            let to_hub: Rate = (*sites.get(attach.hub as usize)?)?;
            Some(to_hub.min(attach.rate))
        });
        Spread { sites, attached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "version: 1
unknown: {attach: hq, rate: 2 Mbit/s}
sites:
  b1: {networks: [10.2.0.0/16]}
  b2: {networks: [10.3.0.0/16]}
  far: {networks: [10.4.0.0/16]}
  hq: {networks: [10.1.0.0/16]}
  region: {}
links:
  - {between: [hq, region], rate: 100 Mbit/s}
  - {between: [region, b1], rate: 10 Mbit/s}
  - {between: [b2, region], rate: unlimited}
";

    #[test]
    fn it_says_of_every_site_what_its_path_does() {
        // `far` has no link, which the file's check refuses; so it is taken out of the text
        let map = SiteMap::parse(
            "sites.yaml",
            &MAP.replace("  far: {networks: [10.4.0.0/16]}\n", ""),
        )
        .expect("a map");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let attached = map.locate("192.0.2.7".parse().expect("an address")).expect("attached");
        for from in map.sites().chain([attached]) {
            let spread = map.spread(from, |hop| map.rate(hop, at));
            let along = |to| {
                let route = map.path(from, to)?;
                Some(route.hops.iter().map(|hop| map.rate(*hop, at)).min().unwrap_or(Rate::UNLIMITED))
            };
            for (to, rate) in map.sites().zip(&spread.sites) {
                assert_eq!(*rate, along(to), "{} to {}", map.name(from), map.name(to));
            }
            let other = map.locate("198.51.100.7".parse().expect("an address")).expect("attached");
            assert_eq!(spread.attached, along(other), "{}", map.name(from));
        }
    }
}
