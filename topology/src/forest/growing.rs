//! A forest in the making: what is kept, then the fastest new flow again and again.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};

use super::room::Room;
use super::tour::tour;
use super::{Forest, Parent};
use crate::{Rate, SiteId};

/// A forest in the making. Sites are numbers of the room.
#[derive(Clone)]
pub(super) struct Growing<'m> {
    room: Room<'m>,
    sites: Vec<Site>,
    /// Pairs of child and parent.
    barren: HashSet<(u32, u32)>,
    /// Sites that have the content or get it, and may serve others.
    sources: Vec<u32>,
    /// Of these, those that are weighed: see [`Growing::is_outdone`].
    weighed: Vec<u32>,
    /// The best flow that is known to each open site. A speed here is never too low: flows that are added
    /// lower speeds, and a new source is weighed against it at once. So the fastest of all, if it is still as
    /// fast when looked at again, is the fastest there is, and the other sites need not be looked at.
    best: Vec<Option<Candidate>>,
    /// The same, best first; what is not in `best` any more is out of date.
    queue: BinaryHeap<Candidate>,
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
    /// Whether a flow from here to any site is barren.
    barren: bool,
    /// The only neighbour of a site that has no other, if that takes part.
    neighbour: Option<u32>,
}

/// A flow that may be added, in the order of preference: the fastest, the fewest hops, the first name.
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

impl<'m> Growing<'m> {
    /// No site has a parent yet.
    pub(super) fn new(
        room: Room<'m>,
        roots: &BTreeSet<SiteId>,
        waiting: &BTreeSet<SiteId>,
        barren: &BTreeSet<(SiteId, SiteId)>,
    ) -> Growing<'m> {
        let mut sites = vec![Site::default(); room.sites.len()];
        let roots: Vec<u32> = roots.iter().filter_map(|site| room.index(*site)).collect();
        for root in &roots {
            sites[*root as usize].fed = Some(Rate::UNLIMITED);
        }
        for site in waiting.iter().filter_map(|site| room.index(*site)) {
            let site = &mut sites[site as usize];
            site.waiting = site.fed.is_none();
        }
        let barren: HashSet<(u32, u32)> =
            barren.iter().filter_map(|(a, b)| Some((room.index(*a)?, room.index(*b)?))).collect();
        for (_, from) in &barren {
            sites[*from as usize].barren = true;
        }
        for (site, n) in sites.iter_mut().zip(0..) {
            site.neighbour = room.only_neighbour(n);
        }
        let sources: Vec<u32> = roots.into_iter().filter(|root| room.may_serve(*root)).collect();
        let best = vec![None; sites.len()];
        Growing {
            room,
            sites,
            barren,
            weighed: sources.clone(),
            sources,
            best,
            queue: BinaryHeap::new(),
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
        for root in self.sources.clone() {
            self.feed_below(root, Rate::UNLIMITED);
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
            let mut fastest = self.clone();
            fastest.weigh_sources(&open);
            let hopeful = fastest.hopeful();
            fastest.attach_fastest_first(open.clone());
            // a single newcomer has the bound by its definition
            if open.len() > 1 && fastest.slowest(&hopeful) < hopeful.bound {
                let mut toured = self.clone();
                toured.follow(tour(&toured.room, &toured.sources, &open), &open);
                if toured.slowest(&hopeful) > fastest.slowest(&hopeful) {
                    fastest = toured;
                }
            }
            *self = fastest;
            // A site that cannot be attached feeds no other: one that was to stay below it looks elsewhere. If
            // it finds a parent, the site above may find one there, and the others below it can stay.
            let stuck = self.open().find(|site| !self.sites[*site as usize].children.is_empty());
            let Some(child) = stuck.and_then(|site| self.sites[site as usize].children.pop()) else {
                return;
            };
            self.sites[child as usize].parent = None;
        }
    }

