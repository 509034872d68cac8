//! Gauges over swarms: taken from a fresh registry whenever somebody asks, so that series of gone contents end.

use narrows_assignment::SwarmStatus;
use narrows_topology::{SiteId, SiteMap};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts, Registry};

/// More contents than this share the label `other`: an open tracker must not fill the database of its operator.
const CONTENTS_MAX: usize = 1000;

/// A content with its name and size, and its swarm's state.
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
    pub(crate) status: SwarmStatus,
}

struct Gauges {
    peers: GaugeVec,
    gateways: GaugeVec,
    starved: GaugeVec,
    wan_bytes: GaugeVec,
    copies: GaugeVec,
    efficiency: GaugeVec,
}

/// The families of all gauges over swarms.
pub(crate) fn gather(map: &SiteMap, contents: &[Described]) -> prometheus::Result<Vec<MetricFamily>> {
    let registry = Registry::new();
    let gauges = Gauges::new(&registry)?;
    for (position, content) in contents.iter().enumerate() {
        let label = if position < CONTENTS_MAX {
            content.name.as_str()
        } else {
            "other"
        };
        gauges.take(map, label, content);
    }
    Ok(registry.gather())
}

impl Gauges {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = GaugeVec::new(Opts::new(format!("narrows_tracker_{name}"), help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let by_site = &["site", "content"][..];
        Ok(Self {
            peers: gauge(
                "peers",
                "Peers, by whether they have all of the content.",
                &["site", "content", "role"],
            )?,
            gateways: gauge(
                "gateways",
                "Peers that hold their site's lease to fetch across the WAN.",
                by_site,
            )?,
            starved: gauge(
                "starved_sites",
                "Sites that wait and have no parent site.",
                &["content"],
            )?,
            wan_bytes: gauge(
                "site_wan_bytes",
                "Bytes that a site's present agents fetched across links.",
                by_site,
            )?,
            copies: gauge(
                "site_copies",
                "Bytes a site's present agents fetched across links over the content's size.",
                by_site,
            )?,
            efficiency: gauge(
                "rollout_wan_efficiency",
                "Fewest possible WAN bytes over WAN bytes, of what has been fetched so far; 1 is best.",
                &["content"],
            )?,
        })
    }

    fn take(&self, map: &SiteMap, content: &str, described: &Described) {
        let (mut fewest, mut fetched, mut starved) = (0.0, 0.0, 0u32);
        for site in &described.status.sites {
            let label = match map.site_named(&site.site) {
                Some(SiteId::Named(_)) => site.site.as_str(),
                _ => "attached",
            };
            self.peers
                .with_label_values(&[label, content, "seeder"])
                .add(site.seeders.into());
            self.peers
                .with_label_values(&[label, content, "leecher"])
                .add(site.leechers.into());
            self.gateways
                .with_label_values(&[label, content])
                .add(site.gateways.len() as f64);
            self.wan_bytes
                .with_label_values(&[label, content])
                .add(site.wan_bytes as f64);
            if site.seeders == 0 && site.leechers > 0 && site.parent.is_none() {
                starved += 1;
            }
            if let Some(size) = described.size.filter(|size| *size > 0) {
                let size = size as f64;
                self.copies
                    .with_label_values(&[label, content])
                    .add(site.wan_bytes as f64 / size);
                if site.wan_bytes > 0 {
                    fetched += site.wan_bytes as f64;
                    fewest += (site.progress.unwrap_or(0.0) * size).min(site.wan_bytes as f64);
                }
            }
        }
        self.starved.with_label_values(&[content]).add(starved.into());
        if fetched > 0.0 {
            self.efficiency
                .with_label_values(&[content])
                .set(fewest / fetched);
        }
    }
}
