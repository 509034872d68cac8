//! Several parents where one cannot fill the links: agents that fetch each stripe from its parent, at its
//! rate.

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::{Announce, Context, Decision, Ledger, Policy, Swarm, Time};
use narrows_protocol::{AgentReport, AnnounceEvent, InfoHash, PeerId, Role};
use narrows_topology::{SiteMap, max_flow};
use support::rng::SplitMix;

/// Of each of 4 to 12 stripes; what is finer does not matter to a fluid.
const UNITS: usize = 12;
const SIZE: f64 = 200_000_000.0;

struct Agent {
    addr: SocketAddr,
    stock: bool,
    /// What it has of each unit; unit u is of stripe u % n.
    have: [f64; UNITS],
    decision: Option<Decision>,
    next: Time,
    done: Option<Time>,
    wan: f64,
}

struct Rollout {
    map: SiteMap,
    ledger: Ledger,
    swarm: Swarm,
    agents: Vec<Agent>,
    now: Time,
    wall: jiff::Timestamp,
    rng: SplitMix,
}

impl Rollout {
    fn new(map: &str) -> Rollout {
        let mut swarm = Swarm::with_size(InfoHash([9; 20]), SIZE as u64);
        swarm.set_strict(true);
        Rollout {
            map: SiteMap::parse("sites.yaml", map).unwrap_or_else(|e| panic!("{e}")),
            ledger: Ledger::new(),
            swarm,
            agents: Vec::new(),
            now: Time::from_secs(1),
            wall: "2026-11-23T12:00:00Z".parse().unwrap(),
            rng: SplitMix(1),
        }
    }

    fn join(&mut self, site: u8, seeder: bool, stock: bool) -> usize {
        let number = self.agents.len();
        self.agents.push(Agent {
            addr: SocketAddr::from(([10, site, 0, number as u8 + 1], 6881)),
            stock,
            have: [if seeder { SIZE / UNITS as f64 } else { 0.0 }; UNITS],
            decision: None,
            next: self.now,
            done: seeder.then_some(Time::ZERO),
            wan: 0.0,
        });
        self.announce(number);
        number
    }

    fn announce(&mut self, number: usize) {
        let agent = &self.agents[number];
        let role = agent.decision.as_ref().map_or(Role::Member, |decision| decision.role);
        let report = AgentReport {
            agent: format!("agent-{number}"),
            role,
            ..AgentReport::default()
        };
        let left = (SIZE - agent.have.iter().sum::<f64>()).max(0.0) as u64;
        let announce = Announce {
            key: None,
            addr: agent.addr,
            peer_id: PeerId([number as u8; 20]),
            left,
            downloaded: 0,
            uploaded: 0,
            event: if agent.decision.is_some() {
                AnnounceEvent::None
            } else {
                AnnounceEvent::Started
            },
            numwant: None,
            agent: (!agent.stock).then_some(&report),
        };
        let policy = Policy::default();
        let cx = Context {
            map: &self.map,
            policy: &policy,
            ledger: &self.ledger,
            wall: self.wall,
        };
        let decision = self.swarm.announce(&cx, &announce, self.now, &mut self.rng).unwrap();
        let stripes: Vec<u8> = decision.parents.iter().flat_map(|parent| parent.stripes.clone()).collect();
        if !decision.parents.is_empty() {
            let each: BTreeSet<u8> = stripes.iter().copied().collect();
            assert_eq!(stripes.len(), each.len(), "a stripe has two parents");
            assert_eq!(each, (0..decision.stripes).collect(), "every stripe has a parent");
            let parted = decision.parents.iter().map(|parent| parent.upstreams.len()).sum::<usize>();
            assert_eq!(parted, decision.upstream.len());
        }
        let agent = &mut self.agents[number];
        agent.next = self.now + decision.interval;
        agent.decision = Some(decision);
    }

    /// A tenth of a second: each agent fetches what its upstreams have.
    fn flow(&mut self) {
        const STEP: f64 = 0.1;
        let before: Vec<(SocketAddr, [f64; UNITS])> = self.agents.iter().map(|a| (a.addr, a.have)).collect();
        let has = |addr: &SocketAddr, unit: usize| {
            let found = before.iter().find(|(at, _)| at == addr);
            found.map_or(0.0, |(_, have)| have[unit])
        };
        for agent in &mut self.agents {
            let Some(decision) = &agent.decision else { continue };
            let of =
                |peers: &[narrows_protocol::Peer]| peers.iter().map(|peer| peer.addr).collect::<Vec<_>>();
            let mut sources: Vec<(Vec<SocketAddr>, f64, Vec<usize>)> = Vec::new();
            let rate = |rate: narrows_topology::Rate| rate.bytes_per_second().map_or(1e9, |rate| rate as f64);
            if decision.parents.is_empty() {
                if !decision.upstream.is_empty() && !decision.paused {
                    sources.push((of(&decision.upstream), rate(decision.rate), (0..UNITS).collect()));
                }
            } else {
                for parent in decision.parents.iter().filter(|parent| !parent.paused) {
                    let mine = |unit: &usize| {
                        parent.stripes.contains(&((unit % usize::from(decision.stripes)) as u8))
                    };
                    sources.push((
                        of(&parent.upstreams),
                        rate(parent.rate),
                        (0..UNITS).filter(mine).collect(),
                    ));
                }
            }
            for (upstream, rate, units) in sources {
                let mut budget = rate * STEP;
                // the unit that is furthest behind first, so that none is left over
                for _ in 0..4 {
                    let wanted = |unit: &usize| {
                        let most = upstream.iter().map(|up| has(up, *unit)).fold(0.0, f64::max);
                        (most - agent.have[*unit]).max(0.0)
                    };
                    let open: Vec<(usize, f64)> =
                        units.iter().map(|u| (*u, wanted(u))).filter(|(_, want)| *want > 1e-6).collect();
                    if open.is_empty() || budget < 1e-6 {
                        break;
                    }
                    let each = budget / open.len() as f64;
                    for (unit, want) in open {
                        let took = want.min(each);
                        agent.have[unit] += took;
                        agent.wan += took;
                        budget -= took;
                    }
                }
            }
            if agent.done.is_none() && agent.have.iter().sum::<f64>() >= SIZE - 1.0 {
                agent.done = Some(self.now);
                agent.next = self.now;
            }
        }
        self.now += Duration::from_millis(100);
        self.wall += Duration::from_millis(100);
    }

