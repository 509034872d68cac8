//! `GET /map`: the site map in force, laid out.

use narrows_topology::{Hop, SiteMap, positions};
use serde::Serialize;

use crate::state::tracker::Tracker;

/// A site map as it is drawn.
#[derive(Serialize)]
pub(crate) struct Drawn {
    /// Changes with the map in force.
    generation: u64,
    sites: Vec<Site>,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Site {
    name: String,
    x: f64,
    y: f64,
    transit: bool,
    networks: Vec<String>,
}

#[derive(Serialize)]
struct Link {
    name: String,
    /// The sites at its ends.
    ends: [String; 2],
    /// Bytes per second now, each way; null: no limit.
    rate: Option<u64>,
    /// The same while no schedule matches.
    base_rate: Option<u64>,
}

pub(crate) fn map(tracker: &Tracker) -> Drawn {
    let view = tracker.store.conditions().view();
    drawn(view.map(), view.generation())
}

pub(super) fn drawn(map: &SiteMap, generation: u64) -> Drawn {
    let now = jiff::Timestamp::now();
    let sites = positions(map).into_iter().map(|(id, x, y)| Site {
        name: map.name(id).into_owned(),
        x: x.round(),
        y: y.round(),
        transit: map.is_transit(id),
        networks: map.networks(id).iter().map(ToString::to_string).collect(),
    });
    let links = map.links().map(|link| {
        let (one, other) = map.ends(link);
        Link {
            name: map.link_name(link),
            ends: [one, other].map(|end| map.name(end).into_owned()),
            rate: map.rate(Hop { link, forward: true }, now).bytes_per_second(),
            base_rate: map.base_rate(link).bytes_per_second(),
        }
    });
    Drawn {
        generation,
        sites: sites.collect(),
        links: links.collect(),
    }
}
