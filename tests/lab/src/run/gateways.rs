//! How many agents of a site claim to be gateway at the same time: noted during a run, told at its end.

use std::collections::BTreeSet;

use narrows_topology::SiteId;

use crate::events::claims::Gateways;
use crate::events::judge::Claimed;
use crate::run::rollout::Rollout;
use crate::values::round;

impl Rollout {
    /// Notes which agents say that they are gateway now, of all that others can reach.
    pub(crate) fn note_claims(&mut self, at: f64) {
        if self.prepared.player.name() != "narrows" {
            return;
        }
        let contents = self.prepared.task.contents.len();
        let mut claims = Vec::new();
        for site in &self.prepared.deployment.waiting {
            let places = self.prepared.deployment.agents.iter().zip(&self.fleet.agents);
            let those = places.filter(|(place, agent)| {
                place.site == *site && agent.process.is_some() && !agent.frozen && !agent.unplugged
            });
            let those: Vec<_> = those.collect();
            claims.extend((0..contents).map(|content| {
                let claims = those.iter().filter_map(|(_, agent)| agent.status.get(content));
                claims.filter(|content| content.gateway() && !content.complete()).count()
            }));
        }
        self.seen.claims.note(at, claims);
    }

    /// Each waiting site and content, with its place in the claims.
    fn claimants(&self) -> impl Iterator<Item = (usize, SiteId, &str)> {
        let contents = &self.prepared.task.contents;
        let sites = self.prepared.deployment.waiting.iter();
        let each = sites.flat_map(move |site| contents.iter().map(move |content| (*site, &*content.name)));
        each.enumerate().map(|(i, (site, content))| (i, site, content))
    }

    pub(crate) fn gateways(&self) -> Vec<Gateways> {
        if self.prepared.player.name() != "narrows" {
            return Vec::new();
        }
        let map = &self.prepared.deployment.map;
        let one = |(i, site, content): (usize, SiteId, &str)| {
            let allowed = map.gateways(site) as usize;
            Gateways {
                site: map.name(site).into_owned(),
                content: content.to_owned(),
                allowed,
                most: self.seen.claims.most(i, 0.0, f64::INFINITY),
                seconds_above: round(self.seen.claims.above(i, allowed)),
            }
        };
        self.claimants().map(one).collect()
    }

    /// The gateways of these sites from an event to the next.
    pub(crate) fn claimed(&self, sites: &BTreeSet<SiteId>, at: f64) -> Vec<Claimed> {
        if self.prepared.player.name() != "narrows" {
            return Vec::new();
        }
        let later = self.seen.happened.iter().map(|happened| happened.at);
        let end = later.filter(|later| *later > at).fold(f64::INFINITY, f64::min);
        let those = self.claimants().filter(|(_, site, _)| sites.contains(site) && self.peopled(*site));
        let one = |(i, site, content): (usize, SiteId, &str)| Claimed {
            site: self.prepared.deployment.map.name(site).into_owned(),
            content: content.to_owned(),
            most: self.seen.claims.most(i, at, end),
        };
        those.map(one).collect()
    }
}
