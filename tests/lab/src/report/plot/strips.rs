//! The lower panel: a strip per link and direction, how much it carried at each moment.

use super::axis::{Scale, rate, ticks};
use super::paint::Page;
use super::{About, BESIDE, LEFT, RIGHT, path};
use crate::timeline::Timeline;

/// The panel as it came out.
pub(super) struct Strips {
    /// Where it ends.
    pub(super) bottom: f64,
    /// What it leaves out.
    pub(super) notes: Vec<String>,
}

/// More directions than this are not drawn: the busiest are.
const MAX_STRIPS: usize = 24;

/// Less than this of what the busiest direction carried is acknowledgements and the like.
const WORTH: f64 = 0.02;

/// A direction of a link that is worth a strip.
struct Strip {
    link: usize,
    bytes: u64,
    /// (second, bytes per second), at the middle of even windows.
    rates: Vec<(f64, f64)>,
}

pub(super) fn draw(page: &mut Page, timeline: &Timeline, about: &About, time: Scale, top: f64) -> Strips {
    let bytes: Vec<u64> =
        (0..timeline.links.len()).map(|link| timeline.bytes_at(link, f64::INFINITY)).collect();
    let shown = worth(&bytes);
    let strips: Vec<Strip> = shown
        .iter()
        .map(|link| Strip {
            link: *link,
            bytes: bytes[*link],
            rates: throughput(timeline, *link, window(time.to())),
        })
        .collect();
    page.words(
        LEFT,
        top - 9.0,
        "head",
        "Bytes per second on each link and direction, and its rate",
    );
    let tall = match strips.len() {
        0..=4 => 64.0,
        5..=8 => 50.0,
        _ => 36.0,
    };
    let mut y = top;
    page.open("links");
    for strip in &strips {
        one(page, timeline, about, time, strip, (y, y + tall));
        y += tall + 10.0;
    }
    page.close();
    if strips.is_empty() {
        let why = match timeline.links.is_empty() {
            true => "Bytes per link over time are counted with --netns.",
            false => "Nothing crossed a link.",
        };
        page.words(LEFT, y + 12.0, "note", why);
        y += 30.0;
    }
    Strips {
        bottom: y - 10.0,
        notes: left_out(timeline, &bytes, &shown),
    }
}

/// The directions to draw, in their order.
pub(super) fn worth(bytes: &[u64]) -> Vec<usize> {
    let least = bytes.iter().max().map_or(0.0, |most| *most as f64 * WORTH);
    let mut busy: Vec<usize> =
        (0..bytes.len()).filter(|link| bytes[*link] > 0 && bytes[*link] as f64 >= least).collect();
    busy.sort_by_key(|link| std::cmp::Reverse(bytes[*link]));
    busy.truncate(MAX_STRIPS);
    busy.sort_unstable();
    busy
}

fn left_out(timeline: &Timeline, bytes: &[u64], shown: &[usize]) -> Vec<String> {
    let rest: Vec<String> = (0..bytes.len())
        .filter(|link| !shown.contains(link) && bytes[*link] > 0)
        .map(|link| format!("{} {}", timeline.links[link], megabytes(bytes[link])))
        .collect();
    if rest.is_empty() {
        return Vec::new();
    }
    let first: Vec<&str> = rest.iter().take(5).map(String::as_str).collect();
    let more = match rest.len() - first.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    vec![format!("Not drawn, as little: {}{more}.", first.join(", "))]
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..=999_999 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..=99_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.0} MB", bytes as f64 / 1e6),
    }
}

/// Seconds of a window: a second, or what makes about 240 of them.
fn window(all: f64) -> f64 {
    (all / 240.0).max(1.0)
}

/// Bytes per second in even windows from second 0 to the last sample; between samples the counter is taken to
/// grow evenly. A counter that goes back (a link made anew) counts from where it is.
pub(super) fn throughput(timeline: &Timeline, link: usize, window: f64) -> Vec<(f64, f64)> {
    let counted: Vec<(f64, f64)> = timeline
        .samples
        .iter()
        .map(|sample| {
            (
                sample.at,
                sample.link_bytes.get(link).copied().unwrap_or(0) as f64,
            )
        })
        .collect();
    let Some((last, _)) = counted.last().copied() else {
        return Vec::new();
    };
    let mut rates = Vec::new();
    let (mut next, mut start, mut before) = (0, 0.0, interpolated(&counted, &mut 0, 0.0));
    while start < last {
        let end = (start + window).min(last);
        let now = interpolated(&counted, &mut next, end);
        if end - start > window / 4.0 {
            rates.push(((start + end) / 2.0, (now - before).max(0.0) / (end - start)));
        }
        (start, before) = (start + window, now);
    }
    rates
}

/// The counter at a moment; `next` is the first sample that may be after it, and moves on.
fn interpolated(counted: &[(f64, f64)], next: &mut usize, at: f64) -> f64 {
    while counted.get(*next).is_some_and(|(time, _)| *time < at) {
        *next += 1;
    }
    let after = counted.get(*next);
    let before = next.checked_sub(1).and_then(|i| counted.get(i));
    match (before, after) {
        (Some((t0, b0)), Some((t1, b1))) if t1 > t0 => b0 + (b1 - b0) * (at - t0) / (t1 - t0),
        (_, Some((_, bytes))) | (Some((_, bytes)), None) => *bytes,
        (None, None) => 0.0,
    }
}

fn one(
    page: &mut Page,
    timeline: &Timeline,
    about: &About,
    time: Scale,
    strip: &Strip,
    (top, bottom): (f64, f64),
) {
    let limit = about.rates.get(strip.link).copied().flatten();
    let most = strip.rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let scale = Scale::new((0.0, most.max(limit.unwrap_or(0.0)) * 1.12), (bottom, top));
    for tick in ticks(time.to(), 12, true) {
        page.line((time.at(tick), top), (time.at(tick), bottom), "grid");
    }
    let name = &timeline.links[strip.link];
    let copies = match about.size {
        0 => String::new(),
        size => format!(", {:.2} copies", strip.bytes as f64 / size as f64),
    };
    let said = format!("{}{copies}", megabytes(strip.bytes));
    let line = strip.rates.iter().map(|(at, rate)| (time.at(*at), scale.at(*rate)));
    let line: Vec<(f64, f64)> = line.collect();
    if let (Some(first), Some(last)) = (line.first(), line.last()) {
        let area = std::iter::once((first.0, bottom))
            .chain(line.iter().copied())
            .chain(std::iter::once((last.0, bottom)));
        page.curve(&path(area), "area", 0, &format!("{name}: {said}"));
        page.curve(&path(line.iter().copied()), "flow", 0, &format!("{name}: {said}"));
    }
    page.line((LEFT, bottom), (RIGHT, bottom), "axis");
    if let Some(limit) = limit {
        let y = scale.at(limit);
        page.line((LEFT, y), (RIGHT, y), "limit");
        page.end_words(LEFT - 8.0, y + 4.0, "tick", &rate(limit));
    } else {
        page.end_words(LEFT - 8.0, scale.at(most) + 4.0, "tick", &rate(most));
    }
    let middle = (top + bottom) / 2.0;
    page.words(BESIDE, middle - 2.0, "site", name);
    page.words(BESIDE, middle + 13.0, "note", &said);
}
