//! Where the sites are on the drawing.

use std::collections::VecDeque;

/// A point; y grows downwards.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    pub(super) fn to(self, other: Point, part: f64) -> Point {
        Point {
            x: self.x + (other.x - self.x) * part,
            y: self.y + (other.y - self.y) * part,
        }
    }

    pub(super) fn distance(self, other: Point) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// The layout of a map.
pub(super) struct Layout {
    pub(super) points: Vec<Point>,
    /// Per site, where its label points to, in radians: only in large trees, whose leaves have labels along
    /// the rays.
    pub(super) rays: Vec<Option<f64>>,
}

/// From how many sites on labels are small, and those of a tree turned.
pub(super) const LARGE: usize = 30;

/// Beyond that many sites a meshed map is drawn as a tree with further links: stress costs the square.
const MAX_STRESSED: usize = 400;

/// How far leaves are from each other on their circle, in a large tree and in a small one, where labels are
/// not turned.
const LEAVES: (f64, f64) = (17.0, 120.0);

/// How far the circles of a tree are from each other, in a large tree and in a small one.
const CIRCLES: (f64, f64) = (150.0, 170.0);

/// Trees are drawn radially around their centre. In meshed maps the distances on paper are then brought near
/// to the hops between the sites (stress majorization: Gansner, Koren, North 2004).
pub(super) fn layout(sites: usize, links: &[(usize, usize)]) -> Layout {
    let mut beside = vec![Vec::new(); sites];
    for (a, b) in links {
        beside[*a].push(*b);
        beside[*b].push(*a);
    }
    for list in &mut beside {
        list.sort_unstable();
        list.dedup();
    }
    let tree = links.len() < sites;
    let large = sites > LARGE;
    let (mut points, angles) = radial(&beside, large);
    let turned = large && (tree || sites > MAX_STRESSED);
    if !tree && sites <= MAX_STRESSED {
        stress(&mut points, &beside, if large { 95.0 } else { 160.0 });
    }
    let leaf = |site: usize| beside[site].len() <= 1 && sites > 2;
    let rays = (0..sites).map(|site| (turned && leaf(site)).then_some(angles[site])).collect();
    Layout { points, rays }
}

/// Hops from a site to all others.
fn hops(beside: &[Vec<usize>], from: usize) -> Vec<usize> {
    let mut hops = vec![usize::MAX; beside.len()];
    hops[from] = 0;
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        for next in &beside[at] {
            if hops[*next] == usize::MAX {
                hops[*next] = hops[at] + 1;
                queue.push_back(*next);
            }
        }
    }
    hops
}

/// The site in the middle: between the ends of a longest way; of two, the one with more links.
fn centre(beside: &[Vec<usize>]) -> usize {
    let far = |from: usize| {
        let hops = hops(beside, from);
        (0..beside.len())
            .filter(|site| hops[*site] < usize::MAX)
            .max_by_key(|site| (hops[*site], usize::MAX - site))
    };
    let Some((a, b)) = far(0).and_then(|a| Some((a, far(a)?))) else {
        return 0;
    };
    let (from_a, from_b) = (hops(beside, a), hops(beside, b));
    let eccentric = |site: usize| from_a[site].max(from_b[site]);
    (0..beside.len())
        .min_by_key(|site| (eccentric(*site), usize::MAX - beside[*site].len(), *site))
        .unwrap_or(0)
}

