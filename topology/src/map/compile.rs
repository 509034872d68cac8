//! From what a file says to the tables of a map.

use std::sync::OnceLock;

use super::SiteMap;
use crate::Rate;
use crate::file::{Link, SiteFile};
use crate::networks::Networks;
use crate::paths::{Neighbours, Weight};

impl SiteMap {
    /// Puts the sites in the order of their names and builds the tables.
    pub(crate) fn compile(file: SiteFile) -> SiteMap {
        let SiteFile {
            mut sites,
            mut links,
            mut attach,
            timezone,
            defaults,
        } = file;
        let mut by_name: Vec<u32> = (0u32..).take(sites.len()).collect();
        by_name.sort_by(|a, b| sites[*a as usize].name.cmp(&sites[*b as usize].name));
        let mut position = vec![0u32; sites.len()];
        for (new, old) in (0u32..).zip(&by_name) {
            position[*old as usize] = new;
        }
        sites.sort_by(|a, b| a.name.cmp(&b.name));
        for link in &mut links {
            link.between = (
                position[link.between.0 as usize],
                position[link.between.1 as usize],
            );
        }
        if let Some(attach) = &mut attach {
            attach.hub = position[attach.hub as usize];
        }
        let mut neighbours: Neighbours = vec![Vec::new(); sites.len()];
        for (i, link) in (0u32..).zip(&links) {
            let (a, b) = link.between;
            neighbours[a as usize].push((b, 2 * i + 1));
            neighbours[b as usize].push((a, 2 * i));
        }
        let weight = |link: &Link| Weight {
            cost: link.cost.unwrap_or(default_cost(link.rate)),
            tie: tie([
                &sites[link.between.0 as usize].name,
                &sites[link.between.1 as usize].name,
            ]),
        };
        let networks = Networks::new(
            (0u32..).zip(&sites).flat_map(|(i, site)| site.networks.iter().map(move |net| (*net, i))),
        );
        SiteMap {
            networks,
            weights: links.iter().map(weight).collect(),
            trees: sites.iter().map(|_| OnceLock::new()).collect(),
            neighbours,
            sites,
            links,
            attach,
            timezone,
            defaults,
        }
    }
}

/// The default cost of a link: 1 Gbit/s over its rate, in whole numbers and at least 1, as OSPF has it.
pub(super) fn default_cost(rate: Rate) -> u64 {
    match rate.bytes_per_second() {
        Some(bytes) => (125_000_000 / bytes.max(1)).max(1),
        None => 1,
    }
}

/// A number of a link's own, of its ends' names in either order, spread over 32 bits: FNV-1a, then the
/// finalizer of SplitMix64 (Steele, Lea, Flood 2014). Without the latter, names that differ in their last
/// letter give numbers whose differences are all but equal, and sums of two of them that are.
fn tie(mut names: [&str; 2]) -> u32 {
    names.sort_unstable();
    let bytes = names[0].bytes().chain([0]).chain(names[1].bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash >> 32) as u32
}
