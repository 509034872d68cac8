//! Where labels go, so that none covers another.

use super::layout::Point;

/// A rectangle on the drawing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn around(centre: Point, width: f64, height: f64) -> Area {
        Area {
            left: centre.x - width / 2.0,
            top: centre.y - height / 2.0,
            width,
            height,
        }
    }

    pub(super) fn centre(self) -> Point {
        Point {
            x: self.left + self.width / 2.0,
            y: self.top + self.height / 2.0,
        }
    }

    pub(super) fn overlaps(self, other: Area) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }

    /// Whether a line comes through.
    fn crossed(self, from: Point, to: Point) -> bool {
        // clip the line (Liang, Barsky 1984)
        let (mut begin, mut end) = (0.0f64, 1.0f64);
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        for (p, q) in [
            (-dx, from.x - self.left),
            (dx, self.left + self.width - from.x),
            (-dy, from.y - self.top),
            (dy, self.top + self.height - from.y),
        ] {
            if p == 0.0 {
                if q < 0.0 {
                    return false;
                }
            } else if p < 0.0 {
                begin = begin.max(q / p);
            } else {
                end = end.min(q / p);
            }
        }
        begin < end
    }
}

/// How wide a text is about, in a sans-serif font of this size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let wide = |c: char| match c {
        c if u32::from(c) >= 0x1100 => 1.0,
        'm' | 'w' | 'M' | 'W' => 0.85,
        'i' | 'l' | 'j' | '.' | ',' | ':' | '|' | ' ' => 0.32,
        _ => 0.58,
    };
    text.chars().map(wide).sum::<f64>() * size
}

/// What is on the drawing already.
#[derive(Default)]
pub(super) struct Taken {
    areas: Vec<Area>,
    lines: Vec<(Point, Point)>,
}

impl Taken {
    pub(super) fn line(&mut self, from: Point, to: Point) {
        self.lines.push((from, to));
    }

    pub(super) fn area(&mut self, area: Area) {
        self.areas.push(area);
    }

    /// Takes the first of the candidates that covers the least; `None` if each covers an area.
    pub(super) fn place(&mut self, candidates: impl IntoIterator<Item = Area>) -> Option<Area> {
        let free =
            candidates.into_iter().filter(|area| !self.areas.iter().any(|other| other.overlaps(*area)));
        let crossings = |area: &Area| self.lines.iter().filter(|(from, to)| area.crossed(*from, *to)).count();
        let best = free.min_by_key(crossings)?;
        self.areas.push(best);
        Some(best)
    }
}
