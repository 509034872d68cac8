//! SVG text.

use std::fmt::Write;

use super::labels::{Area, width};
use super::layout::Point;

/// What is on a drawing.
pub(super) struct Scene {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) heading: Vec<String>,
    pub(super) lines: Vec<Line>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) nodes: Vec<Node>,
    pub(super) labels: Vec<Label>,
    pub(super) stripes: usize,
}

/// A link.
pub(super) struct Line {
    pub(super) from: Point,
    pub(super) to: Point,
    pub(super) width: f64,
    pub(super) paused: bool,
    pub(super) title: String,
}

/// A flow.
pub(super) struct Arrow {
    pub(super) points: Vec<Point>,
    pub(super) stripe: usize,
    pub(super) title: String,
}

/// A site.
pub(super) struct Node {
    pub(super) point: Point,
    pub(super) radius: f64,
    pub(super) transit: bool,
    /// Its peers only fetch.
    pub(super) fetching: bool,
    pub(super) seeded: bool,
    /// It has no part in the plan.
    pub(super) idle: bool,
    pub(super) title: String,
}

/// A text of one or two lines.
pub(super) struct Label {
    pub(super) area: Area,
    lines: Vec<(String, &'static str, f64)>,
    /// Degrees around the left end of the area's middle line; `None`: it stands upright and centred.
    turned: Option<Turn>,
}

#[derive(Clone, Copy)]
struct Turn {
    pivot: Point,
    degrees: f64,
    /// Whether it ends at the pivot, so that it is not upside down.
    ends: bool,
}

impl Label {
    pub(super) fn site(area: Area, name: String, second: String, size: f64, transit: bool) -> Label {
        let class = if transit { "muted" } else { "name" };
        let mut lines = vec![(name, class, size)];
        if !second.is_empty() {
            lines.push((second, "muted", size * 0.85));
        }
        Label {
            area,
            lines,
            turned: None,
        }
    }

    pub(super) fn rate(area: Area, text: String, size: f64) -> Label {
        Label {
            area,
            lines: vec![(text, "muted", size)],
            turned: None,
        }
    }

    /// Along a ray from the centre of the drawing.
    pub(super) fn ray(
        point: Point,
        radius: f64,
        angle: f64,
        name: String,
        second: String,
        size: f64,
    ) -> Label {
        let (cos, sin) = (angle.cos(), angle.sin());
        let away = radius + 4.0;
        let pivot = Point {
            x: point.x + cos * away,
            y: point.y + sin * away,
        };
        let ends = cos < 0.0;
        let long = width(&name, size) + width(&second, size * 0.85) + size;
        let tip = Point {
            x: pivot.x + cos * long,
            y: pivot.y + sin * long,
        };
        let area = Area {
            left: pivot.x.min(tip.x) - size / 2.0,
            top: pivot.y.min(tip.y) - size / 2.0,
            width: (tip.x - pivot.x).abs() + size,
            height: (tip.y - pivot.y).abs() + size,
        };
        let degrees = angle.to_degrees() + if ends { 180.0 } else { 0.0 };
        Label {
            area,
            lines: vec![(name, "name", size), (second, "muted", size * 0.85)],
            turned: Some(Turn { pivot, degrees, ends }),
        }
    }

    /// Whether it lies along a ray, where its area says little.
    #[cfg(test)]
    pub(super) fn is_turned(&self) -> bool {
        self.turned.is_some()
    }

