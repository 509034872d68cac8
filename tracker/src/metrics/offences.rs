//! How often clients did what honest ones do not, by kind; taken when asked.

use narrows_host::OffenceKind;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, Opts};

use crate::net::offences::Offences;

/// The series of all kinds, also of those that did not happen.
pub(crate) fn gather(offences: &Offences) -> prometheus::Result<Vec<MetricFamily>> {
    let counts = IntCounterVec::new(
        Opts::new(
            "narrows_tracker_offences_total",
            "What clients did that honest ones do not; /status and the page say who.",
        ),
        &["offence"],
    )?;
    for (kind, times) in offences.totals() {
        counts.with_label_values(&[kind.as_str()]).inc_by(times);
    }
    Ok(counts.collect())
}
