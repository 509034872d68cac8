//! `GET /status`: every content, by site.

use narrows_assignment::SwarmStatus;
use serde::Serialize;

use crate::admin::offenders::{OffenderStatus, ReportedStatus, offenders, reported};
use crate::metrics::described::Described;
use crate::state::tracker::Tracker;

/// What /status says.
#[derive(Serialize)]
pub(crate) struct Status {
    version: &'static str,
    uptime_seconds: u64,
    site_map: MapStatus,
    contents: Vec<ContentStatus>,
    offenders: Vec<OffenderStatus>,
    /// What agents say of peers.
    reported_offenders: Vec<ReportedStatus>,
}

#[derive(Serialize)]
struct MapStatus {
    /// Whether the file on disk is the map in force.
    valid: bool,
    sites: usize,
    links: usize,
    loaded_seconds_ago: u64,
}

#[derive(Serialize)]
struct ContentStatus {
    name: String,
    /// Bytes; null if any info hash is tracked, as no .torrent says it then.
    size: Option<u64>,
    #[serde(flatten)]
    swarm: SwarmStatus,
}

pub(crate) fn status(tracker: &Tracker) -> Status {
    let conditions = tracker.store.conditions();
    let view = conditions.view();
    let of = |content: Described| ContentStatus {
        name: content.name,
        size: content.size,
        swarm: content.status,
    };
    Status {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: conditions.uptime().as_secs(),
        site_map: MapStatus {
            valid: conditions.map_is_valid(),
            sites: view.map().sites().count(),
            links: view.map().links().count(),
            loaded_seconds_ago: view.map_age().as_secs(),
        },
        contents: tracker.described().into_iter().map(of).collect(),
        offenders: offenders(tracker, usize::MAX),
        reported_offenders: reported(tracker, usize::MAX),
    }
}
