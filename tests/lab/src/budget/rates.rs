//! What a link might carry when: its site map with its schedule, other maps, brakes, and the line itself.
//! Pure.

use std::time::Duration;

use jiff::Timestamp;
use narrows_topology::{Hop, Rate, SiteMap};
use serde::{Deserialize, Serialize};

/// Something that changes what links may carry.
#[derive(Debug)]
pub enum Ruling {
    /// The tracker gets another site map.
    Map(Box<SiteMap>),
    /// These brakes are on, and no others.
    Brakes(Brakes),
    /// The line of a link carries this; `None`: as at first.
    Line(String, Option<Rate>),
}

/// A ruling and when it was made.
#[derive(Debug)]
pub struct Ruled {
    /// Seconds since the clients' start.
    pub at: f64,
    /// What.
    pub ruling: Ruling,
}

/// What the tracker's `GET /brake` says is stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Brakes {
    /// Everything.
    pub all: bool,
    /// `b1-hq`, in either order.
    pub links: Vec<String>,
    /// What these sites fetch or send.
    pub sites: Vec<String>,
    /// These contents.
    pub contents: Vec<Braked>,
}

/// A content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Braked {
    /// Its name.
    pub name: String,
}

/// Why a rate is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The clients start.
    Start,
    /// The link's schedule in the site map.
    Schedule,
    /// Another site map.
    Map,
    /// A brake, on or off.
    Brake,
    /// An event changed the line.
    Line,
}

/// From then on a link may carry that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Seconds since the clients' start.
    pub at: f64,
    /// What it may carry each way.
    pub rate: Rate,
    /// Why.
    pub why: Why,
}

/// A link in one direction, by names, which stay when maps change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectedLink {
    /// Both ends.
    pub ends: (String, String),
    /// As the lab's map names it.
    pub link: String,
    /// What is fetched over it: the content, the site that fetches, the site that it fetches from.
    pub flows: Vec<(String, String, String)>,
}

impl Brakes {
    /// Whether all that is fetched over a link is stopped there.
    fn stop(&self, directed: &DirectedLink) -> bool {
        let (a, b) = &directed.ends;
        let linked = |name: &String| *name == format!("{a}-{b}") || *name == format!("{b}-{a}");
        let stopped = |(content, one, other): &(String, String, String)| {
            self.contents.iter().any(|braked| braked.name == *content)
                || self.sites.iter().any(|site| site == one || site == other)
        };
        self.all
            || self.links.iter().any(linked)
            || (!directed.flows.is_empty() && directed.flows.iter().all(stopped))
    }
}

/// What a link in one direction might carry from the clients' start at `begun` for `until` seconds, under the
/// site map of the beginning and a `line` of its own. A link that a later map does not have may carry what
/// its line does.
pub fn steps(
    map: &SiteMap,
    directed: &DirectedLink,
    line: Rate,
    rulings: &[Ruled],
    begun: Timestamp,
    until: f64,
) -> Vec<Step> {
    let mut moments = vec![(0.0, Why::Start)];
    for ruled in rulings.iter().filter(|ruled| ruled.at < until) {
        moments.push((
            ruled.at,
            match ruled.ruling {
                Ruling::Map(_) => Why::Map,
                Ruling::Brakes(_) => Why::Brake,
                Ruling::Line(..) => Why::Line,
            },
        ));
    }
    let later = rulings.iter().filter_map(|ruled| match &ruled.ruling {
        Ruling::Map(map) => Some((ruled.at, &**map)),
        _ => None,
    });
    let maps: Vec<(f64, &SiteMap)> = std::iter::once((0.0, map)).chain(later).collect();
    for (i, (from, map)) in maps.iter().enumerate() {
        let to = maps.get(i + 1).map_or(until, |(to, _)| to.min(until));
        let mut at = moment(begun, *from);
        while let Some(next) = map.next_change(at) {
            let seconds = next.duration_since(begun).as_secs_f64();
            if seconds >= to {
                break;
            }
            moments.push((seconds, Why::Schedule));
            at = next;
        }
    }
    moments.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut steps: Vec<Step> = Vec::new();
    for (at, why) in moments {
        let rate = rate(&maps, directed, line, rulings, begun, at);
        if steps.last().is_none_or(|last| last.rate != rate) {
            steps.push(Step { at, rate, why });
        }
    }
    steps
}

/// What the link may carry at a moment.
fn rate(
    maps: &[(f64, &SiteMap)],
    directed: &DirectedLink,
    line: Rate,
    rulings: &[Ruled],
    begun: Timestamp,
    at: f64,
) -> Rate {
    let (mut stopped, mut line_now) = (false, line);
    for ruled in rulings.iter().filter(|ruled| ruled.at <= at) {
        match &ruled.ruling {
            Ruling::Brakes(brakes) => stopped = brakes.stop(directed),
            Ruling::Line(link, rate) if *link == directed.link => line_now = rate.unwrap_or(line),
            Ruling::Line(..) | Ruling::Map(_) => {}
        }
    }
    if stopped {
        return Rate::ZERO;
    }
    let map = maps.iter().rev().find(|(from, _)| *from <= at);
    // what a schedule says for a minute holds from its first nanosecond on, which a float may miss
    let budget = map.and_then(|(_, map)| budget(map, directed, moment(begun, at + 0.001)));
    budget.unwrap_or(Rate::UNLIMITED).min(line_now)
}

fn budget(map: &SiteMap, directed: &DirectedLink, at: Timestamp) -> Option<Rate> {
    let (one, other) = (
        map.site_named(&directed.ends.0)?,
        map.site_named(&directed.ends.1)?,
    );
    let link = map.links().find(|link| [(one, other), (other, one)].contains(&map.ends(*link)))?;
    Some(map.rate(Hop { link, forward: true }, at))
}

fn moment(begun: Timestamp, seconds: f64) -> Timestamp {
    let later = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    begun.checked_add(later).unwrap_or(begun)
}
