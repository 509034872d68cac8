use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Growing, Room};
use crate::{Forest, Load, Rate, SiteId, SiteMap};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(n)).unwrap()
    }

    fn some(&mut self, sites: u32, one_in: u32) -> BTreeSet<SiteId> {
        (0..sites).filter(|_| self.below(one_in) == 0).map(SiteId::Named).collect()
    }
}

/// Few hubs and many sites with one link, of few different rates: many flows are equally good.
fn map(sites: u32, dice: &mut Dice) -> SiteMap {
    let mut text = "version: 1\nsites:\n".to_owned();
    for site in 0..sites {
        let sharing = if dice.below(8) == 0 {
            ", sharing: false"
        } else {
            ""
        };
        writeln!(text, "  s{site:02}: {{networks: [10.{site}.0.0/16]{sharing}}}").unwrap();
    }
    text.push_str("links:\n");
    let hubs = 1 + dice.below(sites / 4 + 1);
    let mut linked = BTreeSet::new();
    let mut link = |a: u32, b: u32, dice: &mut Dice| {
        if !linked.insert((a, b)) {
            return;
        }
        let rate = [2, 10, 10, 30, 100][dice.below(5) as usize];
        writeln!(text, "  - {{between: [s{a:02}, s{b:02}], rate: {rate} Mbit/s}}").unwrap();
    };
    for site in 1..sites {
        let to = if dice.below(10) == 0 {
            dice.below(site)
        } else {
            dice.below(site.min(hubs))
        };
        link(site, to, dice);
    }
    if hubs > 3 {
        link(hubs - 1, 0, dice);
    }
    SiteMap::parse("sites.yaml", &text).unwrap()
}

fn grown(mut growing: Growing<'_>, keep: &Forest, outdone: &mut usize) -> Forest {
    growing.keep(keep);
    growing.attach();
    *outdone += growing.sources.len() - growing.weighed.len();
    growing.forest()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parents_are_the_same_as_if_sources_that_are_outdone_were_weighed(seed: u64, sites in 2u32..40) {
        let (mut dice, at) = (Dice(seed), Timestamp::UNIX_EPOCH);
        let map = map(sites, &mut dice);
        let mut load = Load::default();
        for _ in 0..dice.below(20) {
            let (from, to) = (SiteId::Named(dice.below(sites)), SiteId::Named(dice.below(sites)));
            if let Some(route) = map.path(from, to) {
                load.add(&route, Rate::from_bytes_per_second(u64::from(dice.below(2_000_000))));
            }
        }
        let (mut keep, mut outdone, mut weighed) = (Forest::new(), 0, 0);
        // some join and go, some become supplied, some have nothing to give
        for _ in 0..3 {
            let roots = &dice.some(sites, 12) | &BTreeSet::from([SiteId::Named(dice.below(sites))]);
            let waiting = &dice.some(sites, 2) | &dice.some(sites, 2);
            let barren: BTreeSet<(SiteId, SiteId)> = (0..dice.below(6))
                .map(|_| (SiteId::Named(dice.below(sites)), SiteId::Named(dice.below(sites))))
                .collect();
            let mut room = Room::new(&map, at, &roots | &waiting, &load);
            room.silence(&barren);
            let sparing = Growing::new(room, &roots, &waiting, &barren);
            let mut thorough = sparing.clone();
            for site in &mut thorough.sites {
                site.neighbour = None;
            }
            let forest = grown(sparing, &keep, &mut outdone);
            prop_assert_eq!(&forest, &grown(thorough, &keep, &mut weighed));
            keep = forest;
        }
        prop_assert_eq!(weighed, 0);
    }
}

#[test]
fn in_a_star_the_branches_that_get_no_more_than_the_hub_are_outdone() {
    let mut text = "version: 1\nsites:\n".to_owned();
    (0..4).for_each(|n| writeln!(text, "  s{n}: {{networks: [10.{n}.0.0/16]}}").unwrap());
    text.push_str("links:\n");
    (1..4).for_each(|n| writeln!(text, "  - {{between: [s0, s{n}], rate: 10 Mbit/s}}").unwrap());
    let map = SiteMap::parse("sites.yaml", &text).unwrap();
    let (roots, waiting) = (
        BTreeSet::from([SiteId::Named(0)]),
        (1..4).map(SiteId::Named).collect(),
    );
    let room = Room::new(&map, Timestamp::UNIX_EPOCH, &roots | &waiting, &Load::default());
    let mut outdone = 0;
    let growing = Growing::new(room, &roots, &waiting, &BTreeSet::new());
    assert_eq!(grown(growing, &Forest::new(), &mut outdone).len(), 3);
    assert_eq!(outdone, 3);
}
