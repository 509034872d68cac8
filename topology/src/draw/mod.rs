//! A site map as a picture.

mod labels;
mod layout;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::labels::{Area, Taken, width};
use self::layout::{LARGE, Layout, Point, layout};
use self::svg::{Arrow, Label, Line, Node, Scene};
use crate::plan::Plan;
use crate::{Hop, LinkId, Rate, SiteId, SiteMap, spell};

/// An SVG of the map: sites, links as thick as their rate at that time (by its logarithm) with the rate
/// beside them, transit sites as dots, networks in the tooltips. With a plan also who gets the content from
/// whom, as arrows along the links, a colour per stripe, and when each site is complete.
///
/// The same map gives the same picture. Trees are drawn radially; meshed maps by stress majorization. Colours
/// follow the reader's light or dark scheme. Where a label finds no place that is free, it is left to the
/// tooltip.
pub fn draw(map: &SiteMap, at: Timestamp, plan: Option<&Plan>) -> String {
    let mut sites: BTreeSet<SiteId> = map.sites().collect();
    let mut links: Vec<LinkId> = map.links().collect();
    if let Some(plan) = plan {
        let peers = plan.rollout.seeds.keys().chain(plan.rollout.clients.keys());
        for site in peers.filter(|site| !sites.contains(site)).copied().collect::<BTreeSet<_>>() {
            if let SiteId::Attached(net) = site {
                links.push(LinkId::Attached(net));
                sites.insert(site);
            }
        }
    }
    let sites: Vec<SiteId> = sites.into_iter().collect();
    let picture = Picture::new(map, at, plan, sites, links);
    picture.scene().svg()
}

/// Where [`draw`] puts each site of the map: x and y in pixels, y downwards.
pub fn positions(map: &SiteMap) -> Vec<(SiteId, f64, f64)> {
    let sites: Vec<SiteId> = map.sites().collect::<BTreeSet<_>>().into_iter().collect();
    let picture = Picture::new(map, Timestamp::UNIX_EPOCH, None, sites, map.links().collect());
    let points = picture.layout.points.iter();
    let placed = picture.sites.iter().zip(points);
    placed.map(|(site, point)| (*site, point.x, point.y)).collect()
}

struct Picture<'m> {
    map: &'m SiteMap,
    at: Timestamp,
    plan: Option<&'m Plan>,
    sites: Vec<SiteId>,
    links: Vec<(LinkId, usize, usize)>,
    layout: Layout,
    number: BTreeMap<SiteId, usize>,
    size: f64,
}

/// How far arrows are beside the line, and from each other.
const LANE: f64 = 4.5;

impl<'m> Picture<'m> {
    fn new(
        map: &'m SiteMap,
        at: Timestamp,
        plan: Option<&'m Plan>,
        sites: Vec<SiteId>,
        links: Vec<LinkId>,
    ) -> Self {
        let number: BTreeMap<SiteId, usize> = sites.iter().enumerate().map(|(i, site)| (*site, i)).collect();
        let links = links.into_iter().filter_map(|link| {
            let (a, b) = map.ends(link);
            Some((link, *number.get(&a)?, *number.get(&b)?))
        });
        let links: Vec<(LinkId, usize, usize)> = links.collect();
        let pairs: Vec<(usize, usize)> = links.iter().map(|(_, a, b)| (*a, *b)).collect();
        let size = if sites.len() > LARGE { 10.0 } else { 13.0 };
        Picture {
            layout: layout(sites.len(), &pairs),
            map,
            at,
            plan,
            sites,
            links,
            number,
            size,
        }
    }

    fn scene(&self) -> Scene {
        let mut taken = Taken::default();
        for (i, point) in self.layout.points.iter().enumerate() {
            let radius = self.radius(i);
            taken.area(Area::around(*point, radius * 2.0, radius * 2.0));
        }
        for (_, a, b) in &self.links {
            taken.line(self.layout.points[*a], self.layout.points[*b]);
        }
        let mut labels = Vec::new();
        for i in 0..self.sites.len() {
            labels.extend(self.site_label(i, &mut taken));
        }
        for link in &self.links {
            labels.extend(self.link_label(link, &mut taken));
        }
        Scene {
            title: "Site map".to_owned(),
            description: self.description(),
            heading: self.heading(),
            lines: self.links.iter().map(|link| self.line(link)).collect(),
            arrows: self.arrows(),
            nodes: (0..self.sites.len()).map(|site| self.node(site)).collect(),
            labels,
            stripes: self.plan.map_or(0, |plan| plan.stripes.len()),
        }
    }

    fn radius(&self, site: usize) -> f64 {
        match (self.map.is_transit(self.sites[site]), self.sites.len() > LARGE) {
            (true, true) => 3.0,
            (true, false) => 5.0,
            (false, true) => 5.5,
            (false, false) => 11.0,
        }
    }