    fn run(&mut self, limit: u64) {
        let end = self.now + Duration::from_secs(limit);
        while self.now < end && self.agents.iter().any(|agent| agent.done.is_none()) {
            for number in 0..self.agents.len() {
                if self.agents[number].next <= self.now {
                    self.announce(number);
                }
            }
            self.flow();
        }
    }
}

const DIAMOND: &str = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/16]}\n  a: {networks: [10.1.0.0/16]}\n  b: {networks: \
                       [10.2.0.0/16]}\n  c: {networks: [10.3.0.0/16]}\nlinks:\n  - {between: [hq, a], rate: 10 Mbit/s}\n  - \
                       {between: [hq, b], rate: 10 Mbit/s}\n  - {between: [a, c], rate: 10 Mbit/s}\n  - {between: [b, c], rate: 10 \
                       Mbit/s}\n";

#[test]
fn on_a_diamond_the_links_are_filled_and_each_byte_enters_a_site_once() {
    let mut rollout = Rollout::new(DIAMOND);
    rollout.join(0, true, false);
    let clients: Vec<usize> = (1..4).map(|site| rollout.join(site, false, false)).collect();
    rollout.run(1000);
    let roots = [rollout.map.site_named("hq").unwrap()].into();
    let mut bound: f64 = 0.0;
    for name in ["a", "b", "c"] {
        let rate = max_flow(
            &rollout.map,
            rollout.wall,
            &roots,
            rollout.map.site_named(name).unwrap(),
        );
        bound = bound.max(SIZE / rate.bytes_per_second().unwrap() as f64);
    }
    for client in clients {
        let agent = &rollout.agents[client];
        let took = agent.done.expect("each agent completes").as_secs_f64() - 1.0;
        println!(
            "{}: {took:.1} s of {bound:.1} s, {:.3} copies",
            agent.addr,
            agent.wan / SIZE
        );
        assert!(
            took <= bound * 1.15,
            "{}: {took} s, the bound is {bound} s",
            agent.addr
        );
        assert!(agent.wan <= SIZE * 1.001, "{} fetched {}", agent.addr, agent.wan);
    }
}

#[test]
fn a_stock_gateway_on_a_diamond_has_one_parent() {
    let mut rollout = Rollout::new(DIAMOND);
    rollout.join(0, true, false);
    for site in 1..3 {
        rollout.join(site, false, false);
    }
    let stock = rollout.join(3, false, true);
    rollout.run(1000);
    assert!(rollout.agents[stock].done.is_some());
    assert!(rollout.agents.iter().all(|agent| agent.wan <= SIZE * 1.001));
    let decision = rollout.agents[stock].decision.as_ref().unwrap();
    assert!(decision.parents.is_empty() && decision.stripes == 1);
}

#[test]
fn on_a_map_without_cycles_no_reply_has_stripes() {
    let tree = DIAMOND.replace("  - {between: [b, c], rate: 10 Mbit/s}\n", "");
    let mut rollout = Rollout::new(&tree);
    rollout.join(0, true, false);
    for site in 1..4 {
        rollout.join(site, false, false);
    }
    rollout.run(30);
    let decision = rollout.agents.iter().filter_map(|agent| agent.decision.as_ref());
    assert!(decision.clone().all(|decision| decision.parents.is_empty() && decision.stripes == 1));
    assert_eq!(
        decision.filter(|decision| !decision.upstream.is_empty()).count(),
        3
    );
}

#[test]
fn the_status_names_every_site_that_a_gateway_fetches_from() {
    let mut rollout = Rollout::new(DIAMOND);
    rollout.join(0, true, false);
    for site in 1..4 {
        rollout.join(site, false, false);
    }
    rollout.run(30);
    let policy = Policy::default();
    let cx = Context {
        map: &rollout.map,
        policy: &policy,
        ledger: &rollout.ledger,
        wall: rollout.wall,
    };
    let status = rollout.swarm.status(&cx, rollout.now);
    let far = status.sites.iter().find(|site| site.site == "c").unwrap();
    let mut ways: Vec<(&str, &[String])> = Vec::new();
    ways.extend(far.sources.iter().map(|source| (source.site.as_str(), &*source.route)));
    ways.sort();
    assert_eq!(
        ways,
        [("a", &["a-c".to_owned()][..]), ("b", &["b-c".to_owned()][..])]
    );
    let rates = far.sources.iter().map(|source| source.rate.unwrap());
    assert_eq!(rates.sum::<u64>(), far.rate.unwrap());
}
