//! `GET /sd`: Prometheus' HTTP service discovery of the agents.
//!
//! Agents that want to be found announce the port of their metrics; the address is the one that they announce
//! from, so no agent can send Prometheus elsewhere.

use serde::Serialize;

use crate::state::targets::Target;
use crate::state::tracker::Tracker;

/// Targets of one set of labels, as `http_sd_configs` reads them.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub(crate) struct TargetGroup {
    targets: Vec<String>,
    labels: Labels,
}

#[derive(PartialEq, Eq, Debug, Serialize)]
struct Labels {
    site: String,
    id: String,
}

/// Every live agent that announced where its metrics are, once, whatever contents it has; a few at most of
/// one address, and none of networks that the site map lacks.
pub(crate) fn targets(tracker: &Tracker) -> Vec<TargetGroup> {
    let targets = tracker.store.metrics_targets().into_list().into_iter();
    targets
        .map(|Target { id, site, address }| TargetGroup {
            targets: vec![address.to_string()],
            labels: Labels { site, id },
        })
        .collect()
}
