//! The greedy plan.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};

use super::room::Room;
use super::tour::tour;
use super::{Forest, Parent};
use crate::{Rate, SiteId};

/// A plan in the making. Sites are numbers of the room.
#[derive(Clone)]
pub(super) struct Plan<'m> {
    room: Room<'m>,
    sites: Vec<Site>,
    barren: HashSet<(u32, u32)>,
    /// Sites that have the content or get it, and may serve others.
    sources: Vec<u32>,
    /// Flows that may be added. A speed here is never too low, since every flow that is added lowers speeds.
    candidates: BinaryHeap<Candidate>,
}

#[derive(Clone, Default)]
struct Site {
    waiting: bool,
    /// The parent that is kept or was found, and the speed of the flow from there.
    parent: Option<(u32, Rate)>,
    /// The sites whose parent this is kept.
    children: Vec<u32>,
    /// What arrives here: no limit at a root; `None` while nothing does.
    fed: Option<Rate>,
}

/// In the order of preference: the fastest, the fewest hops, the first name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    speed: Rate,
    hops: Reverse<u32>,
    to: Reverse<u32>,
    from: Reverse<u32>,
}

/// The sites that can be fed at all, and how fast the slowest of them should be.
struct Hopeful {
    bound: Rate,
    sites: Vec<u32>,
}