    fn node(&self, site: usize) -> Node {
        let id = self.sites[site];
        let seeded = self.plan.is_some_and(|plan| plan.rollout.seeds.contains_key(&id));
        let idle = self.plan.is_some_and(|plan| !seeded && !plan.rollout.clients.contains_key(&id));
        Node {
            point: self.layout.points[site],
            radius: self.radius(site),
            transit: self.map.is_transit(id),
            fetching: !self.map.sharing(id),
            seeded,
            idle,
            title: self.tooltip(id),
        }
    }

    fn tooltip(&self, site: SiteId) -> String {
        let mut text = self.map.name(site).into_owned();
        let networks: Vec<String> = self.map.networks(site).iter().map(ToString::to_string).collect();
        if self.map.is_transit(site) {
            text.push_str("\ntransit site: nobody is there");
        } else {
            text.push_str(&format!("\n{}", networks.join("\n")));
        }
        if !self.map.sharing(site) {
            text.push_str("\nits peers only fetch");
        }
        if let Some(plan) = self.plan {
            if let Some(seeders) = plan.rollout.seeds.get(&site) {
                text.push_str(&format!("\nseeders: {seeders}"));
            }
            if let Some(found) = plan.site(site) {
                let complete = found.complete.map_or("never".to_owned(), |at| {
                    spell::moment(self.map, at, plan.rollout.at)
                });
                text.push_str(&format!("\nclients: {}, complete: {complete}", found.clients));
            }
        }
        text
    }

    fn rate(&self, link: LinkId) -> Rate {
        self.map.rate(Hop { link, forward: true }, self.at)
    }

    fn line(&self, (link, a, b): &(LinkId, usize, usize)) -> Line {
        let (rate, base) = (self.rate(*link), self.map.base_rate(*link));
        let name = format!(
            "{} - {}",
            self.map.name(self.sites[*a]),
            self.map.name(self.sites[*b])
        );
        let mut title = format!("{name}\n{}", spell::rate(rate));
        if rate != base {
            title.push_str(&format!(" by schedule, else {base}"));
        }
        title.push_str(&format!("\ncost {}", self.map.cost(*link)));
        if let Some(plan) = self.plan {
            for forward in [true, false] {
                let hop = Hop { link: *link, forward };
                if let Some(bytes) = plan.hops.get(&hop) {
                    let bytes = spell::bytes(*bytes);
                    title.push_str(&format!(
                        "\n{}: {bytes}, {:.2} copies",
                        spell::hop(self.map, hop),
                        plan.copies(hop)
                    ));
                }
            }
        }
        Line {
            from: self.layout.points[*a],
            to: self.layout.points[*b],
            width: thickness(rate),
            paused: rate == Rate::ZERO,
            title,
        }
    }

    /// One line of text, two with a plan; beside the site where there is room, along the ray in large trees.
    fn site_label(&self, site: usize, taken: &mut Taken) -> Option<Label> {
        let id = self.sites[site];
        let name = self.map.name(id).into_owned();
        let when = self.plan.and_then(|plan| {
            if plan.rollout.seeds.contains_key(&id) {
                return Some("seeders".to_owned());
            }
            let found = plan.site(id)?;
            let Some(seconds) = found.seconds else {
                return Some("never complete".to_owned());
            };
            let rate = spell::rate(found.rate(plan.rollout.size));
            let each = if self.map.sharing(id) || found.clients < 2 {
                ""
            } else {
                " each"
            };
            Some(format!("{rate}{each}, {}", spell::about(seconds)))
        });
        let transit = self.map.is_transit(id);
        let point = self.layout.points[site];
        if let Some(angle) = self.layout.rays[site] {
            // the rate of its only link stands here too
            let link = self.links.iter().find(|(_, a, b)| *a == site || *b == site);
            let rate = link.map(|(link, ..)| spell::rate(self.rate(*link)));
            let second = [rate, when].into_iter().flatten().collect::<Vec<_>>().join(" | ");
            return Some(Label::ray(
                point,
                self.radius(site),
                angle,
                name,
                second,
                self.size,
            ));
        }
        let second = when.unwrap_or_default();
        let lines = if second.is_empty() { 1.0 } else { 2.0 };
        let wide = width(&name, self.size).max(width(&second, self.size * 0.85)) + 4.0;
        let high = self.size * 1.2 * lines;
        let (dx, dy) = (
            self.radius(site) + wide / 2.0 + 3.0,
            self.radius(site) + high / 2.0 + 2.0,
        );
        let places = [
            (0.0, dy),
            (0.0, -dy),
            (dx, 0.0),
            (-dx, 0.0),
            (dx, dy),
            (-dx, dy),
            (dx, -dy),
            (-dx, -dy),
        ];
        let further = places.map(|(x, y)| (x * 1.5, y * 1.9));
        let candidates = places.into_iter().chain(further).map(|(x, y)| {
            let centre = Point {
                x: point.x + x,
                y: point.y + y,
            };
            Area::around(centre, wide, high)
        });
        let area = taken.place(candidates)?;
        Some(Label::site(area, name, second, self.size, transit))
    }

