//! What a run says beside its table: what each event cost, with what [`super::probes`], [`super::stagger`]
//! and [`super::gateways`] found.

use std::collections::BTreeSet;

use narrows_topology::{Hop, SiteId};

use crate::events::judge::{self, Cost, Extra, Interruption, Inward};
use crate::report::Report;
use crate::report::view::View;
use crate::run::rollout::Rollout;
use crate::timeline::HEADERS;
use crate::values::round;

impl Rollout {
    /// What the report says beside what the view shows.
    pub(crate) fn complete(&self, report: &mut Report, view: &View) {
        report.costs = self.costs(view);
        report.probes = self.seen.probes.iter().filter_map(|probe| self.found(probe, view)).collect();
        report.contents = self.contents();
        report.gateways = self.gateways();
        report.budgets = self.budgets();
        let net = self.prepared.net.as_ref();
        report.congestion_control = net.map(|net| net.congestion().to_owned());
    }

    /// What each event cost, by the kernel's counters.
    fn costs(&self, view: &View) -> Vec<Cost> {
        if self.prepared.net.is_none() {
            return Vec::new();
        }
        let one = |happened: &crate::run::observations::Happened| Cost {
            at: round(happened.at),
            what: happened.what.clone(),
            interruptions: happened
                .sites
                .iter()
                // agents that are away for good need nothing any more
                .filter(|site| self.peopled(**site))
                .map(|site| self.interruption(*site, happened.at, view))
                .collect(),
            extra: self.extra(&happened.sites, view),
            gateways: self.claimed(&happened.sites, happened.at),
        };
        self.seen.happened.iter().map(one).collect()
    }

    fn interruption(&self, site: SiteId, at: f64, view: &View) -> Interruption {
        let name = self.prepared.deployment.map.name(site).into_owned();
        let links: Vec<usize> = self
            .seen
            .wire
            .hops()
            .enumerate()
            .filter(|(_, hop)| self.leads_to(*hop, site))
            .map(|(i, _)| i)
            .collect();
        let complete = view.sites.iter().find(|row| row.site == name).and_then(|row| row.seconds);
        Interruption {
            seconds: judge::interruption(&self.seen.wire.samples, &links, at, complete).map(round),
            site: name,
        }
    }

    fn leads_to(&self, hop: Hop, site: SiteId) -> bool {
        let (a, b) = self.prepared.deployment.map.ends(hop.link);
        (if hop.forward { b } else { a }) == site
    }

    /// Whether any client at a site is waited for.
    pub(crate) fn peopled(&self, site: SiteId) -> bool {
        let places = self.prepared.deployment.agents.iter().zip(&self.fleet.agents);
        let mut those = places.filter(|(place, _)| place.site == site && !place.seeder);
        those.any(|(_, agent)| !agent.gone)
    }

    /// What came into these sites beyond one copy, where they are complete.
    fn extra(&self, sites: &BTreeSet<SiteId>, view: &View) -> Vec<Extra> {
        let deployment = &self.prepared.deployment;
        let piece = self.size.0 as f64 / f64::from(self.seen.facts.pieces.max(1)) * HEADERS;
        let counted = self.seen.traffic.total() > 0;
        let complete = |site: &&SiteId| {
            let name = deployment.map.name(**site);
            let row = view.sites.iter().find(|row| row.site == name);
            self.peopled(**site) && row.is_some_and(|row| row.seconds.is_some())
        };
        let one = |site: &SiteId| {
            let hops = self.seen.wire.hops().filter(|hop| self.leads_to(*hop, *site));
            let inward = |hop: Hop| {
                let routes = self
                    .planned_routes
                    .iter()
                    .filter(|route| route.site != *site && route.hops.contains(&hop));
                let planned = routes.map(|route| route.share).sum::<f64>() * self.size.0 as f64;
                Inward {
                    bytes: self.seen.wire.of(hop).unwrap_or(0),
                    back: self.seen.wire.of(hop.reversed()).unwrap_or(0),
                    // other players do not say what they fetched over which link
                    others: if counted {
                        self.seen.traffic.others(hop, *site)
                    } else {
                        planned as u64
                    },
                }
            };
            let links: Vec<Inward> = hops.map(inward).collect();
            let bytes = judge::extra(&links, self.size.0);
            Extra {
                site: deployment.map.name(*site).into_owned(),
                bytes,
                pieces: (bytes as f64 / piece * 10.0).round() / 10.0,
            }
        };
        sites.iter().filter(complete).map(one).collect()
    }
}
