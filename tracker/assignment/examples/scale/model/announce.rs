//! A client announces, and does as it is told.

use std::fmt::Write as _;
use std::net::SocketAddr;

use narrows_assignment::{Announce, Context, Decision};
use narrows_protocol::{AnnounceEvent, Peer, Role};

use super::calendar::Millis;
use super::client::{address, peer_id, whose};
use super::simulation::Simulation;
use super::site::Fetch;

/// How long an agent without progress waits before it says so: a gateway, a member whose gateway is there,
/// and one who is connected to none.
const PATIENCE: [Millis; 3] = [30_000, 90_000, 10_000];

/// How soon a client that reaches no peer comes back.
const RETRY: Millis = 10_000;

/// When a silent peer counts as gone.
const SILENCE: Millis = 10_000;

impl Simulation {
    pub(crate) fn announce(&mut self, number: u32, stops: bool) {
        let have = self.have(number);
        let size = self.setup.size;
        let client = &mut self.clients[number as usize];
        if !client.up {
            return;
        }
        client.have = have;
        client.at = self.now;
        let home = usize::from(client.site);
        let completes = !client.complete && have >= size as f64 - 0.5;
        if completes {
            client.complete = true;
            client.have = size as f64;
            self.sites[home].lacking -= 1;
        }
        let event = match (stops, client.started) {
            (true, _) => AnnounceEvent::Stopped,
            (_, false) => AnnounceEvent::Started,
            _ if completes => AnnounceEvent::Completed,
            _ => AnnounceEvent::None,
        };
        client.started = true;
        let left = if client.complete {
            0
        } else {
            ((size as f64 - have) as u64).max(1)
        };
        self.fill_in(number, event == AnnounceEvent::Started);
        let (now, wall) = self.time();
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall,
        };
        let announce = Announce {
            key: None,
            addr: self.address_of(number),
            peer_id: peer_id(number),
            left,
            downloaded: 0,
            uploaded: 0,
            event,
            numwant: None,
            agent: Some(&self.report),
        };
        let (swarm, luck) = (&mut self.swarm, &mut self.luck);
        let decision = self.meter.announce(self.now, || swarm.announce(&cx, &announce, now, luck));
        match decision {
            Some(decision) if !stops => self.obey(number, home, &decision),
            _ => {}
        }
    }

    /// What an agent says beside the standard keys.
    fn fill_in(&mut self, number: u32, is_first: bool) {
        let mut report = std::mem::take(&mut self.report);
        let client = self.clients[number as usize];
        let site = &self.sites[usize::from(client.site)];
        let at = |client: u32| self.address_of(client);
        report.agent.clear();
        // writing to a String cannot fail
        let _ = write!(report.agent, "client-{number:07}");
        report.role = if client.gateway {
            Role::Gateway
        } else {
            Role::Member
        };
        report.wan = client.wan as u64;
        let mut others = site.fetches.iter().map(|fetch| fetch.client);
        let gateway =
            others.find(|other| *other != number && !client.complete && self.clients[*other as usize].up);
        report.gateway = gateway.map(at);
        report.lost = site.lost.filter(|_| client.noticed).map(at);
        let patience = match (client.gateway, gateway) {
            (true, _) => PATIENCE[0],
            (_, Some(_)) => PATIENCE[1],
            _ => PATIENCE[2],
        };
        let reached = client.gateway || client.have >= site.spread;
        report.stalled = !client.complete && reached && self.now >= site.progressed.saturating_add(patience);
        report.gone.clear();
        if gateway.is_none() && !is_first && !client.gateway && !client.complete {
            // it was handed a gateway that does not answer
            report.gone.extend(site.lost.map(at));
        }
        if let Some(fetch) = site.fetch_of(number) {
            let gone = fetch.upstreams.iter().filter(|up| {
                let up = &self.clients[**up as usize];
                !up.up && (!up.silent || self.now >= up.at + SILENCE)
            });
            report.gone.extend(gone.map(|up| at(*up)));
            report.stalled |= !fetch.upstreams.is_empty() && report.gone.len() == fetch.upstreams.len();
        }
        self.report = report;
        self.clients[number as usize].noticed = false;
    }

    fn address_of(&self, number: u32) -> SocketAddr {
        let home = usize::from(self.clients[number as usize].site);
        address(home, (number - self.sites[home].first) as usize)
    }

    fn obey(&mut self, number: u32, home: usize, decision: &Decision) {
        let mut next = self.now + decision.interval.as_millis() as Millis;
        let is_gateway = decision.role == Role::Gateway;
        let was_gateway = std::mem::replace(&mut self.clients[number as usize].gateway, is_gateway);
        if is_gateway {
            self.fetch(number, home, decision);
        } else if was_gateway {
            let have = self.clients[number as usize].have;
            let site = &mut self.sites[home];
            site.fetches.retain(|fetch| fetch.client != number);
            site.spread = site.spread.max(have);
        }
        let site = &self.sites[home];
        let mut reachable = site.fetches.iter().filter(|fetch| {
            let mut upstreams = fetch.upstreams.iter().map(|up| &self.clients[*up as usize]);
            self.clients[fetch.client as usize].up && (fetch.client != number || upstreams.any(|up| up.up))
        });
        let client = &self.clients[number as usize];
        if !client.complete {
            if site.full && !is_gateway {
                next = next.min(self.whole_at(number));
            } else if reachable.next().is_none() {
                next = next.min(self.now + RETRY);
            }
        }
        self.schedule(number, next.max(self.now + 1));
    }

    /// A gateway takes over the upstreams that it is handed.
    fn fetch(&mut self, number: u32, home: usize, decision: &Decision) {
        let who = |addr| {
            let (site, host) = whose(addr)?;
            let site = self.sites.get(site)?;
            (host < site.count as usize).then_some(site.first + host as u32)
        };
        let upstreams: Vec<u32> = decision.upstream.iter().filter_map(|peer: &Peer| who(peer.addr)).collect();
        let knows: Vec<u32> = decision.gateways.iter().filter_map(|addr| who(*addr)).collect();
        let is_up = |up: &&u32| self.clients[**up as usize].up;
        let source = upstreams.iter().find(is_up).or(upstreams.first());
        let source = source.map_or(home, |up| usize::from(self.clients[*up as usize].site));
        let rate = if decision.paused {
            0.0
        } else {
            let rate = decision.rate.bytes_per_second();
            rate.map_or(f64::INFINITY, |rate| rate as f64)
        };
        for up in &upstreams {
            self.clients[*up as usize].upstream = true;
        }
        let have = self.clients[number as usize].have;
        let site = &mut self.sites[home];
        let known = site.fetches.iter().position(|fetch| fetch.client == number);
        let n = known.unwrap_or_else(|| {
            site.progressed = self.now;
            site.fetches.push(Fetch {
                client: number,
                have,
                upstreams: Vec::new(),
                source: home,
                route: Default::default(),
                rate: 0.0,
                knows: Vec::new(),
            });
            site.fetches.len() - 1
        });
        if self.sites[home].fetches[n].source != source {
            let route = self.map.path(self.sites[source].id, self.sites[home].id);
            let fetch = &mut self.sites[home].fetches[n];
            fetch.source = source;
            fetch.route = route.unwrap_or_default();
        }
        let fetch = &mut self.sites[home].fetches[n];
        fetch.upstreams = upstreams;
        fetch.knows = knows;
        fetch.rate = rate;
    }
}