    /// The rate, at the middle of the link or nearer to an end.
    fn link_label(&self, (link, a, b): &(LinkId, usize, usize), taken: &mut Taken) -> Option<Label> {
        if self.layout.rays[*a].is_some() || self.layout.rays[*b].is_some() {
            return None;
        }
        let (from, to) = (self.layout.points[*a], self.layout.points[*b]);
        let text = spell::rate(self.rate(*link));
        let size = self.size * 0.85;
        let (wide, high) = (width(&text, size) + 4.0, size * 1.25);
        let lanes = self.plan.map_or(0, |plan| plan.stripes.len()) as f64 * LANE;
        let (length, lanes) = (from.distance(to).max(1.0), lanes + 6.0);
        let (nx, ny) = ((to.y - from.y) / length, (from.x - to.x) / length);
        let beside = lanes + (wide * nx.abs() + high * ny.abs()) / 2.0;
        // links spread out from a site of many: further out a label is nearer to its own link than to the
        // next
        let many = |site: usize| self.links.iter().filter(|(_, a, b)| *a == site || *b == site).count();
        let outwards = many(*a) >= many(*b);
        let parts =
            [0.6, 0.5, 0.68, 0.42, 0.74, 0.34, 0.26].map(|part| if outwards { part } else { 1.0 - part });
        let candidates = parts.iter().flat_map(|part| {
            let on = from.to(to, *part);
            [1.0, -1.0].map(|side| {
                let centre = Point {
                    x: on.x + nx * beside * side,
                    y: on.y + ny * beside * side,
                };
                Area::around(centre, wide, high)
            })
        });
        let area = taken.place(candidates)?;
        Some(Label::rate(area, text, size))
    }

    /// The flows of the plan along their paths, beside each other where several take the same way.
    fn arrows(&self) -> Vec<Arrow> {
        let mut lanes: BTreeMap<Hop, usize> = BTreeMap::new();
        let mut arrows = Vec::new();
        let Some(plan) = self.plan else { return arrows };
        for (stripe, forest) in plan.stripes.iter().enumerate() {
            for (site, parent) in forest {
                let Some(route) = self.map.path(parent.site, *site) else {
                    continue;
                };
                let mut points = Vec::new();
                for hop in route.hops.iter() {
                    let (first, second) = self.map.ends(hop.link);
                    let (from, to) = if hop.forward {
                        (first, second)
                    } else {
                        (second, first)
                    };
                    let (Some(from), Some(to)) = (self.number.get(&from), self.number.get(&to)) else {
                        continue;
                    };
                    let lane = lanes.entry(*hop).or_insert(0);
                    let offset = thickness(self.rate(hop.link)) / 2.0 + LANE * (0.6 + *lane as f64);
                    *lane += 1;
                    let (a, b) = (self.layout.points[*from], self.layout.points[*to]);
                    let length = a.distance(b).max(1.0);
                    let (x, y) = (-(b.y - a.y) / length * offset, (b.x - a.x) / length * offset);
                    let beside = |point: Point| Point {
                        x: point.x + x,
                        y: point.y + y,
                    };
                    let (start, end) = (self.radius(*from) + 2.0, self.radius(*to) + 4.0);
                    points.push(beside(a.to(b, start / length)));
                    points.push(beside(a.to(b, 1.0 - end / length)));
                }
                let title = format!(
                    "{} from {}: {}",
                    self.map.name(*site),
                    self.map.name(parent.site),
                    spell::rate(parent.rate)
                );
                arrows.push(Arrow {
                    points,
                    stripe,
                    title,
                });
            }
        }
        arrows
    }

    fn heading(&self) -> Vec<String> {
        let Some(plan) = self.plan else { return Vec::new() };
        let seeds: Vec<_> = plan.rollout.seeds.keys().map(|site| self.map.name(*site).into_owned()).collect();
        let clients: u32 = plan.rollout.clients.values().sum();
        let size = spell::bytes(plan.rollout.size as f64);
        let complete = match (plan.seconds, plan.complete()) {
            (Some(seconds), Some(at)) => {
                format!(
                    "complete {}, after {}",
                    spell::date(self.map, at),
                    spell::duration(seconds)
                )
            }
            _ => "never complete".to_owned(),
        };
        vec![
            format!("{size} from {} to {clients} clients", seeds.join(", ")),
            complete,
        ]
    }

    fn description(&self) -> String {
        let transit = self.sites.iter().filter(|site| self.map.is_transit(**site)).count();
        let mut text = format!(
            "{} sites, {transit} of them transit, and {} links.",
            self.sites.len(),
            self.links.len()
        );
        for line in self.heading() {
            text.push_str(&format!(" {line}."));
        }
        text
    }
}

/// Pixels, by the logarithm of the rate: 1 Mbit/s is 1.5 wide, 1 Gbit/s 7.5.
fn thickness(rate: Rate) -> f64 {
    match rate.bytes_per_second() {
        None => 9.0,
        Some(0) => 1.0,
        Some(bytes) => (1.5 + 2.0 * (bytes as f64 * 8.0 / 1e6).log10()).clamp(1.0, 9.0),
    }
}

#[cfg(test)]
mod tests;
