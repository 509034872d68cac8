//! Agents of several swarms that keep to what they are granted until they announce again.

mod check;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use narrows_assignment::{Announce, Context, Ledger, Plan, Policy, Swarm, Time};
use narrows_protocol::{AgentReport, AnnounceEvent, InfoHash, PeerId, Role};
use narrows_topology::{Hop, Rate, SiteId, SiteMap};

use crate::support::rng::SplitMix;

const SIZE: u64 = 4_000_000_000;

pub(crate) struct Agent {
    pub(crate) number: usize,
    pub(crate) swarm: usize,
    pub(crate) site: u8,
    /// Whether its site is behind a NAT: all agents there have one address and port.
    pub(crate) nat: bool,
    pub(crate) left: f64,
    /// What it may fetch, bytes per second; infinite: no limit.
    pub(crate) rate: f64,
    pub(crate) upstream: Vec<SocketAddr>,
    /// When it was last granted more than a little more.
    pub(crate) raised: Time,
    pub(crate) next: Time,
    pub(crate) moved: Time,
    pub(crate) started: bool,
    /// Until when it may use what it was granted; the tracker counts on no more.
    pub(crate) lease: Time,
    pub(crate) alive: bool,
}

pub(crate) struct Rollouts {
    pub(crate) seed: u64,
    pub(crate) rng: SplitMix,
    pub(crate) map: SiteMap,
    pub(crate) sites: u8,
    pub(crate) policy: Policy,
    pub(crate) ledger: Ledger,
    pub(crate) swarms: Vec<Swarm>,
    /// Per swarm, the plan that is being made beside the announces, and when it is ready.
    plans: Vec<Option<(Time, Plan)>>,
    lag: SplitMix,
    /// When links were last shared out beside the announces.
    shared: Time,
    pub(crate) agents: Vec<Agent>,
    pub(crate) wall: jiff::Timestamp,
    pub(crate) now: Time,
    /// When an agent came, went or took office, or a link changed.
    pub(crate) changed: Time,
    /// When a link last became slower.
    pub(crate) slower: Time,
    pub(crate) rates: HashMap<Hop, Rate>,
    pub(crate) offices: Vec<(usize, Vec<SiteId>)>,
    /// How often shares were compared.
    pub(crate) checked: u64,
}

impl Rollouts {
    pub(crate) fn new(seed: u64, rng: SplitMix, map: &str, swarms: usize) -> Rollouts {
        let map = SiteMap::parse("sites.yaml", map).unwrap_or_else(|e| panic!("{e}\n{map}"));
        Rollouts {
            seed,
            rng,
            sites: map.sites().filter(|site| !map.is_transit(*site)).count() as u8,
            map,
            policy: Policy::default(),
            ledger: Ledger::new(),
            swarms: (0..swarms).map(Rollouts::new_swarm).collect(),
            plans: (0..swarms).map(|_| None).collect(),
            lag: SplitMix(seed ^ 0x1a9),
            shared: Time::ZERO,
            agents: Vec::new(),
            wall: "2026-11-23T12:00:00Z".parse().unwrap(),
            now: Time::from_secs(1),
            changed: Time::ZERO,
            slower: Time::ZERO,
            rates: HashMap::new(),
            offices: Vec::new(),
            checked: 0,
        }
    }