    /// The waiting sites without a parent.
    fn open(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.sites).filter(|(_, site)| site.waiting && site.parent.is_none()).map(|(i, _)| i)
    }

    /// What the slowest of the sites that can be fed should get: four fifths of the best that it could.
    fn hopeful(&self) -> Hopeful {
        // a site behind a paused link is so in every forest
        let best = || self.best.iter().flatten().filter(|best| best.speed > Rate::ZERO);
        let slowest = best().map(|best| best.speed).min().unwrap_or(Rate::ZERO);
        Hopeful {
            bound: slowest.scaled(4, 5),
            sites: best().map(|best| best.to.0).collect(),
        }
    }

    /// The slowest flow to those sites.
    fn slowest(&self, hopeful: &Hopeful) -> Rate {
        let fed = hopeful.sites.iter().map(|site| self.sites[*site as usize].fed.unwrap_or(Rate::ZERO));
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
        let rest = open.iter().copied().filter(|site| self.sites[*site as usize].parent.is_none());
        let rest: Vec<u32> = rest.collect();
        self.weigh_sources(&rest);
        self.attach_fastest_first(rest);
    }

    /// Attaches open sites that have been weighed, the fastest first.
    fn attach_fastest_first(&mut self, mut open: Vec<u32>) {
        while let Some(candidate) = self.queue.pop() {
            let (from, to) = (candidate.from.0, candidate.to.0);
            if self.best[to as usize] != Some(candidate) {
                continue;
            }
            self.best[to as usize] = None;
            if self.speed(from, to) != Some(candidate.speed) {
                let sources = std::mem::take(&mut self.weighed);
                self.weigh(to, false, &sources);
                self.weighed = sources;
                continue;
            }
            open.retain(|site| *site != to);
            for source in self.link(from, to, candidate.speed) {
                self.weigh(source, true, &open);
            }
        }
    }

    /// The speed of a new flow: what the links give, but no more than arrives at the parent.
    fn speed(&self, from: u32, to: u32) -> Option<Rate> {
        let arrives = self.sites[from as usize].fed?;
        self.room.speed(from, to).map(|(speed, _)| speed.min(arrives))
    }

    /// Weighs all flows from sources to these, in as few walks over the paths as can be: a site that joins
    /// a thousand others takes one.
    fn weigh_sources(&mut self, open: &[u32]) {
        let sources = std::mem::take(&mut self.weighed);
        if open.len() < sources.len() {
            for site in open {
                self.weigh(*site, false, &sources);
            }
        } else {
            for source in &sources {
                self.weigh(*source, true, open);
            }
        }
        self.weighed = sources;
    }

    /// Weighs the flows between one site and others, `outwards` from the one or towards it.
    fn weigh(&mut self, one: u32, outwards: bool, others: &[u32]) {
        let Growing {
            room,
            sites,
            barren,
            best,
            queue,
            ..
        } = self;
        let mut consider = |other: u32, speed: Rate, hops: u32| {
            let (from, to) = if outwards { (one, other) } else { (other, one) };
            let (Some(arrives), false) = (sites[from as usize].fed, barren.contains(&(to, from))) else {
                return;
            };
            let speed = speed.min(arrives);
            let candidate = Candidate {
                speed,
                hops: Reverse(hops),
                to: Reverse(to),
                from: Reverse(from),
            };
            if best[to as usize].is_none_or(|best| best < candidate) {
                best[to as usize] = Some(candidate);
                if outwards {
                    queue.push(candidate);
                }
            }
        };
        // one walk over all paths is worth it only for many of them
        if others.len() > 8 {
            room.reach(one, outwards, others, consider);
        } else {
            for &other in others {
                let (from, to) = if outwards { (one, other) } else { (other, one) };
                if let Some((speed, hops)) = room.speed(from, to) {
                    consider(other, speed, hops);
                }
            }
        }
        if !outwards {
            self.queue.extend(self.best[one as usize]);
        }
    }

    /// Attaches a site; the sites that may serve now and are to be weighed.
    fn link(&mut self, from: u32, to: u32, speed: Rate) -> Vec<u32> {
        self.room.add(from, to, speed);
        self.sites[to as usize].parent = Some((from, speed));
        let before = self.weighed.len();
        self.feed(to, speed);
        self.feed_below(to, speed);
        self.weighed[before..].to_vec()
    }

    /// Notes what arrives at a site.
    fn feed(&mut self, site: u32, rate: Rate) {
        self.sites[site as usize].fed = Some(rate);
        if self.room.may_serve(site) {
            self.sources.push(site);
            if !self.is_outdone(site, rate) {
                self.weighed.push(site);
            }
        }
    }

    /// Whether no flow from a site that this arrives at is ever the best: its only neighbour is a source that no
    /// less arrives at, all paths lead through there, and from there they are a hop shorter. Most sites of large
    /// maps are so.
    fn is_outdone(&self, site: u32, rate: Rate) -> bool {
        let Some(neighbour) = self.sites[site as usize].neighbour else {
            return false;
        };
        let next = &self.sites[neighbour as usize];
        next.fed.is_some_and(|fed| fed >= rate) && !next.barren && self.room.may_serve(neighbour)
    }

    /// Notes what arrives below a site, by parents that are kept.
    fn feed_below(&mut self, site: u32, rate: Rate) {
        let mut next = vec![(site, rate)];
        while let Some((site, rate)) = next.pop() {
            for child in self.sites[site as usize].children.clone() {
                let planned = self.sites[child as usize].parent.map_or(Rate::ZERO, |(_, speed)| speed);
                self.feed(child, planned.min(rate));
                next.push((child, planned.min(rate)));
            }
        }
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

#[cfg(test)]
mod tests;
