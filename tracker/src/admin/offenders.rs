//! Who does what honest clients do not: for `/status` and for the page.

use std::net::IpAddr;
use std::time::Duration;

use narrows_host::OffenceKind as _;
use serde::Serialize;

use crate::state::tracker::Tracker;

/// A client that does what honest ones do not.
#[derive(Serialize)]
pub(super) struct OffenderStatus {
    offence: &'static str,
    /// What it does, and what the operator can do.
    means: &'static str,
    ip: IpAddr,
    /// The id that it gave: a claim.
    agent: Option<String>,
    /// The site of its address.
    site: Option<String>,
    times: u64,
    first_seconds_ago: u64,
    last_seconds_ago: u64,
}

/// What agents say of a peer: a claim, which is shown and not acted upon.
#[derive(Serialize)]
pub(super) struct ReportedStatus {
    offence: String,
    ip: IpAddr,
    /// The site of its address.
    site: Option<String>,
    /// Different addresses that say so; at most 8 are counted.
    reporters: usize,
    last_seconds_ago: u64,
}

/// Those that most addresses name first, at most `max`.
pub(super) fn reported(tracker: &Tracker, max: usize) -> Vec<ReportedStatus> {
    let conditions = tracker.store.conditions();
    let view = conditions.view();
    let now = conditions.uptime();
    let known = tracker.reported.list(now).into_iter().take(max);
    known
        .map(|reported| ReportedStatus {
            offence: reported.seen.kind().to_owned(),
            ip: reported.seen.ip(),
            site: view.map().locate(reported.seen.ip()).map(|site| view.map().name(site).into_owned()),
            reporters: reported.reporters,
            last_seconds_ago: now.saturating_sub(reported.last).as_secs(),
        })
        .collect()
}

/// Those that did last first, at most `max`.
pub(super) fn offenders(tracker: &Tracker, max: usize) -> Vec<OffenderStatus> {
    let conditions = tracker.store.conditions();
    let view = conditions.view();
    let now = conditions.uptime();
    let ago = |then: Duration| now.saturating_sub(then).as_secs();
    let known = tracker.offences.offenders().into_iter().take(max);
    known
        .map(|offender| OffenderStatus {
            offence: offender.kind.as_str(),
            means: offender.kind.sentence(),
            ip: offender.ip,
            agent: offender.agent,
            site: view.map().locate(offender.ip).map(|site| view.map().name(site).into_owned()),
            times: offender.times,
            first_seconds_ago: ago(offender.first),
            last_seconds_ago: ago(offender.last),
        })
        .collect()
}
