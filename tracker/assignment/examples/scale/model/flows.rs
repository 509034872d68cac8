//! A step of time, in which bytes flow.

use super::calendar::Millis;
use super::links::{Flow, index};
use super::simulation::Simulation;

/// How far a gateway is ahead of its neighbours, in pieces: what its site loses with it.
const WINDOW: f64 = 8.0;

impl Simulation {
    /// Lets bytes flow for the step that ends now.
    pub(crate) fn let_flow(&mut self) {
        let step = self.setup.step.as_secs_f64();
        let mut flows = std::mem::take(&mut self.flows);
        flows.clear();
        for site in 0..self.sites.len() {
            self.want(site, step, &mut flows);
        }
        self.links.share(&mut flows);
        for flows in flows.chunk_by(|a, b| a.site == b.site) {
            self.receive(flows, step);
        }
        self.flows = flows;
        for site in 0..self.sites.len() {
            self.spread(site, step);
        }
    }

    /// The flows of a site's gateways, which get no more than their upstreams hold at the step's start.
    fn want(&mut self, site: usize, step: f64, flows: &mut Vec<Flow>) {
        let piece = self.setup.piece();
        for (n, fetch) in self.sites[site].fetches.iter().enumerate() {
            if !self.clients[fetch.client as usize].up {
                continue;
            }
            let live = fetch.upstreams.iter().filter(|up| self.clients[**up as usize].up);
            let offered = live.map(|up| match self.have(*up) {
                have if self.clients[*up as usize].complete => have,
                // only whole pieces are passed on
                have => have - piece,
            });
            let room = offered.fold(0.0, f64::max) - self.sites[site].level;
            let cap = fetch.rate.min(room.max(0.0) / step).min(self.setup.lan);
            if cap > 0.0 {
                flows.push(Flow {
                    site,
                    fetch: n,
                    route: fetch.route.clone(),
                    cap,
                    room,
                    rate: 0.0,
                });
            }
        }
    }

    /// What a site's gateways receive.
    fn receive(&mut self, flows: &[Flow], step: f64) {
        let Some(first) = flows.first() else { return };
        let site = &mut self.sites[first.site];
        let all = || flows.iter().map(|flow| &site.fetches[flow.fetch]);
        let divided = all().all(|one| all().all(|other| one.knows.contains(&other.client)));
        let room = flows.iter().map(|flow| flow.room).fold(0.0, f64::max);
        let sum: f64 = flows.iter().map(|flow| flow.rate * step).sum();
        let (part, useful) = if divided {
            ((room / sum).min(1.0), sum.min(room))
        } else {
            // each takes the other's bytes too
            (1.0, flows.iter().map(|flow| flow.rate * step).fold(0.0, f64::max))
        };
        let size = self.setup.size as f64;
        let missing = size - site.level;
        site.level += useful;
        site.progressed = self.now;
        for flow in flows {
            let bytes = flow.rate * step * part;
            let fetch = &mut site.fetches[flow.fetch];
            fetch.have += bytes;
            self.clients[fetch.client as usize].wan += bytes;
            for hop in flow.route.hops.iter() {
                self.links.crossed[index(*hop)] += bytes;
            }
        }
        if size - site.level < 1.0 {
            site.level = size;
            let early = (1.0 - missing / useful).max(0.0) * step;
            site.done.get_or_insert(self.now - (early * 1000.0) as Millis);
        }
    }

    /// What came in goes round in the site.
    fn spread(&mut self, number: usize, step: f64) {
        let size = self.setup.size as f64;
        let window = WINDOW * self.setup.piece();
        let site = &mut self.sites[number];
        if site.live == 0 {
            return;
        }
        let (level, is_whole) = (site.level, site.level >= size);
        let reach = self.setup.lan * step;
        let mut finished = Vec::new();
        for fetch in &mut site.fetches {
            let before = fetch.have;
            fetch.have = (fetch.have + reach).min(level).max(before.min(size));
            if fetch.have >= size && before < size {
                finished.push(fetch.client);
            }
        }
        if site.members() > 0 {
            let most = if is_whole { level } else { level - window };
            site.spread = (site.spread + reach).min(most).max(site.spread);
        }
        if is_whole {
            site.done.get_or_insert(self.now);
        }
        let fills = site.spread >= size && !std::mem::replace(&mut site.full, site.spread >= size);
        let clients = site.clients();
        for gateway in finished {
            self.schedule(gateway, self.now);
        }
        if fills {
            for client in clients {
                self.finish_soon(client);
            }
        }
    }

    /// A member of a site where everything is announces when it has it, too.
    fn finish_soon(&mut self, number: u32) {
        let client = &self.clients[number as usize];
        if client.up && client.started && !client.complete && !client.gateway {
            let at = self.whole_at(number);
            self.schedule(number, at);
        }
    }

    /// When a member of a site where everything is will have it: LAN time, and the last pieces' way through
    /// the site.
    pub(crate) fn whole_at(&mut self, number: u32) -> Millis {
        let missing = self.setup.size as f64 - self.have(number);
        let spread = self.rng.below(500) as Millis;
        self.now + (missing / self.setup.lan * 1000.0).ceil() as Millis + 1 + spread
    }
}
