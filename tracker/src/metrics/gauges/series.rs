//! The gauges by name.

use prometheus::{GaugeVec, Opts, Registry};

use crate::metrics::gauges::sums::{Rollout, SiteSum};
use crate::metrics::labels::{ContentLabel, Direction, Labels};

const BY_SITE: [&str; 3] = ["site", "content", "info_hash"];
const BY_CONTENT: [&str; 2] = ["content", "info_hash"];

pub(super) struct Series {
    peers: GaugeVec,
    gateways: GaugeVec,
    held: GaugeVec,
    wan_bytes: GaugeVec,
    reused: GaugeVec,
    copies: GaugeVec,
    progress: GaugeVec,
    complete: GaugeVec,
    site_bound: GaugeVec,
    content_bytes: GaugeVec,
    waiting: GaugeVec,
    starved_sites: GaugeVec,
    starved_leechers: GaugeVec,
    doubles: GaugeVec,
    shared: GaugeVec,
    bound: GaugeVec,
    rollout_bytes: GaugeVec,
    rollout_least: GaugeVec,
    efficiency: GaugeVec,
    link_rate: GaugeVec,
    link_used: GaugeVec,
    link_copies: GaugeVec,
}

impl Series {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = GaugeVec::new(Opts::new(format!("narrows_tracker_{name}"), help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            peers: gauge(
                "peers",
                "Peers, by whether they have all of the content.",
                &["site", "content", "info_hash", "role"],
            )?,
            gateways: gauge(
                "gateways",
                "Peers that hold their site's lease to fetch across the WAN.",
                &BY_SITE,
            )?,
            held: gauge(
                "gateway_held_seconds",
                "For how long the longest-held lease of a site has been held.",
                &BY_SITE,
            )?,
            wan_bytes: gauge(
                "site_wan_bytes",
                "Bytes that a site's present agents fetched across links.",
                &BY_SITE,
            )?,
            reused: gauge(
                "reused_bytes",
                "Bytes that a site's present agents had before they fetched any, of those that lacked some.",
                &BY_SITE,
            )?,
            copies: gauge(
                "site_copies",
                "Bytes a site's present agents fetched across links over what it lacked of the content before.",
                &BY_SITE,
            )?,
            progress: gauge(
                "rollout_progress_ratio",
                "What those of a site's peers have that wanted the content when they came, on average; of all, if none did.",
                &BY_SITE,
            )?,
            complete: gauge(
                "rollout_complete_ratio",
                "Complete peers of a site over all of it, of those that wanted the content when they came; of all, if none did.",
                &BY_SITE,
            )?,
            site_bound: gauge(
                "site_bound_seconds",
                "The least time until a site can have everything, from now; 0: it does not wait; +Inf while paused.",
                &BY_SITE,
            )?,
            content_bytes: gauge("content_bytes", "Size of the content.", &BY_CONTENT)?,
            waiting: gauge(
                "rollout_waiting_sites",
                "Sites where a peer wants the content and none could give all of it.",
                &BY_CONTENT,
            )?,
            starved_sites: gauge(
                "starved_sites",
                "Sites that wait and have no parent site.",
                &BY_CONTENT,
            )?,
            starved_leechers: gauge(
                "starved_leechers",
                "Leechers whose site waits and has no peer to fetch from, or that say they are stalled; but for paused sites.",
                &BY_CONTENT,
            )?,
            doubles: gauge(
                "duplicate_ids",
                "Agent ids that several machines use: cloned images, equal host names. At most 20 are counted.",
                &BY_CONTENT,
            )?,
            shared: gauge(
                "shared_addresses",
                "Addresses and ports that several machines announce from (NAT). At most 20 are counted.",
                &BY_CONTENT,
            )?,
            bound: gauge(
                "rollout_bound_seconds",
                "The least time until every waiting site can have everything, from now; +Inf while one is paused.",
                &BY_CONTENT,
            )?,
            rollout_bytes: gauge(
                "rollout_wan_bytes",
                "Bytes that crossed links for what present agents have.",
                &BY_CONTENT,
            )?,
            rollout_least: gauge(
                "rollout_wan_bytes_least",
                "The fewest bytes that had to cross links for what present agents have.",
                &BY_CONTENT,
            )?,
            efficiency: gauge(
                "rollout_wan_efficiency",
                "Fewest possible WAN bytes over WAN bytes, of what has been fetched so far; 1 is best.",
                &BY_CONTENT,
            )?,
            link_rate: gauge(
                "link_rate_bytes_per_second",
                "What a link may carry now, each way; +Inf: no limit.",
                &["link"],
            )?,
            link_used: gauge(
                "link_used_bytes_per_second",
                "What crosses a link towards a site, over the last 20 seconds, as agents say.",
                &["link", "site"],
            )?,
            link_copies: gauge(
                "link_copies",
                "Bytes that crossed a link towards a site over the content's size.",
                &["link", "site", "content", "info_hash"],
            )?,
        })
    }

    pub(super) fn site(&self, site: &str, content: &ContentLabel, sum: &SiteSum) {
        let ContentLabel { name, info_hash } = content;
        let labels = [site, name, info_hash];
        let roles = [("seeder", sum.seeders), ("leecher", sum.leechers)];
        for (role, count) in roles {
            self.peers.with_label_values(&[site, name, info_hash, role]).add(count);
        }
        // added up: contents beyond a number share a label
        self.gateways.with_label_values(&labels).add(sum.gateways);
        self.wan_bytes.with_label_values(&labels).add(sum.wan_bytes);
        self.reused.with_label_values(&labels).add(sum.reused_bytes);
        let held = self.held.with_label_values(&labels);
        held.set(held.get().max(sum.held));
        let bound = self.site_bound.with_label_values(&labels);
        bound.set(bound.get().max(sum.bound));
        if let Some(copies) = sum.copies {
            self.copies.with_label_values(&labels).add(copies);
        }
        for (gauge, ratio) in [(&self.progress, sum.progress()), (&self.complete, sum.complete())] {
            if let Some(ratio) = ratio {
                gauge.with_label_values(&labels).set(ratio);
            }
        }
    }

    pub(super) fn rollout(&self, content: &ContentLabel, rollout: &Rollout) {
        let values = [
            (&self.content_bytes, rollout.size),
            (&self.waiting, Some(rollout.waiting_sites)),
            (&self.starved_sites, Some(rollout.starved_sites)),
            (&self.starved_leechers, Some(rollout.starved_leechers)),
            (&self.doubles, Some(rollout.doubles)),
            (&self.shared, Some(rollout.shared)),
            (&self.bound, Some(rollout.bound)),
            (&self.rollout_bytes, Some(rollout.fetched)),
            (&self.rollout_least, Some(rollout.fewest)),
            (&self.efficiency, rollout.efficiency()),
        ];
        for (gauge, value) in values {
            if let Some(value) = value {
                gauge.with_label_values(&[&content.name, &content.info_hash]).set(value);
            }
        }
    }

    pub(super) fn link_rate(&self, link: &str, rate: f64) {
        self.link_rate.with_label_values(&[link]).set(rate);
    }

    pub(super) fn link_used(&self, (link, site): &Direction, rate: f64) {
        self.link_used.with_label_values(&[link, site]).set(rate);
    }

    pub(super) fn link_copies(&self, labels: &Labels, copies: f64) {
        self.link_copies.with_label_values(&labels.values()).set(copies);
    }
}
