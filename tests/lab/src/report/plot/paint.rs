//! The SVG itself: elements, escaping, colours.

use std::fmt::Write as _;

/// How many sites have colours of their own; the next have the same, dashed.
const COLOURS: usize = 8;

/// Light pages, then dark ones.
const PALETTE: [(&str, &str); COLOURS] = [
    ("#1c6dd0", "#79b0ff"),
    ("#d9480f", "#ff9d57"),
    ("#2b8a3e", "#6fdc85"),
    ("#9c36b5", "#e08bf5"),
    ("#0b7285", "#45cfe0"),
    ("#c2255c", "#fb92b8"),
    ("#8a6d00", "#f2cf3f"),
    ("#495057", "#ced4da"),
];

/// What is the same on both: light, then dark.
const CLASSES: [(&str, &str, &str, &str); 15] = [
    ("page", "fill", "#ffffff", "#15181c"),
    ("title", "fill", "#16191d", "#f1f3f5"),
    ("head", "fill", "#343a40", "#dee2e6"),
    ("site", "fill", "#16191d", "#f1f3f5"),
    ("text", "fill", "#16191d", "#f1f3f5"),
    ("note", "fill", "#5c636a", "#a5adb5"),
    ("tick", "fill", "#5c636a", "#a5adb5"),
    ("grid", "stroke", "#e4e7ea", "#2b3036"),
    ("axis", "stroke", "#868e96", "#868e96"),
    ("bound", "stroke", "#16191d", "#f1f3f5"),
    ("limit", "stroke", "#c92a2a", "#ff8787"),
    ("event", "stroke", "#868e96", "#868e96"),
    ("flow", "stroke", "#3b5b8c", "#9dbbea"),
    ("area", "fill", "#b9cbe6", "#31466b"),
    ("badge", "fill", "#495057", "#ced4da"),
];

const SHAPES: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;font-size:12px}\
.title{font-size:18px;font-weight:600}.head{font-size:13px;font-weight:600}.site{font-size:13px;font-weight:600}\
.note,.tick{font-size:11.5px}.number,.badgeword{font-size:11px;font-weight:600}\
.grid,.axis{stroke-width:1}.bound{stroke-width:1.5;stroke-dasharray:7 5}.boundword{font-weight:600}\
.limit{stroke-width:1.3;stroke-dasharray:2 3}.event{stroke-width:1;stroke-opacity:.65}\
.client,.thin,.flow{fill:none;stroke-linejoin:round}.client{stroke-width:1.7;stroke-opacity:.9}\
.thin{stroke-width:1.1;stroke-opacity:.75}.flow{stroke-width:1.2}.area{stroke:none}.swatch{stroke-width:4}";

/// The class of a site's colour.
pub(super) fn colour(site: usize) -> String {
    format!("c{}", site % COLOURS)
}

/// `&<>"'` and what XML 1.0 does not allow.
pub(super) fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            '\t' => " ".to_owned(),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => "\u{fffd}".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// The points as path data. Points nearer than two thirds of a pixel to the last are left out, but not the
/// last one.
pub(super) fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut data = String::new();
    let mut drawn: Option<(f64, f64)> = None;
    let mut waiting = None;
    let mut put = |(x, y): (f64, f64)| {
        let letter = if data.is_empty() { 'M' } else { 'L' };
        // writing to a String cannot fail
        let _ = write!(data, "{letter}{x:.1} {y:.1}");
    };
    for (x, y) in points {
        let near = drawn.is_some_and(|(px, py)| (px - x).abs() < 0.67 && (py - y).abs() < 0.67);
        if near {
            waiting = Some((x, y));
            continue;
        }
        // a step after a rest: without its corner the rest would look like a slope
        if let (Some(rest), Some(last)) = (waiting.take(), drawn)
            && rest != last
        {
            put(rest);
        }
        put((x, y));
        drawn = Some((x, y));
    }
    if let Some(rest) = waiting {
        put(rest);
    }
    data
}

/// A page that is being painted.
#[derive(Debug, Default)]
pub(super) struct Page {
    body: String,
}

impl Page {
    pub(super) fn open(&mut self, name: &str) {
        self.put(format!("<g id=\"{name}\">"));
    }

    pub(super) fn close(&mut self) {
        self.put("</g>".to_owned());
    }

    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.put(format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A path with what is said of it when it is pointed at.
    pub(super) fn curve(&mut self, data: &str, class: &str, site: usize, said: &str) {
        if !data.is_empty() {
            let dash = dash(site);
            self.put(format!(
                "<path class=\"{class}\"{dash} d=\"{data}\"><title>{}</title></path>",
                escaped(said)
            ));
        }
    }

    pub(super) fn swatch(&mut self, x: f64, y: f64, site: usize) {
        let (class, dash, end) = (colour(site), dash(site), x + 18.0);
        self.put(format!(
            "<line class=\"swatch {class}\"{dash} x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{end:.1}\" y2=\"{y:.1}\"/>"
        ));
    }

    pub(super) fn badge(&mut self, x: f64, y: f64, number: &str, said: &str) {
        self.put(format!(
            "<g><title>{}</title><circle class=\"badge\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8.5\"/>",
            escaped(said)
        ));
        self.anchored(x, y + 4.0, "badgeword", "middle", number);
        self.close();
    }

    pub(super) fn words(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.anchored(x, y, class, "start", text);
    }

    pub(super) fn end_words(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.anchored(x, y, class, "end", text);
    }

    pub(super) fn middle_words(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.anchored(x, y, class, "middle", text);
    }

    fn anchored(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        self.put(format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(text)
        ));
    }

    fn put(&mut self, element: String) {
        self.body.push_str(&element);
        self.body.push('\n');
    }

    /// The whole file.
    pub(super) fn finish(self, width: f64, height: f64, title: &str, description: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-labelledby=\"title desc\">\n\
             <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>{}</style>\n\
             <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{}</svg>\n",
            escaped(title),
            escaped(description),
            style(),
            self.body
        )
    }
}

fn dash(site: usize) -> &'static str {
    match site / COLOURS {
        0 => "",
        1 => " stroke-dasharray=\"6 3\"",
        _ => " stroke-dasharray=\"2 3\"",
    }
}

fn style() -> String {
    let rules = |dark: bool| -> String {
        let pick = |light: &'static str, night: &'static str| if dark { night } else { light };
        let mut rules: String = CLASSES
            .iter()
            .map(|(class, what, light, night)| format!(".{class}{{{what}:{}}}", pick(light, night)))
            .collect();
        for (i, (light, night)) in PALETTE.iter().enumerate() {
            // writing to a String cannot fail
            let _ = write!(rules, ".c{i}{{stroke:{}}}", pick(light, night));
        }
        let _ = write!(
            rules,
            ".boundword,.number{{fill:{}}}.badgeword{{fill:{}}}",
            pick("#16191d", "#f1f3f5"),
            pick("#ffffff", "#15181c")
        );
        rules
    };
    format!(
        "{SHAPES}{}@media (prefers-color-scheme: dark){{{}}}",
        rules(false),
        rules(true)
    )
}