impl<'m> Plan<'m> {
    pub(super) fn new(
        room: Room<'m>,
        roots: &BTreeSet<SiteId>,
        waiting: &BTreeSet<SiteId>,
        barren: &BTreeSet<(SiteId, SiteId)>,
    ) -> Plan<'m> {
        let mut sites = vec![Site::default(); room.sites.len()];
        let roots: Vec<u32> = roots.iter().filter_map(|site| room.index(*site)).collect();
        for root in &roots {
            sites[*root as usize].fed = Some(Rate::UNLIMITED);
        }
        for site in waiting.iter().filter_map(|site| room.index(*site)) {
            let site = &mut sites[site as usize];
            site.waiting = site.fed.is_none();
        }
        let barren = barren
            .iter()
            .filter_map(|(a, b)| Some((room.index(*a)?, room.index(*b)?)))
            .collect();
        let sources = roots.into_iter().filter(|root| room.may_serve(*root)).collect();
        Plan {
            room,
            sites,
            barren,
            sources,
            candidates: BinaryHeap::new(),
        }
    }

    /// Keeps the parents that can be kept, fastest first, and plans their flows anew at the present rates.
    pub(super) fn keep(&mut self, keep: &Forest) {
        let mut kept: Vec<(Reverse<Rate>, u32, u32)> = keep
            .iter()
            .filter_map(|(site, parent)| {
                Some((
                    Reverse(parent.rate),
                    self.room.index(*site)?,
                    self.room.index(parent.site)?,
                ))
            })
            .collect();
        kept.sort_unstable();
        for (_, to, from) in kept {
            let usable = self.sites[to as usize].waiting
                && (self.sites[from as usize].waiting || self.sites[from as usize].fed.is_some())
                && self.room.may_serve(from)
                && !self.barren.contains(&(to, from))
                && !self.is_above(to, from);
            if let (true, Some((speed, _))) = (usable, self.room.speed(from, to)) {
                self.room.add(from, to, speed);
                self.sites[to as usize].parent = Some((from, speed));
                self.sites[from as usize].children.push(to);
            }
        }
        for root in 0..self.sites.len() {
            if self.sites[root].fed.is_some() {
                for child in self.sites[root].children.clone() {
                    self.feed_kept(child, Rate::UNLIMITED);
                }
            }
        }
    }

    /// Whether `site` is `below` or one of the parents above it.
    fn is_above(&self, site: u32, below: u32) -> bool {
        let mut at = Some(below);
        while let Some(here) = at {
            if here == site {
                return true;
            }
            at = self.sites[here as usize].parent.map(|(parent, _)| parent);
        }
        false
    }

    /// Attaches what waits, as long as anything can be.
    pub(super) fn attach(&mut self) {
        loop {
            let open: Vec<u32> = self.open().collect();
            let mut greedy = self.clone();
            greedy.offer_all(&open);
            let hopeful = greedy.hopeful();
            greedy.take_candidates(open.clone());
            // by the definition of the bound a single newcomer gets it: nothing to improve
            if open.len() > 1 && greedy.slowest(&hopeful) < hopeful.bound {
                let mut toured = self.clone();
                toured.follow(tour(&toured.room, &toured.sources, &open), &open);
                if toured.slowest(&hopeful) > greedy.slowest(&hopeful) {
                    greedy = toured;
                }
            }
            *self = greedy;
            // A site that cannot be attached feeds nobody: the sites that were to stay below it look elsewhere.
            let stuck: Vec<u32> = self
                .open()
                .filter(|site| !self.sites[*site as usize].children.is_empty())
                .collect();
            if stuck.is_empty() {
                return;
            }
            for site in stuck {
                for child in std::mem::take(&mut self.sites[site as usize].children) {
                    self.sites[child as usize].parent = None;
                }
            }
        }
    }

    /// The waiting sites without a parent.
    fn open(&self) -> impl Iterator<Item = u32> {
        (0u32..)
            .zip(&self.sites)
            .filter(|(_, site)| site.waiting && site.parent.is_none())
            .map(|(i, _)| i)
    }

    /// What the plan for the sites that candidates lead to should reach.
    fn hopeful(&self) -> Hopeful {
        let mut best: BTreeMap<u32, Rate> = BTreeMap::new();
        for candidate in &self.candidates {
            let speed = best.entry(candidate.to.0).or_insert(Rate::ZERO);
            *speed = candidate.speed.max(*speed);
        }
        // whoever is paused is so in every plan
        best.retain(|_, speed| *speed > Rate::ZERO);
        let slowest = best.values().min().copied().unwrap_or(Rate::ZERO);
        Hopeful {
            bound: slowest.scaled(4, 5),
            sites: best.into_keys().collect(),
        }
    }

    /// The slowest flow to those sites.
    fn slowest(&self, hopeful: &Hopeful) -> Rate {
        let fed = hopeful
            .sites
            .iter()
            .map(|site| self.sites[*site as usize].fed.unwrap_or(Rate::ZERO));
        fed.min().unwrap_or(Rate::UNLIMITED)
    }

    /// Attaches as a tour says, and what it leaves out in the usual way.
    fn follow(&mut self, pairs: Vec<(u32, u32)>, open: &[u32]) {
        for (from, to) in pairs {
            if !self.barren.contains(&(to, from))
                && let Some(speed) = self.speed(from, to)
            {
                self.link(from, to, speed);
            }
        }
        let rest: Vec<u32> = open
            .iter()
            .copied()
            .filter(|site| self.sites[*site as usize].parent.is_none())
            .collect();
        self.offer_all(&rest);
        self.take_candidates(rest);
    }

    fn offer_all(&mut self, open: &[u32]) {
        for from in self.sources.clone() {
            self.offer(from, open);
        }
    }

    /// Attaches a site; the sites that may serve now.
    fn link(&mut self, from: u32, to: u32, speed: Rate) -> Vec<u32> {
        self.room.add(from, to, speed);
        self.sites[to as usize].parent = Some((from, speed));
        self.feed(to, speed)
    }

    fn take_candidates(&mut self, mut open: Vec<u32>) {
        while let Some(candidate) = self.candidates.pop() {
            let (from, to) = (candidate.from.0, candidate.to.0);
            if self.sites[to as usize].parent.is_some() {
                continue;
            }
            let Some(speed) = self.speed(from, to) else {
                continue;
            };
            if speed < candidate.speed {
                self.candidates.push(Candidate { speed, ..candidate });
                continue;
            }
            open.retain(|site| *site != to);
            for source in self.link(from, to, speed) {
                self.offer(source, &open);
            }
        }
    }

    /// The speed of a new flow: what the links give, but no more than arrives at the parent.
    fn speed(&self, from: u32, to: u32) -> Option<Rate> {
        let arrives = self.sites[from as usize].fed?;
        self.room.speed(from, to).map(|(speed, _)| speed.min(arrives))
    }

    /// Adds the flows from a source to the open sites to the candidates.
    fn offer(&mut self, from: u32, open: &[u32]) {
        let Some(arrives) = self.sites[from as usize].fed else {
            return;
        };
        let (barren, candidates) = (&self.barren, &mut self.candidates);
        let mut push = |to: u32, speed: Rate, hops: u32| {
            if !barren.contains(&(to, from)) {
                let speed = speed.min(arrives);
                candidates.push(Candidate {
                    speed,
                    hops: Reverse(hops),
                    to: Reverse(to),
                    from: Reverse(from),
                });
            }
        };
        // one walk over all paths is worth it only for many of them
        if open.len() > 8 {
            self.room.reach(from, open, push);
        } else {
            for &to in open {
                if let Some((speed, hops)) = self.room.speed(from, to) {
                    push(to, speed, hops);
                }
            }
        }
    }

    /// Notes what arrives at a site and below it; the sites there that may serve.
    fn feed(&mut self, site: u32, rate: Rate) -> Vec<u32> {
        let before = self.sources.len();
        let mut next = vec![(site, rate)];
        while let Some((site, rate)) = next.pop() {
            self.sites[site as usize].fed = Some(rate);
            if self.room.may_serve(site) {
                self.sources.push(site);
            }
            for &child in &self.sites[site as usize].children {
                let planned = self.sites[child as usize]
                    .parent
                    .map_or(Rate::ZERO, |(_, speed)| speed);
                next.push((child, planned.min(rate)));
            }
        }
        self.sources[before..].to_vec()
    }

    fn feed_kept(&mut self, child: u32, arrives: Rate) {
        let planned = self.sites[child as usize]
            .parent
            .map_or(Rate::ZERO, |(_, speed)| speed);
        self.feed(child, planned.min(arrives));
    }

    /// The parents of the sites that something arrives at.
    pub(super) fn forest(&self) -> Forest {
        let name = |site: u32| self.room.sites[site as usize];
        (0u32..)
            .zip(&self.sites)
            .filter_map(|(i, site)| {
                let (parent, _) = site.parent?;
                Some((
                    name(i),
                    Parent {
                        site: name(parent),
                        rate: site.fed?,
                    },
                ))
            })
            .collect()
    }
}
