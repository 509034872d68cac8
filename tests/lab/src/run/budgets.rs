//! What is noted during a run, and the judgement at its end.

use std::collections::BTreeSet;
use std::time::Duration;

use narrows_topology::{Hop, Rate, SiteId};
use serde_json::from_slice;

use crate::budget::Budget;
use crate::budget::loads::{self, Track};
use crate::budget::rates::{Brakes, DirectedLink, Ruled, Ruling, steps};
use crate::budget::shares::{Moment, shares};
use crate::programs::poll;
use crate::run::progress::sources;
use crate::run::rollout::Rollout;
use crate::values::round;

/// Between two moments, in seconds.
const PERIOD: f64 = 1.0;

impl Rollout {
    /// From now on links may carry something else.
    pub(crate) fn rule(&mut self, ruling: Ruling) {
        let at = self.elapsed().as_secs_f64();
        self.seen.watch.rulings.push(Ruled { at, ruling });
    }

    /// Asks the tracker which brakes are on, after a request that may have changed them.
    pub(crate) async fn note_brakes(&mut self) {
        let admin = self.prepared.layout.admin();
        let answer = poll::get(admin, "/brake", Duration::from_secs(5)).await;
        match answer.map(|body| from_slice::<Brakes>(&body)) {
            Ok(Ok(brakes)) => self.rule(Ruling::Brakes(brakes)),
            Ok(Err(error)) => self.event(format!("GET /brake is not as expected: {error}")),
            Err(error) => self.event(format!("GET /brake: {error:#}")),
        }
    }

    /// Notes what is wanted over which links, and what was fetched, if it is time to.
    pub(crate) fn watch_links(&mut self, at: f64) {
        if at < self.seen.watch.next {
            return;
        }
        self.seen.watch.next = at + PERIOD;
        let contents = self.prepared.task.contents.len();
        let hops: Vec<Hop> = self.seen.wire.hops().collect();
        let mut now: Vec<Moment> = (hops.iter())
            .map(|hop| Moment {
                at,
                active: 0,
                carried: (0..contents).map(|content| self.seen.traffic.content(*hop, content)).collect(),
            })
            .collect();
        for content in 0..contents {
            for site in &self.prepared.deployment.waiting {
                if !self.wants(*site, content) {
                    continue;
                }
                for hop in self.hops_to(*site, content) {
                    if let Some(i) = hops.iter().position(|other| *other == hop) {
                        now[i].active |= 1 << content;
                    }
                }
            }
        }
        self.seen.watch.moments.push(now);
    }

    /// Whether no agent of a site has all of a content yet that was begun.
    fn wants(&self, site: SiteId, content: usize) -> bool {
        let begun = self.pending.stagger.is_none() || content < self.seen.contents_begun.len();
        let places = self.prepared.deployment.agents.iter().zip(&self.fleet.agents);
        let mut those = places
            .filter(|(place, agent)| place.site == site && !agent.gone && agent.process.is_some())
            .peekable();
        begun && those.peek().is_some() && those.all(|(_, agent)| agent.done[content].is_none())
    }

    /// The links over which a site fetches a content now: from the sources that its gateways were given, else
    /// as planned.
    fn hops_to(&self, site: SiteId, content: usize) -> Vec<Hop> {
        let map = &self.prepared.deployment.map;
        let swarm = self.seen.swarms.get(content);
        let sources_now = swarm.map_or_else(BTreeSet::new, |swarm| {
            sources(&self.prepared.deployment, swarm, site)
        });
        match sources_now.is_empty() {
            false => {
                let routes = sources_now.iter().filter_map(|from| map.path(*from, site));
                routes.flat_map(|route| route.hops.to_vec()).collect()
            }
            true => {
                let routes = self.planned_routes.iter().filter(|route| route.site == site);
                routes.flat_map(|route| route.hops.clone()).collect()
            }
        }
    }

    /// How the load of each link related to its rate, with `--netns`.
    pub(crate) fn budgets(&self) -> Vec<Budget> {
        let (Some(net), Some(last)) = (&self.prepared.net, self.seen.wire.samples.last()) else {
            return Vec::new();
        };
        let deployment = &self.prepared.deployment;
        let contents = &self.prepared.task.contents;
        let names: Vec<String> = contents.iter().map(|content| content.name.clone()).collect();
        let mut budgets = Vec::new();
        for (i, hop) in self.seen.wire.hops().enumerate() {
            let (from, to) = deployment.hop_name(hop);
            let over = self.planned_routes.iter().filter(|route| route.hops.contains(&hop));
            let flows = over.flat_map(|route| {
                let (site, parent) = (deployment.map.name(route.site), deployment.map.name(route.from));
                names.iter().map(move |name| (name.clone(), site.to_string(), parent.to_string()))
            });
            let directed = DirectedLink {
                ends: (from.clone(), to.clone()),
                link: deployment.map.link_name(hop.link),
                flows: flows.collect(),
            };
            let until = last.at;
            let line = net.physical(hop.link);
            let steps = steps(
                &deployment.map,
                &directed,
                line,
                &self.seen.watch.rulings,
                self.clock.clients_started_at,
                until,
            );
            let track = Track::new(&self.seen.wire.samples, i);
            let moments: Vec<Moment> =
                (self.seen.watch.moments.iter()).filter_map(|moment| moment.get(i).cloned()).collect();
            let wanted = |at: f64| {
                let next = moments.iter().find(|moment| moment.at >= at - PERIOD);
                next.is_some_and(|moment| moment.active != 0)
            };
            let mut changes = loads::changes(&track, &steps, until, wanted);
            let steady = loads::steady(&steps, &changes, until);
            let wants: Vec<(f64, bool)> =
                (moments.iter()).map(|moment| (moment.at, moment.active != 0)).collect();
            let (full, wanted_seconds) = loads::full(&track, &steady, &wants);
            if wants.iter().all(|(_, wanted)| !wanted) {
                // acknowledgements of the other way have no budget to follow
                changes.clear();
            }
            let limited = steps.iter().any(|step| !step.rate.is_unlimited());
            budgets.push(Budget {
                link: directed.link,
                from,
                to,
                rate: steps.first().map_or(Rate::UNLIMITED, |step| step.rate).bytes_per_second(),
                over_10s: loads::highest(&track, &steady, 10.0),
                over_5s: loads::highest(&track, &steady, 5.0),
                full,
                wanted_seconds: round(wanted_seconds),
                changes,
                shares: shares(&track, &steady, limited, &moments, &names),
            });
        }
        budgets
    }
}
