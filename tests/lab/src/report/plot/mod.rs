//! A run as a picture: progress per client, and what each link carried, over time. [`svg`] is pure.
//!
//! It is one SVG 1.1 file without scripts or fonts of its own, for light and dark pages
//! (`prefers-color-scheme`). No CSS variables: librsvg and others that make a PNG of it do not know them.

mod axis;
mod paint;
mod strips;

use std::path::Path;

use anyhow::{Context, Result};
use narrows_topology::Rate;

use crate::report::view::View;
use crate::timeline::Timeline;
use axis::{Scale, clock, ticks};
use paint::{Page, colour, path};

/// What the timeline does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Of the picture: what was run.
    pub title: String,
    /// Each agent's site, in the timeline's order; missing ones are taken from the agents' ids.
    pub sites: Vec<String>,
    /// Whether each agent is a seeder: those are not drawn.
    pub seeders: Vec<bool>,
    /// Each link's rate in bytes per second, in the timeline's order; `None` if it is unlimited.
    pub rates: Vec<Option<f64>>,
    /// Bytes of the content, for copies; 0 if unknown.
    pub size: u64,
}

impl About {
    /// Of a run as the table shows it. A link's rate is that of the map, which is what rollouts may use.
    pub fn of(view: &View, timeline: &Timeline, title: String) -> About {
        let agents = timeline.agents.iter().map(|id| view.agents.iter().find(|row| row.id == *id));
        let rate = |name: &String| {
            let row = view.links.iter().find(|row| format!("{} → {}", row.from, row.to) == *name)?;
            let rate: Rate = row.limit.parse().ok()?;
            rate.bytes_per_second().map(|rate| rate as f64)
        };
        About {
            title,
            sites: agents.clone().map(|row| row.map_or_else(String::new, |row| row.site.clone())).collect(),
            seeders: agents.map(|row| row.is_some_and(|row| row.seeder)).collect(),
            rates: timeline.links.iter().map(rate).collect(),
            size: view.size.0,
        }
    }
}

/// Writes the picture to a file.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, timeline: &Timeline, about: &About) -> Result<()> {
    std::fs::write(path, svg(timeline, about)).with_context(|| format!("cannot write {}", path.display()))
}

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 86.0;
const RIGHT: f64 = 820.0;
/// Where words beside a panel begin.
const BESIDE: f64 = 834.0;
const PROGRESS: f64 = 280.0;
/// Of words in the page's normal size.
const LINE: f64 = 17.0;

/// The picture.
pub fn svg(timeline: &Timeline, about: &About) -> String {
    let clients = clients(timeline, about);
    let end = end(timeline);
    let time = Scale::new((0.0, end * 1.02), (LEFT, RIGHT));
    let events = badges(timeline, time);
    let rows = events.iter().map(|badge| badge.row + 1).max().unwrap_or(0);

    let mut page = Page::default();
    let top = 62.0 + rows as f64 * 18.0;
    page.words(LEFT, 30.0, "title", &about.title);
    let below = progress(&mut page, timeline, &clients, time, top);
    let strips = strips::draw(&mut page, timeline, about, time, below + 40.0);
    times(&mut page, time, strips.bottom);
    let panels = [(top, below), (below + 40.0, strips.bottom)];
    bound(&mut page, timeline, time, panels);
    let bottom = marks(&mut page, timeline, &events, panels, &strips.notes);
    page.finish(WIDTH, bottom, &about.title, &description(timeline, &clients, end))
}

/// A client to draw.
struct Client {
    /// In the timeline.
    number: usize,
    /// Its site, as a position in the order of first appearance.
    site: usize,
    name: String,
    /// When it was complete for good.
    complete: Option<f64>,
}

fn clients(timeline: &Timeline, about: &About) -> Vec<Client> {
    let mut names: Vec<String> = Vec::new();
    let drawn = (0..timeline.agents.len()).filter(|i| !about.seeders.get(*i).copied().unwrap_or(false));
    let mut clients = Vec::new();
    for number in drawn {
        let name =
            about.sites.get(number).cloned().unwrap_or_else(|| site_of(&timeline.agents[number]).to_owned());
        let site = names.iter().position(|other| *other == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        });
        clients.push(Client {
            number,
            site,
            name,
            complete: complete(timeline, number),
        });
    }
    clients
}

