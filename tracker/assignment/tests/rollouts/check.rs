//! What must hold of what gateways are granted, whatever happens.

use std::collections::HashMap;
use std::time::Duration;

use narrows_topology::{Hop, Rate, Route, SiteId, fair_rates};

use super::{Agent, Rollouts, address};

impl Rollouts {
    pub(super) fn check(&mut self) {
        // an agent that has an upstream and a lease may be fetching, dead or not
        let mut routes: Vec<(usize, SiteId, SiteId, Route)> = Vec::new();
        for agent in &self.agents {
            if agent.started && agent.alive && !agent.upstream.is_empty() {
                let site = self.site_of(address(agent));
                let mut sources: Vec<SiteId> = agent.upstream.iter().map(|up| self.site_of(*up)).collect();
                sources.dedup();
                // a root that lacks something has several, and may fetch everything from any
                sources.sort();
                sources.dedup();
                for source in sources {
                    routes.push((agent.number, source, site, self.map.path(source, site).unwrap()));
                }
            }
        }
        let mut sums: HashMap<Hop, f64> = HashMap::new();
        for (number, _, _, route) in &routes {
            for hop in route.hops.iter() {
                *sums.entry(*hop).or_default() += self.agents[*number].rate;
            }
        }
        let transition = self.now < self.slower + Duration::from_secs(30);
        for (hop, sum) in sums {
            let rate =
                self.map.rate(hop, self.wall).bytes_per_second().map_or(f64::INFINITY, |rate| rate as f64);
            assert!(
                transition || sum <= rate * 1.05,
                "seed {} at {:?}: gateways were granted {sum} of the {rate} of {}",
                self.seed,
                self.now,
                self.map.link_name(hop.link)
            );
        }
        self.check_shares(&routes);
    }

    /// Whether an agent fetches from a site that does not have everything.
    fn a_gateway_is_capped(&self, routes: &[(usize, SiteId, SiteId, Route)]) -> bool {
        let complete = |swarm: usize, at: SiteId| {
            let mut there = self.agents.iter().filter(|other| other.alive && other.swarm == swarm);
            there.any(|other| other.left == 0.0 && self.site_of(address(other)) == at)
        };
        let mut flows = routes.iter();
        flows.any(|(number, from, ..)| !complete(self.agents[*number].swarm, *from))
    }

    fn share_by_status(&self, swarm: usize, site: SiteId) -> f64 {
        let cx = self.context();
        let status = self.swarms[swarm].status(&cx, self.now);
        let name = self.map.name(site);
        let found = status.sites.iter().find(|site| site.site == name);
        found.and_then(|site| site.rate).map_or(f64::INFINITY, |rate| rate as f64)
    }

    /// Prints everything, to look for a mistake.
    fn describe(&self) {
        let cx = self.context();
        for swarm in &self.swarms {
            eprintln!("{:#?}", swarm.status(&cx, self.now));
        }
        for agent in &self.agents {
            let Agent {
                number,
                swarm,
                site,
                rate,
                left,
                alive,
                lease,
                upstream,
                ..
            } = agent;
            eprintln!(
                "{number} of {swarm} at {site}: {rate} {left} alive {alive} lease {lease:?} {upstream:?}"
            );
        }
    }

    /// Half a minute after the last change, each agent has 90 % of the fair share.
    fn check_shares(&mut self, routes: &[(usize, SiteId, SiteId, Route)]) {
        let offices: Vec<(usize, Vec<SiteId>)> =
            routes.iter().map(|(number, from, to, _)| (*number, vec![*from, *to])).collect();
        if offices != self.offices {
            self.offices = offices;
            self.changed = self.now;
        }
        // the dead hold their shares until their leases end
        let ghosts = self
            .agents
            .iter()
            .any(|a| !a.alive && !a.upstream.is_empty() && a.lease + Duration::from_secs(30) > self.now);
        let braked = !self.ledger.brakes().is_empty();
        if braked {
            self.changed = self.now;
        }
        if self.now < self.changed + Duration::from_secs(30) || ghosts || braked {
            return;
        }
        // one flow for each site and content
        let mut flows: Vec<(usize, SiteId, SiteId, &Route, u32)> = Vec::new();
        for (number, from, to, route) in routes {
            let swarm = self.agents[*number].swarm;
            match flows.iter_mut().find(|flow| (flow.0, flow.1, flow.2) == (swarm, *from, *to)) {
                Some(flow) => flow.4 += 1,
                None => flows.push((swarm, *from, *to, route, 1)),
            }
        }
        let only: Vec<(&Route, Rate)> = flows.iter().map(|flow| (flow.3, Rate::UNLIMITED)).collect();
        let shares = fair_rates(&self.map, self.wall, &only);
        for (number, from, to, _) in routes {
            let agent = &self.agents[*number];
            if routes.iter().filter(|route| route.0 == *number).count() > 1 {
                continue;
            }
            let i =
                flows.iter().position(|flow| (flow.0, flow.1, flow.2) == (agent.swarm, *from, *to)).unwrap();
            let fair =
                shares[i].share(flows[i].4).bytes_per_second().map_or(f64::INFINITY, |rate| rate as f64);
            // who is capped by what arrives at its parent
            let feeding = routes
                .iter()
                .filter(|(other, _, at, _)| self.agents[*other].swarm == agent.swarm && at == from);
            let feeding: Vec<&Agent> = feeding.map(|(other, ..)| &self.agents[*other]).collect();
            let lately = self.now.saturating_sub(Duration::from_secs(30));
            if feeding.iter().any(|other| other.raised > lately) {
                continue;
            }
            let arriving: f64 = feeding.iter().map(|other| other.rate).sum();
            let parent_is_supplied = self.agents.iter().any(|other| {
                other.alive
                    && other.swarm == agent.swarm
                    && other.left == 0.0
                    && self.site_of(address(other)) == *from
            });
            let fair = if parent_is_supplied {
                fair
            } else {
                fair.min(arriving / f64::from(flows[i].4))
            };
            // where an agent takes less than its share because its parent gets less, what it leaves may go to
            // one whose gain is another's loss elsewhere: then the tracker's own shares, which know that, are
            // the measure
            let fair = if self.a_gateway_is_capped(routes) {
                fair.min(self.share_by_status(agent.swarm, *to) / f64::from(flows[i].4))
            } else {
                fair
            };
            if agent.rate < fair * 0.9 {
                self.describe();
            }
            self.checked += 1;
            assert!(
                agent.rate >= fair * 0.9,
                "seed {} at {:?}: agent {number} of content {} at {} was granted {} of its {fair}, {} s after the last change",
                self.seed,
                self.now,
                agent.swarm,
                self.map.name(*to),
                agent.rate,
                (self.now - self.changed).as_secs_f64()
            );
        }
    }
}