    /// An invariant that breaks ends the simulation, in release builds too.
    fn new_swarm(number: usize) -> Swarm {
        let mut swarm = Swarm::with_size(Rollouts::hash(number), SIZE);
        swarm.set_strict(true);
        swarm
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: self.wall,
        }
    }

    pub(crate) fn hash(swarm: usize) -> InfoHash {
        InfoHash([swarm as u8 + 1; 20])
    }

    /// Site and rate of each agent that fetches across links.
    pub(crate) fn granted(&self) -> impl Iterator<Item = (u8, u64)> {
        let fetching = self.agents.iter().filter(|agent| agent.alive && !agent.upstream.is_empty());
        fetching.map(|agent| (agent.site, agent.rate as u64))
    }

    /// Lets time pass without an announce.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.now += by;
        self.wall += by;
        for swarm in 0..self.swarms.len() {
            if let Some((_, plan)) = self.plans[swarm].take_if(|(ready, _)| *ready <= self.now) {
                self.on_swarm(swarm, |swarm, cx, _| swarm.take_over(cx, plan));
                self.changed = self.now;
                self.begin_plan(swarm);
            }
        }
        let shares = &self.policy.shares;
        if self.ledger.is_crowded(shares) && self.now >= self.shared + shares.fresh {
            self.shared = self.now;
            self.ledger.share_out(&self.map, shares, self.wall);
        }
    }

    fn on_swarm<R>(&mut self, swarm: usize, change: impl FnOnce(&mut Swarm, &Context<'_>, Time) -> R) -> R {
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: self.wall,
        };
        change(&mut self.swarms[swarm], &cx, self.now)
    }

    /// Has parents planned beside the announces, if there is a cause: the plan is in force a while later.
    fn begin_plan(&mut self, swarm: usize) {
        if self.plans[swarm].is_none()
            && let Some(picture) = self.on_swarm(swarm, Swarm::picture)
        {
            let ready = self.now + Duration::from_millis(self.lag.below(3000) as u64);
            self.plans[swarm] = Some((ready, picture.plan(&self.map)));
        }
    }

    pub(crate) fn join(&mut self, swarm: usize, site: u8, seeder: bool) {
        let number = self.agents.len();
        self.agents.push(Agent {
            number,
            swarm,
            site,
            nat: (self.seed + u64::from(site)).is_multiple_of(8),
            left: if seeder { 0.0 } else { SIZE as f64 },
            rate: 0.0,
            upstream: Vec::new(),
            raised: self.now,
            next: self.now,
            moved: self.now,
            started: false,
            lease: Time::ZERO,
            alive: true,
        });
        self.changed = self.now;
        self.announce(number, AnnounceEvent::Started);
        self.check();
    }

    /// Announces and, about every `pace` seconds (0: never), an agent that comes, goes or dies.
    pub(crate) fn run(&mut self, time: Duration, pace: usize) {
        let end = self.now + time;
        let mut happens = self.now;
        while self.now < end {
            if pace > 0 && happens <= self.now {
                happens = self.now + Duration::from_millis(self.rng.below(pace * 2000) as u64);
                self.happen();
            }
            self.step(end);
        }
    }

    /// Half a minute in which nothing happens.
    pub(crate) fn settle(&mut self) {
        self.run(Duration::from_secs(45), 0);
    }

    fn happen(&mut self) {
        let (swarm, site) = (
            self.rng.below(self.swarms.len()),
            self.rng.below(usize::from(self.sites)) as u8,
        );
        let living: Vec<usize> = self.agents.iter().filter(|a| a.alive).map(|a| a.number).collect();
        let seeded = self.agents.iter().any(|a| a.alive && a.swarm == swarm && a.left == 0.0);
        match self.rng.below(8) {
            _ if !seeded => self.join(swarm, site, true),
            0..6 => self.join(swarm, site, false),
            6 if !living.is_empty() => {
                let number = living[self.rng.below(living.len())];
                self.announce(number, AnnounceEvent::Stopped);
                self.agents[number].alive = false;
                self.changed = self.now;
            }
            7 if !living.is_empty() => {
                // it dies without a word
                let number = living[self.rng.below(living.len())];
                self.agents[number].alive = false;
                self.changed = self.now;
            }
            _ => {}
        }
    }

    /// The next announce, or a second without one.
    fn step(&mut self, end: Time) {
        let next =
            self.agents.iter().filter(|agent| agent.alive).map(|agent| (agent.next, agent.number)).min();
        let second = (self.now + Duration::from_secs(1)).min(end);
        match next.filter(|(at, _)| *at <= second) {
            Some((at, number)) => {
                self.advance(at.saturating_sub(self.now));
                self.look_at_links();
                self.fetch(number);
                self.announce(number, AnnounceEvent::None);
            }
            None => {
                self.advance(second - self.now);
                self.look_at_links();
                for swarm in 0..self.swarms.len() {
                    self.on_swarm(swarm, |swarm, cx, now| swarm.expire(cx, now));
                    self.begin_plan(swarm);
                }
            }
        }
        self.check();
    }

    fn fetch(&mut self, number: usize) {
        let seconds = (self.now - self.agents[number].moved).as_secs_f64();
        let (swarm, site) = (self.agents[number].swarm, self.agents[number].site);
        let ahead = self.agents[number].upstream.clone();
        let beside = |agent: &&Agent| agent.alive && agent.swarm == swarm && agent.number != number;
        let others = self.agents.iter().filter(beside);
        let upstream = others.clone().filter(|agent| ahead.contains(&address(agent)));
        let remote = upstream.map(|agent| agent.left).fold(f64::INFINITY, f64::min);
        let local =
            others.filter(|agent| agent.site == site).map(|agent| agent.left).fold(f64::INFINITY, f64::min);
        let agent = &mut self.agents[number];
        let fetched = (agent.left - agent.rate.min(1e9) * seconds).max(remote).min(agent.left);
        agent.left = fetched.min(local.max(agent.left - 1e8 * seconds)).max(0.0);
        agent.moved = self.now;
    }

    fn announce(&mut self, number: usize, event: AnnounceEvent) {
        let agent = &self.agents[number];
        let report = AgentReport {
            agent: format!("agent-{number}"),
            role: if agent.upstream.is_empty() {
                Role::Member
            } else {
                Role::Gateway
            },
            ..AgentReport::default()
        };
        let mut id = [0; 20];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let announce = Announce {
            key: None,
            addr: address(agent),
            peer_id: PeerId(id),
            left: agent.left as u64,
            downloaded: 0,
            uploaded: 0,
            event,
            numwant: None,
            agent: Some(&report),
        };
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: self.wall,
        };
        let decision = self.swarms[agent.swarm].announce(&cx, &announce, self.now, &mut self.rng).unwrap();
        let agent = &mut self.agents[number];
        let was_gateway = !agent.upstream.is_empty();
        agent.upstream = decision.upstream.iter().map(|peer| peer.addr).collect();
        let before = agent.rate;
        agent.rate = match decision.rate.bytes_per_second() {
            _ if decision.paused || agent.upstream.is_empty() => 0.0,
            Some(rate) => rate as f64,
            None => f64::INFINITY,
        };
        assert_eq!(
            decision.paused && !agent.upstream.is_empty(),
            agent.rate == 0.0 && !agent.upstream.is_empty()
        );
        if agent.rate > before * 1.05 {
            agent.raised = self.now;
        }
        agent.next = self.now + decision.interval;
        agent.lease = self.now + decision.lease;
        agent.started = true;
        let swarm = agent.swarm;
        if was_gateway == agent.upstream.is_empty() || decision.outcome.planned {
            self.changed = self.now;
        }
        self.begin_plan(swarm);
    }

    fn look_at_links(&mut self) {
        for link in self.map.links() {
            for forward in [false, true] {
                let hop = Hop { link, forward };
                let rate = self.map.rate(hop, self.wall);
                if let Some(before) = self.rates.insert(hop, rate).filter(|before| *before != rate) {
                    self.changed = self.now;
                    if rate < before {
                        self.slower = self.now;
                    }
                }
            }
        }
    }

    pub(crate) fn site_of(&self, addr: SocketAddr) -> SiteId {
        self.map.locate(addr.ip()).unwrap()
    }
}

pub(crate) fn address(agent: &Agent) -> SocketAddr {
    let (high, low) = match agent.nat {
        true => (255, 255),
        false => ((agent.number >> 8) as u8, agent.number as u8),
    };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, agent.site, high, low)), 6881)
}
