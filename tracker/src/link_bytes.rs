//! Bytes across links, as agents report them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use narrows_topology::{Hop, LinkId, SiteId, SiteMap};
use prometheus::{IntCounterVec, Opts, Registry};

/// Most series of a link, a direction and a content by its name; on each link and direction, contents beyond it share
/// the label `other`.
const SERIES_MAX: usize = 2500;

/// The label of what has no series of its own, as the content of what is beyond [`SERIES_MAX`].
pub(crate) const OTHER: &str = "other";

/// The label of pseudo-sites and their links, of which there may be thousands.
pub(crate) const ATTACHED: &str = "attached";

/// Counts bytes by link, direction and content. The direction is the site at whose end of the link they came out.
pub(crate) struct LinkBytes {
    bytes: IntCounterVec,
    /// The labels in use. Locked once per link and announce with news, by gateways alone.
    known: Mutex<BTreeSet<Labels>>,
}

/// A link, the site at which its bytes came out, and a content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Labels {
    pub(crate) content: String,
    pub(crate) link: String,
    pub(crate) site: String,
}

impl LinkBytes {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let bytes = IntCounterVec::new(
            Opts::new(
                "narrows_tracker_link_bytes_total",
                "Bytes that agents say they fetched across a link towards a site, by content.",
            ),
            &["link", "site", "content"],
        )?;
        registry.register(Box::new(bytes.clone()))?;
        Ok(Self {
            bytes,
            known: Mutex::default(),
        })
    }

    /// Counts bytes that crossed a hop.
    pub(crate) fn add(&self, map: &SiteMap, hop: Hop, content: &str, bytes: u64) {
        let (one, other) = map.ends(hop.link);
        let end = if hop.forward { other } else { one };
        let mut labels = Labels {
            content: content.to_owned(),
            link: link_label(map, hop.link),
            site: site_label(map, end),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&labels) {
            if known.len() >= SERIES_MAX {
                labels.content = OTHER.to_owned();
            }
            known.insert(labels.clone());
        }
        // under the lock, so that a series that was just dropped does not come back uncounted
        let Labels { content, link, site } = &labels;
        self.bytes.with_label_values(&[link, site, content]).inc_by(bytes);
    }

    /// Ends the series of contents that are not tracked any more.
    pub(crate) fn keep(&self, is_tracked: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| {
            let Labels { content, link, site } = labels;
            let keep = content == OTHER || is_tracked(content);
            if !keep {
                // it is there, or was never counted
                let _ = self.bytes.remove_label_values(&[link, site, content]);
            }
            keep
        });
    }

    /// What was counted of all contents, by link and the site at whose end it came out.
    pub(crate) fn totals(&self) -> BTreeMap<(String, String), u64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = BTreeMap::new();
        for Labels { content, link, site } in known.iter() {
            let bytes = self.bytes.with_label_values(&[link, site, content]).get();
            *sums.entry((link.clone(), site.clone())).or_default() += bytes;
        }
        sums
    }

    /// What was counted, but for contents without a name of their own.
    pub(crate) fn by_content(&self) -> Vec<(Labels, u64)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let named = known.iter().filter(|labels| labels.content != OTHER);
        named
            .map(|labels| {
                let Labels { content, link, site } = labels;
                let bytes = self.bytes.with_label_values(&[link, site, content]);
                (labels.clone(), bytes.get())
            })
            .collect()
    }
}

/// A link's name; links to unknown networks share one.
pub(crate) fn link_label(map: &SiteMap, link: LinkId) -> String {
    match link {
        LinkId::Named(_) => map.link_name(link),
        LinkId::Attached(_) => ATTACHED.to_owned(),
    }
}

/// A site's name; likewise.
pub(crate) fn site_label(map: &SiteMap, site: SiteId) -> String {
    match site {
        SiteId::Named(_) => map.name(site).into_owned(),
        SiteId::Attached(_) => ATTACHED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> SiteMap {
        let text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n  b1: {networks: [10.2.0.0/16]}\n\
                    links:\n  - {between: [hq, b1], rate: 10 Mbit/s}\n";
        SiteMap::parse("sites.yaml", text).unwrap()
    }

    fn labels(content: &str, site: &str) -> Labels {
        Labels {
            content: content.to_owned(),
            link: "hq-b1".to_owned(),
            site: site.to_owned(),
        }
    }

    #[test]
    fn the_two_directions_of_a_link_are_told_apart_by_the_site_where_bytes_come_out() {
        let (map, counts) = (map(), LinkBytes::new(&Registry::new()).unwrap());
        let (hq, b1) = (map.site_named("hq").unwrap(), map.site_named("b1").unwrap());
        for (from, to, bytes) in [(hq, b1, 500), (b1, hq, 20), (hq, b1, 7)] {
            let route = map.path(from, to).unwrap();
            route
                .hops
                .iter()
                .for_each(|hop| counts.add(&map, *hop, "office", bytes));
        }
        let expected = [(labels("office", "b1"), 507), (labels("office", "hq"), 20)];
        assert_eq!(counts.by_content(), expected);
    }

    #[test]
    fn beyond_the_most_series_contents_are_counted_together_and_a_retired_one_makes_room() {
        let (map, counts) = (map(), LinkBytes::new(&Registry::new()).unwrap());
        let route = map
            .path(map.site_named("hq").unwrap(), map.site_named("b1").unwrap())
            .unwrap();
        let hop = route.hops[0];
        for n in 0..SERIES_MAX + 10 {
            counts.add(&map, hop, &format!("content-{n:05}"), 3);
        }
        assert_eq!(counts.by_content().len(), SERIES_MAX);
        assert_eq!(counts.bytes.with_label_values(&["hq-b1", "b1", OTHER]).get(), 30);
        counts.keep(|content| content != "content-00000" && content != "content-00001");
        assert_eq!(counts.by_content().len(), SERIES_MAX - 2);
        counts.add(&map, hop, "late", 9);
        assert!(counts.by_content().contains(&(labels("late", "b1"), 9)));
    }
}
