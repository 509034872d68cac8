//! `GET /metrics`: the counters, and gauges that are taken now.

use prometheus::{Encoder as _, TextEncoder};

use crate::metrics::{gauges, offences};
use crate::state::tracker::Tracker;

/// All series as Prometheus reads them; `None`: they cannot be written, a mistake in the program.
pub(crate) fn metrics(tracker: &Tracker) -> Option<Vec<u8>> {
    let contents = tracker.described_in_short();
    let mut families = tracker.metrics.gather();
    let conditions = tracker.store.conditions();
    let view = conditions.view();
    let links = tracker.metrics.links.by_content();
    let used = tracker.metrics.links.used(conditions.uptime());
    families.extend(gauges::gather(&view.context(), &contents, &links, &used).ok()?);
    families.extend(offences::gather(&tracker.offences).ok()?);
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut out = Vec::new();
    TextEncoder::new().encode(&families, &mut out).ok()?;
    Some(out)
}
