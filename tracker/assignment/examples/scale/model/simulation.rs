//! The simulation: all that is in it, from the first arrival to the last byte.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use narrows_assignment::{Context, Ledger, Plan, Policy, Swarm, Time};
use narrows_protocol::{AgentReport, InfoHash};
use narrows_topology::{Rate, SiteId, SiteMap, max_flow};

use super::calendar::{Calendar, Due, Millis};
use super::client::Client;
use super::links::{Flow, Links};
use super::measure::{self, Meter};
use super::rng::SplitMix;
use super::setup::{Setup, part};
use super::site::Site;

/// How often the tracker forgets who has not come back.
const SWEEP: Millis = 5_000;

/// Noon on a Monday, UTC.
const EPOCH: Timestamp = Timestamp::constant(1_795_435_200, 0);

pub(crate) struct Simulation {
    pub(crate) setup: Setup,
    pub(crate) map: SiteMap,
    pub(crate) policy: Policy,
    pub(crate) ledger: Ledger,
    pub(crate) swarm: Swarm,
    /// The plan that is made beside the announces, and when it will be in force.
    plan: Option<(Millis, Plan)>,
    /// What the clients do.
    pub(crate) rng: SplitMix,
    /// What the tracker draws.
    pub(crate) luck: SplitMix,
    pub(crate) clients: Vec<Client>,
    pub(crate) sites: Vec<Site>,
    pub(crate) links: Links,
    /// Kept from step to step for its memory.
    pub(crate) flows: Vec<Flow>,
    pub(crate) calendar: Calendar,
    pub(crate) now: Millis,
    /// Arrivals, departures and returns to come.
    pub(crate) to_come: usize,
    /// As above, for what is said in an announce.
    pub(crate) report: AgentReport,
    pub(crate) meter: Meter,
}

/// How far a simulation is.
pub(crate) struct Progress {
    /// Simulated time.
    pub(crate) now: Duration,
    /// Arrivals, departures and returns to come.
    pub(crate) to_come: usize,
    /// Sites that have everything.
    pub(crate) done: usize,
    pub(crate) announces: u64,
}

impl Simulation {
    pub(crate) fn new(setup: Setup) -> Result<Simulation, String> {
        let (text, names) = setup.map();
        let map = SiteMap::parse("sites.yaml", &text).map_err(|mistakes| mistakes.to_string())?;
        let mut rng = SplitMix(setup.seed ^ 0x5ca1_ab1e);
        let crowds = setup.crowds(&mut rng);
        let mut meter = Meter::new();
        let ids: Option<Vec<SiteId>> = names.iter().map(|name| map.site_named(name)).collect();
        let ids = ids.ok_or("the map lost a site")?;
        let roots = BTreeSet::from([ids[0]]);
        // the map keeps the paths from a site when they are first asked for: their memory is not the swarm's
        let before = measure::resident();
        ids.iter().for_each(|id| drop(map.path(*id, ids[0])));
        meter.path_bytes = measure::resident().saturating_sub(before);

        let (mut sites, mut clients) = (Vec::new(), Vec::new());
        for (n, (id, crowd)) in ids.iter().zip(&crowds).enumerate() {
            let rate = match max_flow(&map, EPOCH, &roots, *id).bytes_per_second() {
                Some(rate) => (rate as f64).min(setup.lan),
                None => f64::INFINITY,
            };
            sites.push(Site::new(*id, clients.len() as u32, *crowd as u32, rate));
            clients.resize(clients.len() + crowd, Client::new(n as u16));
        }
        let rate = |rate: Rate| rate.bytes_per_second().map_or(f64::INFINITY, |rate| rate as f64);
        let links = Links::new(map.links().map(|link| rate(map.base_rate(link))));
        let mut policy = Policy::default();
        if setup.planning.is_zero() {
            policy.planning.at_once = usize::MAX;
        }
        let mut simulation = Simulation {
            swarm: Swarm::with_size(InfoHash([7; 20]), setup.size),
            policy,
            ledger: Ledger::new(),
            plan: None,
            luck: SplitMix(setup.seed ^ 0x10c4),
            calendar: Calendar::default(),
            flows: Vec::new(),
            now: 0,
            to_come: 0,
            report: AgentReport::default(),
            setup,
            map,
            rng,
            clients,
            sites,
            links,
            meter,
        };
        simulation.swarm.set_strict(true);
        simulation.invite();
        simulation.meter.base_bytes = measure::resident();
        simulation.meter.calendar_bytes = simulation.calendar.bytes() as u64;
        Ok(simulation)
    }

