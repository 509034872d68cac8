//! `GET /status`: every content, by site.

use std::net::IpAddr;
use std::time::Duration;

use narrows_assignment::SwarmStatus;
use narrows_host::OffenceKind;
use narrows_host::offences::Offender;
use serde::Serialize;

use crate::metrics::described::Described;
use crate::net::offences::Offence;
use crate::state::tracker::Tracker;

/// What /status says.
#[derive(Serialize)]
pub(crate) struct Status {
    version: &'static str,
    uptime_seconds: u64,
    site_map: MapStatus,
    contents: Vec<ContentStatus>,
    offenders: Vec<OffenderStatus>,
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

/// A client that does what honest ones do not.
#[derive(Serialize)]
struct OffenderStatus {
    offence: &'static str,
    ip: IpAddr,
    /// The id that it gave: a claim.
    agent: Option<String>,
    /// The site of its address.
    site: Option<String>,
    times: u64,
    first_seconds_ago: u64,
    last_seconds_ago: u64,
}

pub(crate) fn status(tracker: &Tracker) -> Status {
    let conditions = tracker.store.conditions();
    let view = conditions.view();
    let of = |content: Described| ContentStatus {
        name: content.name,
        size: content.size,
        swarm: content.status,
    };
    let now = conditions.uptime();
    let ago = |then: Duration| now.saturating_sub(then).as_secs();
    let offender = |offender: Offender<Offence>| OffenderStatus {
        offence: offender.kind.as_str(),
        ip: offender.ip,
        agent: offender.agent,
        site: view.map().locate(offender.ip).map(|site| view.map().name(site).into_owned()),
        times: offender.times,
        first_seconds_ago: ago(offender.first),
        last_seconds_ago: ago(offender.last),
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
        offenders: tracker.offences.offenders().into_iter().map(offender).collect(),
    }
}
