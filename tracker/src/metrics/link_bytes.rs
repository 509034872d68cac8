//! Bytes across links, as agents report them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_protocol::InfoHash;
use narrows_topology::{Hop, SiteMap};
use prometheus::{IntCounterVec, Opts, Registry};

use crate::metrics::labels::{ContentLabel, Direction, Labels, direction};
use crate::metrics::link_use::LinkUse;

/// Most series of a link, a direction and a content by its name; on each link and direction, contents beyond
/// it share the label `other`.
const MAX_SERIES: usize = 2500;

/// Counts bytes by link, direction and content. The direction is the site at whose end of the link they came
/// out.
pub(crate) struct LinkBytes {
    bytes: IntCounterVec,
    /// The labels in use. Locked once per link and announce with news, by gateways alone.
    known: Mutex<BTreeSet<Labels>>,
    /// Locked once per announce of a gateway.
    in_use: Mutex<LinkUse<Fetcher>>,
}

/// An agent that fetches a content across links: its address, and its key, since machines behind a NAT share
/// an address.
pub(crate) type Fetcher = (InfoHash, SocketAddr, u32);

impl LinkBytes {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let bytes = IntCounterVec::new(
            Opts::new(
                "narrows_tracker_link_bytes_total",
                "Bytes that agents say they fetched across a link towards a site, by content.",
            ),
            &["link", "site", "content", "info_hash"],
        )?;
        registry.register(Box::new(bytes.clone()))?;
        Ok(Self {
            bytes,
            known: Mutex::default(),
            in_use: Mutex::default(),
        })
    }

    /// An agent that is or was a gateway has announced, with these bytes since its last report.
    pub(crate) fn report(&self, fetcher: Fetcher, now: Duration, bytes: &[(Direction, u64)], goes_on: bool) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.report(fetcher, now, bytes, goes_on);
    }

    /// Bytes per second on each link towards each of its ends, over the last seconds.
    pub(crate) fn used(&self, now: Duration) -> BTreeMap<Direction, f64> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).used(now)
    }

    /// Counts bytes that crossed a hop.
    pub(crate) fn add(&self, map: &SiteMap, hop: Hop, content: &ContentLabel, bytes: u64) {
        let (link, site) = direction(map, hop);
        let mut labels = Labels {
            content: content.clone(),
            link,
            site,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&labels) {
            if known.len() >= MAX_SERIES {
                labels.content = ContentLabel::other();
            }
            known.insert(labels.clone());
        }
        // under the lock, so that a series that was just dropped does not come back uncounted
        self.bytes.with_label_values(&labels.values()).inc_by(bytes);
    }

    /// Ends the series of contents that are not tracked any more, by their info hashes.
    pub(crate) fn keep(&self, is_tracked: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| {
            let keep = labels.content.is_other() || is_tracked(&labels.content.info_hash);
            if !keep {
                // it is there, or was never counted
                let _ = self.bytes.remove_label_values(&labels.values());
            }
            keep
        });
    }

    /// What was counted, but for contents without a name of their own.
    pub(crate) fn by_content(&self) -> Vec<(Labels, u64)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let named = known.iter().filter(|labels| !labels.content.is_other());
        named
            .map(|labels| {
                (
                    labels.clone(),
                    self.bytes.with_label_values(&labels.values()).get(),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::labels::OTHER;

    fn map() -> SiteMap {
        let text = "version: 1\nsites:\n  hq: {networks: [10.1.0.0/16]}\n  b1: {networks: [10.2.0.0/16]}\n\
                    links:\n  - {between: [hq, b1], rate: 10 Mbit/s}\n";
        SiteMap::parse("sites.yaml", text).unwrap()
    }

    fn named(name: &str) -> ContentLabel {
        ContentLabel {
            name: name.to_owned(),
            info_hash: format!("hash of {name}"),
        }
    }

    fn labels(content: &str, site: &str) -> Labels {
        Labels {
            content: named(content),
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
            route.hops.iter().for_each(|hop| counts.add(&map, *hop, &named("office"), bytes));
        }
        let expected = [(labels("office", "b1"), 507), (labels("office", "hq"), 20)];
        assert_eq!(counts.by_content(), expected);
    }

    #[test]
    fn beyond_the_most_series_contents_are_counted_together_and_a_retired_one_makes_room() {
        let (map, counts) = (map(), LinkBytes::new(&Registry::new()).unwrap());
        let route = map.path(map.site_named("hq").unwrap(), map.site_named("b1").unwrap()).unwrap();
        let hop = route.hops[0];
        for n in 0..MAX_SERIES + 10 {
            counts.add(&map, hop, &named(&format!("content-{n:05}")), 3);
        }
        assert_eq!(counts.by_content().len(), MAX_SERIES);
        assert_eq!(
            counts.bytes.with_label_values(&["hq-b1", "b1", OTHER, OTHER]).get(),
            30
        );
        counts.keep(|hash| hash != "hash of content-00000" && hash != "hash of content-00001");
        assert_eq!(counts.by_content().len(), MAX_SERIES - 2);
        counts.add(&map, hop, &named("late"), 9);
        assert!(counts.by_content().contains(&(labels("late", "b1"), 9)));
    }

    #[test]
    fn of_two_contents_with_one_name_each_keeps_its_series_while_the_other_comes_and_goes() {
        let (map, counts) = (map(), LinkBytes::new(&Registry::new()).unwrap());
        let (hq, b1) = (map.site_named("hq").unwrap(), map.site_named("b1").unwrap());
        let hop = map.path(hq, b1).unwrap().hops[0];
        let version = |hash: &str| ContentLabel {
            name: "office".to_owned(),
            info_hash: hash.to_owned(),
        };
        let of = |hash: &str| {
            let all = counts.by_content();
            let found = all.into_iter().find(|(labels, _)| labels.content == version(hash));
            found.map(|(_, bytes)| bytes)
        };
        counts.add(&map, hop, &version("aa"), 5);
        counts.add(&map, hop, &version("bb"), 70);
        counts.add(&map, hop, &version("aa"), 5);
        assert_eq!((of("aa"), of("bb")), (Some(10), Some(70)));
        counts.keep(|hash| hash != "bb");
        counts.add(&map, hop, &version("aa"), 1);
        assert_eq!((of("aa"), of("bb")), (Some(11), None));
    }
}