/// `b1` of `b1-0`.
fn site_of(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(site, _)| site)
}

fn of(sample: &crate::timeline::Sample, agent: usize) -> f64 {
    sample.progress.get(agent).copied().unwrap_or(0.0)
}

/// The first moment after which an agent had everything until the end.
fn complete(timeline: &Timeline, agent: usize) -> Option<f64> {
    let whole = timeline.samples.iter().rev().take_while(|sample| of(sample, agent) >= 1.0);
    whole.last().map(|sample| sample.at.max(0.0))
}

/// The last moment worth showing.
fn end(timeline: &Timeline) -> f64 {
    let last = timeline.samples.last().map_or(0.0, |sample| sample.at);
    let known = [last, timeline.bound.unwrap_or(0.0)];
    let events = timeline.events.iter().map(|(at, _)| *at);
    known.into_iter().chain(events).filter(|at| at.is_finite()).fold(1.0, f64::max)
}

/// The upper panel; the pixel where it ends.
fn progress(page: &mut Page, timeline: &Timeline, clients: &[Client], time: Scale, top: f64) -> f64 {
    let bottom = top + PROGRESS;
    let height = Scale::new((0.0, 1.0), (bottom, top));
    page.words(LEFT, top - 9.0, "head", "Progress per client");
    for percent in [0, 25, 50, 75, 100] {
        let y = height.at(f64::from(percent) / 100.0);
        page.line((LEFT, y), (RIGHT, y), if percent == 0 { "axis" } else { "grid" });
        page.end_words(LEFT - 8.0, y + 4.0, "tick", &format!("{percent} %"));
    }
    for tick in ticks(time.to(), 12, true) {
        page.line((time.at(tick), top), (time.at(tick), bottom), "grid");
    }
    page.open("progress");
    // the last site's lines would hide the first's: thin ones when there are many
    let class = if clients.len() > 16 { "thin" } else { "client" };
    for client in clients {
        let points = timeline
            .samples
            .iter()
            .filter(|sample| sample.at >= 0.0)
            .map(|sample| (time.at(sample.at), height.at(of(sample, client.number))));
        let id = &timeline.agents[client.number];
        let said = match client.complete {
            Some(at) => format!("{id}: complete after {at:.1} s"),
            None => format!("{id}: not complete"),
        };
        page.curve(
            &path(points),
            &format!("{class} {}", colour(client.site)),
            client.site,
            &said,
        );
    }
    page.close();
    legend(page, clients, (top, bottom));
    bottom
}

/// The sites' colours, from the top: several may be complete at once, so that names beside their lines would
/// not do.
fn legend(page: &mut Page, clients: &[Client], (top, bottom): (f64, f64)) {
    let sites = clients.iter().map(|client| client.site + 1).max().unwrap_or(0);
    let tight = sites as f64 * 2.0 * LINE > bottom - top;
    let mut y = top + 10.0;
    for site in 0..sites {
        let own: Vec<&Client> = clients.iter().filter(|client| client.site == site).collect();
        let name = own.first().map_or("", |client| client.name.as_str());
        if y + LINE > bottom && site + 1 < sites {
            page.words(BESIDE, y, "note", &format!("and {} more sites", sites - site));
            break;
        }
        page.swatch(BESIDE, y - 4.0, site);
        if tight {
            page.words(BESIDE + 26.0, y, "note", &format!("{name}: {}", summary(&own)));
            y += LINE;
        } else {
            page.words(BESIDE + 26.0, y, "site", name);
            page.words(BESIDE + 26.0, y + 14.0, "note", &summary(&own));
            y += 2.0 * LINE;
        }
    }
}

/// `4 clients, 48.1 to 50.3 s`: when they were complete.
fn summary(clients: &[&Client]) -> String {
    let times: Vec<f64> = clients.iter().filter_map(|client| client.complete).collect();
    let count = match clients.len() {
        1 => "1 client".to_owned(),
        count => format!("{count} clients"),
    };
    let first = times.iter().copied().fold(f64::INFINITY, f64::min);
    let last = times.iter().copied().fold(0.0, f64::max);
    match times.len() {
        0 => format!("{count}, none complete"),
        done if done < clients.len() => format!("{count}, {done} complete"),
        _ if last - first < 0.1 => format!("{count}, all at {last:.1} s"),
        _ => format!("{count}, {first:.1} to {last:.1} s"),
    }
}