/// Points around the centre, each leaf with an equal angle, and the angle of each site.
fn radial(beside: &[Vec<usize>], large: bool) -> (Vec<Point>, Vec<f64>) {
    let sites = beside.len();
    let mut points = vec![Point::default(); sites];
    let mut angles = vec![0.0; sites];
    if sites == 0 {
        return (points, angles);
    }
    let centre = centre(beside);
    // breadth first: parents before their children
    let (mut order, mut parent, mut depth) = (vec![centre], vec![usize::MAX; sites], vec![usize::MAX; sites]);
    depth[centre] = 0;
    let mut next = 0;
    while let Some(at) = order.get(next).copied() {
        next += 1;
        for other in &beside[at] {
            if depth[*other] == usize::MAX {
                depth[*other] = depth[at] + 1;
                parent[*other] = at;
                order.push(*other);
            }
        }
    }
    let mut leaves = vec![0.0f64; sites];
    for site in order.iter().rev() {
        leaves[*site] = leaves[*site].max(1.0);
        if let Some(sum) = leaves.get(parent[*site]).copied() {
            leaves[parent[*site]] = sum + leaves[*site];
        }
    }
    let all = leaves[centre];
    let (between, apart) = if large {
        (LEAVES.0, CIRCLES.0)
    } else {
        (LEAVES.1, CIRCLES.1)
    };
    let deepest = order.iter().map(|site| depth[*site]).max().unwrap_or(0);
    let mut radius = vec![0.0; deepest + 1];
    for circle in 1..=deepest {
        let on = order.iter().filter(|site| depth[**site] == circle);
        let crowded = on.clone().any(|site| leaves[*site] == 1.0) && on.count() > 1;
        let least: f64 = if crowded {
            between * all / std::f64::consts::TAU
        } else {
            0.0
        };
        radius[circle] = least.max(radius[circle - 1] + apart);
    }
    // what is on the inner circles moves out with the outer ones
    for circle in (1..deepest).rev() {
        radius[circle] = f64::max(
            radius[circle],
            radius[circle + 1] * circle as f64 / (circle + 1) as f64,
        );
    }
    let mut begins = vec![0.0; sites];
    begins[centre] = -std::f64::consts::FRAC_PI_2 - std::f64::consts::PI / all;
    let mut used = begins.clone();
    for site in order.iter().skip(1) {
        let (above, share) = (parent[*site], leaves[*site] / all * std::f64::consts::TAU);
        begins[*site] = used[above];
        used[*site] = used[above];
        used[above] += share;
        let angle = begins[*site] + share / 2.0;
        angles[*site] = angle;
        let radius = radius[depth[*site]];
        points[*site] = Point {
            x: radius * angle.cos(),
            y: radius * angle.sin(),
        };
    }
    (points, angles)
}

/// Moves the points until their distances are as near to `length` per hop as can be.
fn stress(points: &mut [Point], beside: &[Vec<usize>], length: f64) {
    let sites = points.len();
    let wanted: Vec<Vec<f64>> = (0..sites)
        .map(|site| hops(beside, site).into_iter().map(|hops| hops as f64 * length).collect())
        .collect();
    let rounds = if sites > 100 { 120 } else { 300 };
    for _ in 0..rounds {
        for site in 0..sites {
            let (mut x, mut y, mut sum) = (0.0, 0.0, 0.0);
            for other in (0..sites).filter(|other| *other != site) {
                let goal = wanted[site][other];
                let weight = 1.0 / (goal * goal);
                let is = points[site].distance(points[other]).max(1e-6);
                let (here, there) = (points[site], points[other]);
                x += weight * (there.x + goal * (here.x - there.x) / is);
                y += weight * (there.y + goal * (here.y - there.y) / is);
                sum += weight;
            }
            if sum > 0.0 {
                points[site] = Point {
                    x: x / sum,
                    y: y / sum,
                };
            }
        }
    }
    // stress may lay leaves of the same neighbour upon each other
    for _ in 0..60 {
        for a in 0..sites {
            for b in 0..a {
                let least = length * 0.5;
                let is = points[a].distance(points[b]);
                if is < least {
                    let push = (least - is) / 2.0;
                    let (dx, dy) = match is > 1e-6 {
                        true => ((points[a].x - points[b].x) / is, (points[a].y - points[b].y) / is),
                        // any direction, but always the same
                        false => ((a as f64).cos(), (a as f64).sin()),
                    };
                    points[a].x += dx * push;
                    points[a].y += dy * push;
                    points[b].x -= dx * push;
                    points[b].y -= dy * push;
                }
            }
        }
    }
}
