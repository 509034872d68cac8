//! The series for Prometheus. Labels are site, link, role, content, outcome, offence and tier: never an
//! address or a peer. One table of all: `tracker/prometheus/README.md`.

pub(crate) mod described;
pub(crate) mod gauges;
pub(crate) mod labels;
pub(crate) mod link_bytes;
pub(crate) mod link_use;
pub(crate) mod offences;
pub(crate) mod unmapped;

use std::net::IpAddr;
use std::time::Duration;

use narrows_assignment::Decision;
use narrows_protocol::{AnnounceEvent, Role};
use narrows_topology::SiteMap;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::metrics::labels::{ContentLabel, direction};
use crate::metrics::link_bytes::{Fetcher, LinkBytes};
use crate::metrics::unmapped::Unmapped;
use crate::net::serve::Observer;

/// What became of an announce: the event of an accepted one, or why it was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnnounceOutcome {
    Update,
    Started,
    Stopped,
    Completed,
    Paused,
    Invalid,
    NotTracked,
    Unmapped,
    Proxy,
}

impl AnnounceOutcome {
    const ALL: [Self; 9] = [
        Self::Update,
        Self::Started,
        Self::Stopped,
        Self::Completed,
        Self::Paused,
        Self::Invalid,
        Self::NotTracked,
        Self::Unmapped,
        Self::Proxy,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Paused => "paused",
            Self::Invalid => "invalid",
            Self::NotTracked => "not_tracked",
            Self::Unmapped => "unmapped",
            Self::Proxy => "proxy",
        }
    }
}

impl From<AnnounceEvent> for AnnounceOutcome {
    fn from(event: AnnounceEvent) -> Self {
        match event {
            AnnounceEvent::None => Self::Update,
            AnnounceEvent::Started => Self::Started,
            AnnounceEvent::Stopped => Self::Stopped,
            AnnounceEvent::Completed => Self::Completed,
            AnnounceEvent::Paused => Self::Paused,
        }
    }
}