/// The words of the common time axis.
fn times(page: &mut Page, time: Scale, bottom: f64) {
    for tick in ticks(time.to(), 12, true) {
        page.middle_words(time.at(tick), bottom + 17.0, "tick", &clock(tick, time.to()));
    }
}

fn bound(page: &mut Page, timeline: &Timeline, time: Scale, panels: [(f64, f64); 2]) {
    let Some(seconds) = timeline.bound.filter(|bound| bound.is_finite()) else {
        return;
    };
    let x = time.at(seconds);
    for (from, to) in panels {
        page.line((x, from), (x, to), "bound");
    }
    let said = format!("bound {seconds:.1} s");
    // to the side with room
    match x > (LEFT + RIGHT) / 2.0 {
        true => page.end_words(x - 5.0, panels[0].1 - 8.0, "boundword", &said),
        false => page.words(x + 5.0, panels[0].1 - 8.0, "boundword", &said),
    }
}

/// The number of an event above the panels; those too close to each other stand in several rows.
struct Badge {
    x: f64,
    row: usize,
}

const BADGE: f64 = 19.0;

fn badges(timeline: &Timeline, time: Scale) -> Vec<Badge> {
    let mut rows: Vec<f64> = Vec::new();
    let place = |(at, _): &(f64, String)| {
        let x = time.at(*at);
        let row = rows.iter().position(|last| x - last >= BADGE);
        let row = row.unwrap_or_else(|| {
            rows.push(x);
            rows.len() - 1
        });
        rows[row] = x;
        Badge { x, row }
    };
    timeline.events.iter().map(place).collect()
}

/// The events' lines, numbers, and texts below; where the page ends.
fn marks(
    page: &mut Page,
    timeline: &Timeline,
    badges: &[Badge],
    panels: [(f64, f64); 2],
    notes: &[String],
) -> f64 {
    let mut y = panels[1].1 + 46.0;
    for line in notes {
        page.words(LEFT, y, "note", line);
        y += LINE;
    }
    if !badges.is_empty() {
        y += 8.0;
        page.words(LEFT, y, "head", "Events");
        y += LINE + 3.0;
    }
    let up = |badge: &Badge| panels[0].0 - 33.0 - badge.row as f64 * 18.0;
    // all lines first, so that none crosses a number
    for badge in badges {
        page.line((badge.x, up(badge)), (badge.x, panels[0].1), "event");
        page.line((badge.x, panels[1].0), (badge.x, panels[1].1), "event");
    }
    for (number, (badge, (at, what))) in badges.iter().zip(&timeline.events).enumerate() {
        let number = (number + 1).to_string();
        page.badge(badge.x, up(badge), &number, &format!("{at:.1} s: {what}"));
        page.end_words(LEFT - 30.0, y, "number", &number);
        page.end_words(LEFT + 22.0, y, "tick", &format!("{at:.1} s"));
        page.words(LEFT + 34.0, y, "text", what);
        y += LINE;
    }
    y + 6.0
}

/// In words, for readers who cannot see it.
fn description(timeline: &Timeline, clients: &[Client], end: f64) -> String {
    let done = clients.iter().filter(|client| client.complete.is_some()).count();
    let bound = timeline.bound.map_or(String::new(), |bound| {
        format!(", of which the links need {bound:.1} s")
    });
    let links: Vec<String> = (0..timeline.links.len())
        .map(|link| {
            let bytes = timeline.bytes_at(link, f64::INFINITY) as f64 / 1e6;
            format!("{} {bytes:.1} MB", timeline.links[link])
        })
        .collect();
    format!(
        "{done} of {} clients complete within {end:.1} s{bound}. {} events. Bytes per link: {}.",
        clients.len(),
        timeline.events.len(),
        links.join(", ")
    )
}

#[cfg(test)]
mod tests;