    /// Draws when each client arrives, and when it vanishes.
    fn invite(&mut self) {
        let arrival = self.setup.arrival.as_millis() as f64;
        let size = self.setup.size as f64;
        for number in 0..self.clients.len() as u32 {
            let client = &mut self.clients[number as usize];
            let site = &self.sites[usize::from(client.site)];
            let mut at = 0;
            if client.site == 0 && (number as usize) < self.setup.seeders {
                client.have = size;
                client.complete = true;
            } else {
                at = 1 + (part(&mut self.rng) * arrival) as Millis;
            }
            self.calendar.add(at, Due::Up, number);
            self.to_come += 1;
            if part(&mut self.rng) < self.setup.churn {
                // while its site fetches, as far as can be known
                let stay = (size / site.max_flow * 1000.0).max(60_000.0);
                let down = at + 1000 + (part(&mut self.rng) * stay) as Millis;
                self.calendar.add(down, Due::Down, number);
                self.to_come += 1;
            }
        }
    }

    pub(crate) fn run(&mut self, mut watch: impl FnMut(&Progress)) {
        let step = self.setup.step.as_millis() as Millis;
        let limit = Millis::try_from(self.setup.limit.as_millis()).unwrap_or(Millis::MAX / 2);
        let mut swept = 0;
        while self.now < limit && !self.is_over() {
            let end = self.now + step;
            while let Some((at, due, client)) = self.calendar.next_before(end) {
                self.now = self.now.max(at);
                self.look_after_plans();
                match due {
                    Due::Announce if self.clients[client as usize].next == at => self.announce(client, false),
                    Due::Announce => {}
                    Due::Up => self.come(client),
                    Due::Down => self.vanish(client),
                }
            }
            self.now = end;
            self.let_flow();
            self.watch();
            if self.now >= swept + SWEEP {
                swept = self.now;
                self.sweep();
                self.meter.look_at_memory(self.calendar.bytes() as u64);
                watch(&self.progress());
            }
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            now: self.time().0,
            to_come: self.to_come,
            done: self.sites.iter().filter(|site| site.done.is_some()).count(),
            announces: self.meter.announces.iter().copied().map(u64::from).sum(),
        }
    }

    /// Whether each client has everything, and has told the tracker.
    fn is_over(&self) -> bool {
        self.to_come == 0 && self.sites.iter().all(|site| site.lacking == 0)
    }

    /// What decisions are made in view of now.
    pub(crate) fn time(&self) -> (Duration, Timestamp) {
        let now = Duration::from_millis(u64::from(self.now));
        (now, EPOCH + now)
    }

    fn sweep(&mut self) {
        let at = self.now;
        self.on_swarm(|swarm, meter, cx, now| meter.sweep(at, || swarm.expire(cx, now)));
    }

    /// Puts the plan in force that is ready, and begins another if there is a cause.
    fn look_after_plans(&mut self) {
        let at = self.now;
        if let Some((_, plan)) = self.plan.take_if(|(ready, _)| *ready <= at) {
            self.on_swarm(|swarm, meter, cx, _| meter.hold(at, || swarm.take_over(cx, plan)));
        }
        if self.plan.is_none()
            && let Some(picture) =
                self.on_swarm(|swarm, meter, cx, now| meter.hold(at, || swarm.picture(cx, now)))
        {
            let map = &self.map;
            let plan = self.meter.plan(|| picture.plan(map));
            self.plan = Some((at + self.setup.planning.as_millis() as Millis, plan));
        }
    }

    fn on_swarm<R>(&mut self, change: impl FnOnce(&mut Swarm, &mut Meter, &Context<'_>, Time) -> R) -> R {
        let (now, wall) = self.time();
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall,
        };
        change(&mut self.swarm, &mut self.meter, &cx, now)
    }

    /// Whether some site that waits has no peer to fetch from.
    fn watch(&mut self) {
        for site in &mut self.sites {
            let waits = site.lacking > 0 && site.level < self.setup.size as f64;
            let clients = &self.clients;
            let is_up = |client: &u32| clients[*client as usize].up;
            let mut fetches = site.fetches.iter();
            if !waits || fetches.any(|fetch| is_up(&fetch.client) && fetch.upstreams.iter().any(is_up)) {
                site.unfed = None;
                continue;
            }
            let since = *site.unfed.get_or_insert(self.now);
            site.longest_unfed = site.longest_unfed.max(self.now - since);
        }
    }

    /// What a client has now.
    pub(crate) fn have(&self, number: u32) -> f64 {
        let client = &self.clients[number as usize];
        if client.complete || !client.up {
            return client.have;
        }
        let site = &self.sites[usize::from(client.site)];
        if client.gateway {
            return site.fetch_of(number).map_or(client.have, |fetch| fetch.have);
        }
        let reached = client.have + self.setup.lan * f64::from(self.now.saturating_sub(client.at)) / 1000.0;
        reached.min(site.spread).max(client.have)
    }

    /// The client announces then, and not when it meant to before.
    pub(crate) fn schedule(&mut self, number: u32, at: Millis) {
        let at = at.max(self.now);
        self.clients[number as usize].next = at;
        self.calendar.add(at, Due::Announce, number);
    }
}