/// The counters of a tracker. Gauges over swarms are taken at each request: see [`crate::metrics::gauges`].
pub(crate) struct Metrics {
    registry: Registry,
    /// In the order of [`AnnounceOutcome`]: found without hashing labels.
    announces: Vec<IntCounter>,
    scrapes: [IntCounter; 2],
    handed_local: IntCounter,
    handed_upstream: IntCounter,
    elections: IntCounter,
    failovers: IntCounter,
    adoptions: IntCounter,
    escalations: IntCounter,
    starved: IntCounter,
    moves: IntCounter,
    crowded_out: IntCounter,
    completions: IntCounter,
    unmapped: Unmapped,
    pub(crate) untrusted_proxy: IntCounter,
    pub(crate) links: LinkBytes,
    reloads: IntCounterVec,
    map_valid: IntGauge,
    /// 1, or 0 while the files for https are others than those in use.
    pub(crate) tls_valid: IntGauge,
    map_version: IntGauge,
    map_sites: IntGauge,
    map_links: IntGauge,
    pub(crate) brakes: IntGauge,
    pub(crate) torrents: IntGauge,
    pub(crate) torrents_broken: IntGauge,
    pub(crate) expired_peers: IntCounter,
    pub(crate) broken_invariants: IntCounter,
    pub(crate) snapshot_failures: IntCounter,
    connections: IntGauge,
    accept_errors: IntCounter,
    pub(crate) request_duration: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let r = &Registry::new();
        let announces = counters(
            r,
            "announces_total",
            "Announces by what became of them.",
            "outcome",
        )?;
        let scrapes = counters(r, "scrapes_total", "Scrapes by what became of them.", "outcome")?;
        let handed = counters(
            r,
            "handed_out_peers_total",
            "Peers handed to clients: of their own site (local) or of another (upstream).",
            "tier",
        )?;
        let reloads = counters(
            r,
            "site_map_reloads_total",
            "Reloads of the site map: ok, or refused because the file is wrong.",
            "outcome",
        )?;
        for outcome in ["ok", "refused"] {
            reloads.with_label_values(&[outcome]);
        }
        Ok(Self {
            announces: AnnounceOutcome::ALL
                .iter()
                .map(|outcome| announces.with_label_values(&[outcome.as_str()]))
                .collect(),
            scrapes: ["ok", "invalid"].map(|outcome| scrapes.with_label_values(&[outcome])),
            handed_local: handed.with_label_values(&["local"]),
            handed_upstream: handed.with_label_values(&["upstream"]),
            elections: counter(r, "elections_total", "Peers that became gateways.")?,
            failovers: counter(r, "failovers_total", "Gateways that replaced a lost one.")?,
            adoptions: counter(
                r,
                "adoptions_total",
                "Gateways taken over from before a restart or another tracker.",
            )?,
            escalations: counter(
                r,
                "escalations_total",
                "Steps that stalled leechers were helped by.",
            )?,
            starved: counter(
                r,
                "starved_announces_total",
                "Announces of sites that have no peer to fetch from.",
            )?,
            moves: counter(
                r,
                "moved_agents_total",
                "Agents that came back from another address or site.",
            )?,
            crowded_out: counter(
                r,
                "crowded_out_peers_total",
                "Announces for which peers were forgotten because more than 64 are at one address and port, more than 1,024 at one address (IPv6 /64: 16,384), or too many machines have one id.",
            )?,
            completions: counter(r, "completions_total", "Peers that became seeders.")?,
            unmapped: Unmapped::new(r)?,
            untrusted_proxy: counter(
                r,
                "untrusted_proxy_announces_total",
                "Announces that a proxy passed on which is not in trusted_proxies.",
            )?,
            links: LinkBytes::new(r)?,
            reloads,
            map_valid: gauge(
                r,
                "site_map_valid",
                "1 if the site map file is the one in force, 0 if it was refused.",
            )?,
            tls_valid: {
                let valid = gauge(
                    r,
                    "tls_valid",
                    "1 if certificate and key for https are those in use or there is no https, 0 if they were refused.",
                )?;
                valid.set(1);
                valid
            },
            map_version: gauge(
                r,
                "site_map_version",
                "Grows with each site map that is put in force.",
            )?,
            map_sites: gauge(r, "site_map_sites", "Sites of the map in force.")?,
            map_links: gauge(r, "site_map_links", "Links of the map in force.")?,
            brakes: gauge(
                r,
                "brakes",
                "Brakes that operators have put on: links, sites, contents, everything.",
            )?,
            torrents: gauge(r, "torrents", "Torrents of the allow-list.")?,
            torrents_broken: gauge(
                r,
                "torrents_broken",
                "Files of the allow-list that cannot be used.",
            )?,
            expired_peers: counter(
                r,
                "expired_peers_total",
                "Peers forgotten because they did not come back.",
            )?,
            broken_invariants: counter(
                r,
                "broken_invariants_total",
                "Times that what the tracker knows of a content did not fit together.",
            )?,
            snapshot_failures: counter(
                r,
                "snapshot_failures_total",
                "Times that what is to outlive a restart could not be written.",
            )?,
            connections: gauge(r, "connections", "Open connections.")?,
            accept_errors: counter(
                r,
                "accept_errors_total",
                "Connections that could not be accepted.",
            )?,
            request_duration: register(
                r,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "narrows_tracker_request_duration_seconds",
                        "Time to answer an announce or a scrape, without the network.",
                    )
                    .buckets(vec![1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 5e-3, 2.5e-2, 0.1]),
                )?,
            )?,
            registry: r.clone(),
        })
    }

    pub(crate) fn announce(&self, outcome: AnnounceOutcome) {
        if let Some(counter) = self.announces.get(outcome as usize) {
            counter.inc();
        }
    }

    /// Counts an announce from an address that is in no site.
    pub(crate) fn unmapped(&self, from: IpAddr, tell: Option<Duration>) {
        self.unmapped.count(from, tell);
    }

    pub(crate) fn scrape(&self, ok: bool) {
        self.scrapes[usize::from(!ok)].inc();
    }

    /// Counts what a decision did. `content` names the content, if a label needs it.
    pub(crate) fn decision(
        &self,
        map: &SiteMap,
        decision: &Decision,
        (fetcher, now, stops): (Fetcher, Duration, bool),
        content: impl FnOnce() -> ContentLabel,
    ) {
        let outcome = &decision.outcome;
        self.handed_local.inc_by(outcome.local.into());
        self.handed_upstream.inc_by(outcome.upstream.into());
        for (counter, happened) in [
            (&self.elections, outcome.elected),
            (&self.failovers, outcome.failover),
            (&self.adoptions, outcome.adopted),
            (&self.escalations, outcome.escalated),
            (&self.starved, outcome.starved),
            (&self.moves, outcome.moved),
            (&self.crowded_out, outcome.crowded_out),
            (&self.completions, outcome.completed),
        ] {
            if happened {
                counter.inc();
            }
        }
        if outcome.wan_from.is_empty() {
            if decision.role == Role::Gateway {
                self.links.report(fetcher, now, &[], !stops);
            }
            return;
        }
        let mut crossed = Vec::new();
        let content = content();
        for (from, bytes) in &outcome.wan_from {
            let Some(route) = map.path(*from, decision.site) else {
                continue;
            };
            for hop in route.hops.iter() {
                self.links.add(map, *hop, &content, *bytes);
                crossed.push((direction(map, *hop), *bytes));
            }
        }
        self.links.report(fetcher, now, &crossed, !stops);
    }

    pub(crate) fn map_loaded(&self, sites: usize, links: usize) {
        self.reloads.with_label_values(&["ok"]).inc();
        self.map_in_force(sites, links);
    }

    pub(crate) fn map_in_force(&self, sites: usize, links: usize) {
        self.map_valid.set(1);
        self.map_version.inc();
        self.map_sites.set(sites as i64);
        self.map_links.set(links as i64);
    }

    pub(crate) fn map_refused(&self) {
        self.reloads.with_label_values(&["refused"]).inc();
        self.map_valid.set(0);
    }

    pub(crate) fn gather(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.registry.gather()
    }
}

impl Observer for Metrics {
    fn opened(&self) {
        self.connections.inc();
    }

    fn closed(&self) {
        self.connections.dec();
    }

    fn accept_failed(&self) {
        self.accept_errors.inc();
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    register(
        registry,
        IntCounter::new(format!("narrows_tracker_{name}"), help)?,
    )
}

fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
    register(
        registry,
        IntCounterVec::new(Opts::new(format!("narrows_tracker_{name}"), help), &[label])?,
    )
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    register(registry, IntGauge::new(format!("narrows_tracker_{name}"), help)?)
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
