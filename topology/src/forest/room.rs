//! The sites and hops of one plan, numbered densely: a plan of 2,000 sites weighs millions of paths.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::paths::hop;
use crate::{Hop, LinkId, Load, Rate, SiteId, SiteMap};

/// The sites that take part, in the order of their names, and the room on every hop.
#[derive(Clone)]
pub(crate) struct Room<'m> {
    map: &'m SiteMap,
    pub(crate) sites: Vec<SiteId>,
    /// Per site, itself or the hub that it is attached to.
    hubs: Vec<u32>,
    /// Per site, the hop outwards from its hub, if it is attached; the way in is its neighbour, `^ 1`.
    spurs: Vec<Option<u32>>,
    /// Per site, whether it may serve others.
    serves: Vec<bool>,
    /// Whether any site is attached.
    attached: bool,
    hops: Vec<Planned>,
    /// Per named site, the path of [`Room::reach`] to there; kept to save the allocation.
    reached: Vec<(Rate, u32)>,
}

#[derive(Clone, Copy)]
struct Planned {
    rate: Rate,
    planned: Rate,
    flows: u32,
    /// What a further flow would get.
    speed: Rate,
}

impl<'m> Room<'m> {
    /// Of those of the sites that the map knows.
    pub(crate) fn new(map: &'m SiteMap, at: Timestamp, sites: BTreeSet<SiteId>, load: &Load) -> Room<'m> {
        let sites: Vec<SiteId> = sites.into_iter().filter(|site| map.hub(*site).is_some()).collect();
        let rates = map.rates(at);
        let planned = |hop: Hop| {
            let rate = rates(hop);
            Planned {
                rate,
                planned: load.planned(hop),
                flows: load.flows(hop),
                speed: load.speed(hop, rate),
            }
        };
        let named = u32::try_from(2 * map.links().count()).unwrap_or(u32::MAX);
        let mut hops: Vec<Planned> = (0..named).map(|index| planned(hop(index))).collect();
        let mut spurs = Vec::with_capacity(sites.len());
        for site in &sites {
            let spur = match site {
                SiteId::Named(_) => None,
                SiteId::Attached(net) => {
                    let link = LinkId::Attached(*net);
                    hops.extend([false, true].map(|forward| planned(Hop { link, forward })));
                    u32::try_from(hops.len() - 1).ok()
                }
            };
            spurs.push(spur);
        }
        let hubs = sites.iter().filter_map(|site| map.hub(*site)).collect();
        let reached = vec![(Rate::ZERO, u32::MAX); map.sites().count()];
        let serves = sites.iter().map(|site| map.may_serve(*site)).collect();
        let attached = spurs.iter().any(Option::is_some);
        Room {
            map,
            serves,
            attached,
            sites,
            hubs,
            spurs,
            hops,
            reached,
        }
    }

    /// What a further flow would get on a hop.
    pub(crate) fn hop_speed(&self, hop: usize) -> Rate {
        self.hops.get(hop).map_or(Rate::ZERO, |hop| hop.speed)
    }

    /// The hops, in pairs of both directions, each with the nodes that it leads from and to.
    pub(crate) fn hops(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        let named = self.map.links().flat_map(|link| {
            let ends = self.map.ends(link);
            let (a, b) = (self.map.hub(ends.0), self.map.hub(ends.1));
            let (a, b) = (a.unwrap_or(u32::MAX), b.unwrap_or(u32::MAX));
            [(b, a), (a, b)]
        });
        let spurs = (0u32..).zip(&self.spurs).filter(|(_, spur)| spur.is_some());
        let spurs = spurs.flat_map(|(site, _)| {
            let (hub, node) = (self.hubs[site as usize], self.named() + site);
            [(node, hub), (hub, node)]
        });
        named.chain(spurs).enumerate().map(|(hop, (from, to))| (hop, from, to))
    }

    /// The number of a site.
    pub(crate) fn index(&self, site: SiteId) -> Option<u32> {
        self.sites.binary_search(&site).ok().and_then(|i| u32::try_from(i).ok())
    }

    /// The hops from one site to another in any order; `None` if there is no path.
    pub(crate) fn path(&self, from: u32, to: u32) -> Option<impl Iterator<Item = usize>> {
        let (first, last) = (self.hubs[from as usize], self.hubs[to as usize]);
        // the way there is the way back, so that the plan for one newcomer needs the paths of that site alone
        let paths = self.map.paths(last)?;
        paths.distance(first)?;
        let out = self.spurs[from as usize].map(|spur| spur ^ 1);
        let back = self.spurs[to as usize];
        let middle = paths.back_from(first).map(|hop| hop ^ 1);
        Some(out.into_iter().chain(middle).chain(back).map(|hop| hop as usize))
    }

    /// The speed that a new flow between two sites would have, and the hops; `None` if there is no path.
    pub(crate) fn speed(&self, from: u32, to: u32) -> Option<(Rate, u32)> {
        let mut length = 0;
        let mut least = Rate::UNLIMITED;
        for hop in self.path(from, to)? {
            length += 1;
            least = least.min(self.hops[hop].speed);
        }
        Some((least, length))
    }

    /// The speeds and hops of new flows between one site and each of the others, `outwards` from the one or
    /// towards it, in one walk over all paths from there. What has no path is left out.
    pub(crate) fn reach(
        &mut self,
        one: u32,
        outwards: bool,
        others: &[u32],
        mut found: impl FnMut(u32, Rate, u32),
    ) {
        let Some(paths) = self.map.paths(self.hubs[one as usize]) else {
            return;
        };
        // hops come in pairs of both directions; those of the tree lead away from `one`
        let hops = &self.hops;
        let speed = |away: u32| hops[(if outwards { away } else { away ^ 1 }) as usize].speed;
        let start = match self.spurs[one as usize] {
            Some(spur) => (speed(spur ^ 1), 1),
            None => (Rate::UNLIMITED, 0),
        };
        self.reached.fill((Rate::ZERO, u32::MAX));
        let reached = &mut self.reached;
        paths.walk(|site, step| {
            reached[site as usize] = match step.hops {
                0 => start,
                _ => {
                    let (least, hops) = reached[step.before as usize];
                    (least.min(speed(step.hop)), hops + 1)
                }
            };
            true
        });
        for &other in others {
            let (least, hops) = self.reached[self.hubs[other as usize] as usize];
            match self.spurs[other as usize] {
                _ if hops == u32::MAX => {}
                None => found(other, least, hops),
                Some(spur) => found(other, least.min(speed(spur)), hops + 1),
            }
        }
    }

    /// Plans a flow.
    pub(crate) fn add(&mut self, from: u32, to: u32, rate: Rate) {
        let path: Vec<usize> = self.path(from, to).into_iter().flatten().collect();
        for hop in path {
            let hop = &mut self.hops[hop];
            hop.planned = hop.planned.saturating_add(rate);
            hop.flows = hop.flows.saturating_add(1);
            let left = hop.rate.saturating_sub(hop.planned);
            hop.speed = left.max(hop.rate.share(hop.flows.saturating_add(1)));
        }
    }

    /// Keeps sites that are paired with themselves from serving others.
    pub(crate) fn silence(&mut self, barren: &BTreeSet<(SiteId, SiteId)>) {
        for (site, serves) in self.sites.iter().zip(&mut self.serves) {
            *serves &= !barren.contains(&(*site, *site));
        }
    }

    /// Whether peers of a site may serve other sites.
    pub(crate) fn may_serve(&self, site: u32) -> bool {
        self.serves[site as usize]
    }

    /// How many nodes there are: the sites of the map, then one for each attached site that takes part.
    pub(crate) fn nodes(&self) -> usize {
        self.reached.len() + self.sites.len()
    }

    /// The node of a site.
    pub(crate) fn node(&self, site: u32) -> u32 {
        match self.spurs[site as usize] {
            None => self.hubs[site as usize],
            Some(_) => self.named() + site,
        }
    }

    /// The nodes beside a node, and the speed that a new flow would have on the hop to there.
    pub(crate) fn neighbours(&self, node: u32) -> impl Iterator<Item = (u32, Rate)> {
        let site = node.checked_sub(self.named());
        let inwards = site.and_then(|site| Some((self.hubs[site as usize], self.spurs[site as usize]? - 1)));
        let outwards = (0u32..)
            .zip(self.hubs.iter().zip(&self.spurs))
            .filter(move |(_, (hub, _))| **hub == node)
            .filter_map(|(site, (_, spur))| Some((self.named() + site, (*spur)?)));
        let outwards = Some(outwards).filter(|_| self.attached).into_iter().flatten();
        let along = self.map.neighbours(node).iter().copied();
        let all = inwards.into_iter().chain(along).chain(outwards);
        all.map(|(next, hop)| (next, self.hops[hop as usize].speed))
    }

    /// The only neighbour of a site of the map that has no other, if that takes part.
    pub(crate) fn only_neighbour(&self, site: u32) -> Option<u32> {
        if self.spurs[site as usize].is_some() {
            return None;
        }
        match *self.map.neighbours(self.hubs[site as usize]) {
            [(next, _)] => self.index(SiteId::Named(next)),
            _ => None,
        }
    }

    /// The number of the first attached site's node.
    fn named(&self) -> u32 {
        u32::try_from(self.reached.len()).unwrap_or(u32::MAX)
    }
}