    fn write(&self, svg: &mut String) {
        if let Some(Turn { pivot, degrees, ends }) = self.turned {
            let anchor = if ends { "end" } else { "start" };
            let _ = write!(
                svg,
                r#"<text transform="translate({:.1} {:.1}) rotate({degrees:.1})" text-anchor="{anchor}" dy="0.35em">"#,
                pivot.x, pivot.y
            );
            let mut spans: Vec<String> = self
                .lines
                .iter()
                .map(|(text, class, size)| {
                    format!(
                        r#"<tspan class="{class}" font-size="{size:.1}">{}</tspan>"#,
                        escape(text)
                    )
                })
                .collect();
            if ends {
                spans.reverse();
            }
            let _ = writeln!(svg, "{}</text>", spans.join(" "));
            return;
        }
        let step = self.area.height / self.lines.len() as f64;
        for (i, (text, class, size)) in self.lines.iter().enumerate() {
            let y = self.area.top + step * (i as f64 + 0.5) + size * 0.35;
            let _ = writeln!(
                svg,
                r#"<text class="{class}" x="{:.1}" y="{y:.1}" font-size="{size:.1}" text-anchor="middle">{}</text>"#,
                self.area.centre().x,
                escape(text)
            );
        }
    }
}

/// Light, then dark; the stripes' colours are told apart by the colour-blind too (Okabe, Ito 2008). No
/// variables: not every viewer knows them.
const STYLE: &str = "
.map{font-family:system-ui,'Segoe UI','DejaVu Sans',sans-serif}
.link{stroke-linecap:round}
.paused{stroke-dasharray:3 5}
.site{stroke-width:1.5}
.fetching{stroke-dasharray:3 2}
.idle{opacity:.55}
text{stroke-width:3px;stroke-linejoin:round;paint-order:stroke}
.heading{font-weight:600}
.flow{fill:none;stroke-width:2;stroke-linejoin:round}
.paper{fill:#fff}
.link{stroke:#c3ced9}
.site{fill:#e8eef5;stroke:#3a5168}
.transit{fill:#5b6b7a}
.seeded{fill:#3a5168}
text,.name{fill:#1b2733;stroke:#fff}
.muted{fill:#5b6b7a}
.s0{stroke:#0072b2}.h0{fill:#0072b2}.s1{stroke:#d55e00}.h1{fill:#d55e00}.s2{stroke:#009e73}.h2{fill:#009e73}.s3{stroke:#b0579a}.h3{fill:#b0579a}
@media (prefers-color-scheme:dark){
.paper{fill:#12181f}
.link{stroke:#3d4c5b}
.site{fill:#26323f;stroke:#a9bccf}
.transit{fill:#9fb0c0}
.seeded{fill:#a9bccf}
text,.name{fill:#e9eff5;stroke:#12181f}
.muted{fill:#9fb0c0}
.s0{stroke:#56b4e9}.h0{fill:#56b4e9}.s1{stroke:#f0a04b}.h1{fill:#f0a04b}.s2{stroke:#3fc79a}.h2{fill:#3fc79a}.s3{stroke:#d993c6}.h3{fill:#d993c6}}
";

/// Room around everything.
const MARGIN: f64 = 24.0;

impl Scene {
    pub(super) fn svg(&self) -> String {
        let (origin, width_of, height) = self.bounds();
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="map" role="img" aria-labelledby="title description" viewBox="{:.0} {:.0} {width_of:.0} {height:.0}" width="{width_of:.0}" height="{height:.0}">"#,
            origin.x, origin.y
        );
        let _ = writeln!(svg, r#"<title id="title">{}</title>"#, escape(&self.title));
        let _ = writeln!(
            svg,
            r#"<desc id="description">{}</desc>"#,
            escape(&self.description)
        );
        let _ = writeln!(svg, "<style>{STYLE}</style>\n<defs>");
        for stripe in 0..self.stripes.min(4) {
            let _ = writeln!(
                svg,
                r#"<marker id="head{stripe}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="h{stripe}" d="M0 0.5 8 4 0 7.5z"/></marker>"#
            );
        }
        let _ = writeln!(
            svg,
            "</defs>\n<rect class=\"paper\" x=\"{:.0}\" y=\"{:.0}\" width=\"{width_of:.0}\" height=\"{height:.0}\"/>",
            origin.x, origin.y
        );
        for line in &self.lines {
            line.write(&mut svg);
        }
        for arrow in &self.arrows {
            arrow.write(&mut svg);
        }
        for node in &self.nodes {
            node.write(&mut svg);
        }
        for label in &self.labels {
            label.write(&mut svg);
        }
        self.legend(&mut svg, origin);
        svg.push_str("</svg>\n");
        svg
    }

    fn key(&self) -> Vec<(Option<usize>, String)> {
        let mut rows: Vec<(Option<usize>, String)> =
            self.heading.iter().map(|line| (None, line.clone())).collect();
        match self.stripes {
            0 => {}
            1 => rows.push((Some(0), "the content goes this way".to_owned())),
            more => rows.extend((0..more).map(|stripe| (Some(stripe), format!("stripe {}", stripe + 1)))),
        }
        rows
    }

    fn key_height(&self) -> f64 {
        let rows = self.key().len() as f64;
        if rows > 0.0 { rows * KEY * 1.4 + KEY } else { 0.0 }
    }

    fn bounds(&self) -> (Point, f64, f64) {
        let nodes =
            self.nodes.iter().map(|node| Area::around(node.point, node.radius * 2.0, node.radius * 2.0));
        let areas: Vec<Area> = nodes.chain(self.labels.iter().map(|label| label.area)).collect();
        let least = |value: fn(&Area) -> f64| areas.iter().map(value).fold(f64::INFINITY, f64::min);
        let most = |value: fn(&Area) -> f64| areas.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        let (left, top) = (least(|area| area.left), least(|area| area.top));
        let (right, bottom) = (
            most(|area| area.left + area.width),
            most(|area| area.top + area.height),
        );
        let text = self.key().iter().map(|(_, line)| width(line, KEY) + 40.0).fold(0.0, f64::max);
        let origin = Point {
            x: left - MARGIN,
            y: top - MARGIN - self.key_height(),
        };
        let wide = (right - left).max(text) + 2.0 * MARGIN;
        (origin, wide, bottom - top + 2.0 * MARGIN + self.key_height())
    }

    /// What the rollout is and what the colours mean, at the top left.
    fn legend(&self, svg: &mut String, origin: Point) {
        for (i, (stripe, text)) in self.key().iter().enumerate() {
            let (x, y) = (
                origin.x + MARGIN,
                origin.y + MARGIN + KEY * 1.4 * (i as f64 + 0.5),
            );
            let indent = if stripe.is_some() { 36.0 } else { 0.0 };
            if let Some(stripe) = stripe {
                let points = [
                    Point { x, y: y - 4.0 },
                    Point {
                        x: x + 26.0,
                        y: y - 4.0,
                    },
                ]
                .to_vec();
                let arrow = Arrow {
                    points,
                    stripe: *stripe,
                    title: text.clone(),
                };
                arrow.write(svg);
            }
            let class = if i == 0 && stripe.is_none() {
                "heading"
            } else {
                "muted"
            };
            let _ = writeln!(
                svg,
                r#"<text class="{class}" x="{:.1}" y="{y:.1}" font-size="{KEY}">{}</text>"#,
                x + indent,
                escape(text)
            );
        }
    }
}

/// The font's size of the legend.
const KEY: f64 = 14.0;

impl Line {
    fn write(&self, svg: &mut String) {
        let paused = if self.paused { " paused" } else { "" };
        let _ = writeln!(
            svg,
            r#"<line class="link{paused}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke-width="{:.1}"><title>{}</title></line>"#,
            self.from.x,
            self.from.y,
            self.to.x,
            self.to.y,
            self.width,
            escape(&self.title)
        );
    }
}

impl Arrow {
    fn write(&self, svg: &mut String) {
        let mut path = String::new();
        for (i, point) in self.points.iter().enumerate() {
            let _ = write!(
                path,
                "{}{:.1} {:.1}",
                if i == 0 { "M" } else { "L" },
                point.x,
                point.y
            );
        }
        let colour = self.stripe % 4;
        let _ = writeln!(
            svg,
            r##"<path class="flow s{colour}" d="{path}" marker-end="url(#head{colour})"><title>{}</title></path>"##,
            escape(&self.title)
        );
    }
}

impl Node {
    fn write(&self, svg: &mut String) {
        let mut class = if self.transit { "transit" } else { "site" }.to_owned();
        for (is, name) in [
            (self.fetching, " fetching"),
            (self.seeded, " seeded"),
            (self.idle && !self.transit, " idle"),
        ] {
            if is {
                class.push_str(name);
            }
        }
        let _ = writeln!(
            svg,
            r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="{:.1}"><title>{}</title></circle>"#,
            self.point.x,
            self.point.y,
            self.radius,
            escape(&self.title)
        );
    }
}

/// Text as XML has it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
