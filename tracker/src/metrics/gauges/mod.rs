//! Gauges over swarms and links: taken from a fresh registry at each request, so that series of gone
//! contents end.

mod series;
pub(crate) mod sums;

use std::collections::{BTreeMap, HashMap};

use narrows_assignment::Context;
use narrows_topology::{Hop, Rate, SiteId};
use prometheus::Registry;
use prometheus::proto::MetricFamily;

use crate::metrics::described::Described;
use crate::metrics::gauges::series::Series;
use crate::metrics::gauges::sums::{Rollout, SiteSum};
use crate::metrics::labels::{ATTACHED, ContentLabel, Direction, Labels, OTHER, link_label};

/// More contents than this share the label `other`: an open tracker must not fill the database of its
/// operator.
const MAX_CONTENTS: usize = 1000;

/// Most sites in swarms with series of their own, of nine gauges each; beyond, the sites of a content are
/// one: `other`.
const MAX_SITES: usize = 1200;

/// The families of all gauges over swarms, and over links with what was counted on them.
pub(crate) fn gather(
    cx: &Context<'_>,
    contents: &[Described],
    links: &[(Labels, u64)],
    used: &BTreeMap<Direction, f64>,
) -> prometheus::Result<Vec<MetricFamily>> {
    let registry = Registry::new();
    let series = Series::new(&registry)?;
    let other = ContentLabel::other();
    let mut rollouts: BTreeMap<&ContentLabel, Rollout> = BTreeMap::new();
    let mut room = MAX_SITES;
    // contents that a site waits for come first
    let mut order: Vec<(usize, &Described)> = contents.iter().enumerate().collect();
    order.sort_by_key(|(_, content)| !content.status.sites.iter().any(|site| site.waiting));
    for (position, content) in order {
        let label = if position < MAX_CONTENTS {
            &content.label
        } else {
            &other
        };
        let rollout = rollouts.entry(label).or_default();
        rollout.add(content);
        for (site, sum) in by_site(cx, content, &mut room) {
            series.site(&site, label, &sum);
        }
    }
    for (label, rollout) in &rollouts {
        series.rollout(label, rollout);
    }
    take_links(cx, contents, links, &series);
    for (direction, rate) in used {
        series.link_used(direction, *rate);
    }
    Ok(registry.gather())
}

/// The sums of a content's sites by their labels, within the room that there is.
fn by_site(cx: &Context<'_>, content: &Described, room: &mut usize) -> BTreeMap<String, SiteSum> {
    let mut sites: Vec<_> = content.status.sites.iter().collect();
    sites.sort_by_key(|site| !site.waiting);
    let mut sums: BTreeMap<String, SiteSum> = BTreeMap::new();
    for site in sites {
        let mut label = match cx.map.site_named(&site.site) {
            Some(SiteId::Named(_)) => site.site.as_str(),
            _ => ATTACHED,
        };
        if !sums.contains_key(label) {
            if *room == 0 {
                label = OTHER;
            } else {
                *room -= 1;
            }
        }
        sums.entry(label.to_owned()).or_default().add(site, content.size);
    }
    sums
}

fn take_links(cx: &Context<'_>, contents: &[Described], links: &[(Labels, u64)], series: &Series) {
    let brakes = cx.ledger.brakes();
    for link in cx.map.links() {
        let (one, other) = cx.map.ends(link);
        let hop = Hop { link, forward: true };
        let rate = if brakes.stops_link(cx.map, one, other) {
            Rate::ZERO
        } else {
            cx.map.rate(hop, cx.wall)
        };
        let rate = rate.bytes_per_second().map_or(f64::INFINITY, |rate| rate as f64);
        series.link_rate(&link_label(cx.map, link), rate);
    }
    let sizes: HashMap<&str, u64> = contents
        .iter()
        .filter_map(|content| Some((content.label.info_hash.as_str(), content.size?)))
        .collect();
    for (labels, bytes) in links {
        if let Some(size) = sizes.get(labels.content.info_hash.as_str()).filter(|size| **size > 0) {
            series.link_copies(labels, *bytes as f64 / *size as f64);
        }
    }
}

#[cfg(test)]
mod tests;
