//! The world: clients, their network, and a tracker's core, stepped by events.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::{Context, Decision, Intervals, Ledger, Plan, Policy, Swarm, Time, Untruths};
use narrows_protocol::{AnnounceEvent, InfoHash};
use narrows_topology::SiteMap;

use super::client::{Client, SIZE, address};
use super::maps::{self, MapText};
use crate::support::rng::SplitMix;

/// The address that each machine behind a site's NAT has.
pub fn nat_address(site: u8) -> SocketAddr {
    address(site, 0xffff, false)
}

const CONTENT: InfoHash = InfoHash([7; 20]);

pub struct World {
    pub seed: u64,
    pub step: usize,
    pub rng: SplitMix,
    pub map: SiteMap,
    pub text: MapText,
    pub policy: Policy,
    pub ledger: Ledger,
    pub swarm: Swarm,
    pub now: Time,
    pub wall: jiff::Timestamp,
    pub clients: Vec<Client>,
    pub by_addr: HashMap<SocketAddr, usize>,
    /// Sites behind a NAT: all their machines have one IPv4 address and port, which leads to none of them.
    pub nat: BTreeSet<u8>,
    /// When the tracker last forgot something: what peers were handed before is not held against it.
    pub epoch: Time,
    /// When the tracker restarted.
    pub restarted: Time,
    /// When the last record of a crashed client has expired.
    pub ghosts_until: Time,
    /// A digest of all decisions.
    pub digest: u64,
    pub announces: u64,
    pub swept: Time,
    /// Addresses that the tracker dials, and when it knows what comes of it.
    pub dialled: Vec<(Time, SocketAddr)>,
    /// The tracker reaches no peer of these sites: a firewall is between.
    pub walled: BTreeSet<u8>,
    /// Where a liar accepts connections.
    pub listening: BTreeSet<SocketAddr>,
    /// Where it says nothing to who connects, so that clients know that they get nothing there.
    pub mute: BTreeSet<SocketAddr>,
    /// Addresses that were found to say again and again what is not true.
    pub false_accusers: Vec<std::net::IpAddr>,
    pub untruths: Untruths,
    /// Gateways that were found to have brought their sites nothing.
    pub named: Vec<std::net::IpAddr>,
    /// The plan that is being made beside the announces, and when it is ready.
    pub plan: Option<(Time, Plan)>,
    /// How long plans take is drawn apart, so that a story is the same with and without.
    pub lag: SplitMix,
    /// What happened, if NARROWS_SEED asks for one seed: the last lines are printed with a failure.
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, most_sites: usize) -> World {
        let mut rng = SplitMix(seed);
        let text = maps::random(&mut rng, most_sites);
        World::with_map(seed, rng, text)
    }

    /// On the map that `text` is, whose sites are so numbered.
    pub fn of(text: &str, sites: &[u8]) -> World {
        let text = MapText {
            text: text.to_owned(),
            sites: sites.to_vec(),
        };
        World::with_map(1, SplitMix(1), text)
    }

    pub fn with_map(seed: u64, rng: SplitMix, text: MapText) -> World {
        let map = SiteMap::parse("sites.yaml", &text.text).unwrap_or_else(|e| panic!("{e}\n{}", text.text));
        // shorter than in life, so that ghosts go soon
        let intervals = Intervals {
            seeder: Duration::from_secs(120),
            ..Intervals::default()
        };
        World {
            seed,
            step: 0,
            rng,
            map,
            text,
            policy: Policy {
                intervals,
                stock_interval: Duration::from_secs(60),
                ..Policy::default()
            },
            ledger: Ledger::new(),
            swarm: World::new_swarm(),
            now: Time::from_secs(1),
            wall: "2026-11-23T12:00:00Z".parse().unwrap(),
            clients: Vec::new(),
            by_addr: HashMap::new(),
            nat: BTreeSet::new(),
            epoch: Time::ZERO,
            restarted: Time::ZERO,
            ghosts_until: Time::ZERO,
            digest: 0,
            announces: 0,
            swept: Time::ZERO,
            dialled: Vec::new(),
            walled: BTreeSet::new(),
            listening: BTreeSet::new(),
            mute: BTreeSet::new(),
            false_accusers: Vec::new(),
            untruths: Untruths::default(),
            named: Vec::new(),
            plan: None,
            lag: SplitMix(seed ^ 0x1a9),
            log: std::env::var_os("NARROWS_SEED").map(|_| Vec::new()),
        }
    }

    pub fn site(&self, addr: SocketAddr) -> Option<narrows_topology::SiteId> {
        self.map.locate(addr.ip())
    }

    pub fn join(&mut self, site: u8, agent: bool, have: u64) -> usize {
        let number = self.clients.len();
        let addr = self.address(site, number, false);
        let mut client = Client::new(number, addr, agent, self.now);
        client.have = have;
        client.completed = have >= SIZE;
        if !self.is_behind_nat(addr) {
            self.by_addr.insert(addr, number);
        }
        self.clients.push(client);
        number
    }

    pub(super) fn address(&self, site: u8, number: usize, v6: bool) -> SocketAddr {
        match self.nat.contains(&site) && !v6 {
            true => nat_address(site),
            false => address(site, number, v6),
        }
    }

    /// Whether no peer can connect to this address.
    pub fn is_behind_nat(&self, addr: SocketAddr) -> bool {
        self.nat.iter().any(|site| nat_address(*site) == addr)
    }

    /// Whether the site of this address is behind a NAT.
    pub fn is_nat_site(&self, addr: SocketAddr) -> bool {
        let sites = self.nat.iter().map(|site| self.site(nat_address(*site)));
        self.site(addr).is_some_and(|site| sites.flatten().any(|nat| nat == site))
    }

    pub fn client(&self, addr: SocketAddr) -> Option<&Client> {
        self.by_addr
            .get(&addr)
            .map(|n| &self.clients[*n])
            .filter(|client| client.alive && (client.addr == addr || client.other == Some(addr)))
    }

    /// Lets the next client announce.
    pub fn announce_next(&mut self) -> bool {
        let next = self
            .clients
            .iter()
            .filter(|client| client.alive)
            .min_by_key(|client| (client.next, client.number));
        let Some((number, at)) = next.map(|client| (client.number, client.next)) else {
            return false;
        };
        self.advance(at);
        self.announce_one(number);
        true
    }

    fn announce_one(&mut self, number: usize) {
        self.fetch(number);
        let client = &self.clients[number];
        let event = match (client.announced, client.is_seeder() && !client.completed) {
            (None, _) => AnnounceEvent::Started,
            (Some(_), true) => AnnounceEvent::Completed,
            (Some(_), false) => AnnounceEvent::None,
        };
        self.announce(number, event);
    }

    pub fn advance(&mut self, to: Time) {
        loop {
            let due = (0..self.dialled.len()).filter(|n| self.dialled[*n].0 <= to);
            let Some(next) = due.min_by_key(|n| self.dialled[*n]) else {
                break;
            };
            let (at, addr) = self.dialled.swap_remove(next);
            self.pass(at);
            let answers = self.client(addr).is_some() || self.listening.contains(&addr);
            let reached = answers && !self.walled.iter().any(|site| self.is_of(addr, *site));
            let probed = self.on_swarm(|swarm, cx, now| swarm.probed(cx, addr, reached, now));
            for (ip, _) in probed.refuted {
                if self.untruths.count(&self.policy.reach, ip, CONTENT, self.now) {
                    self.false_accusers.push(ip);
                }
            }
        }
        self.pass(to);
        if self.now - self.swept > Duration::from_secs(5) {
            self.swept = self.now;
            self.on_swarm(|swarm, cx, now| swarm.expire(cx, now));
        }
    }

    fn pass(&mut self, to: Time) {
        if let Some((ready, plan)) = self.plan.take_if(|(ready, _)| *ready <= to) {
            self.set_time(ready);
            self.on_swarm(|swarm, cx, _| swarm.take_over(cx, plan));
            self.begin_plan();
        }
        self.set_time(to);
    }

    fn is_of(&self, addr: SocketAddr, site: u8) -> bool {
        self.site(addr) == self.site(address(site, 1, false))
    }

    /// The tracker dials. What lives answers at once, and so do most machines whose process has gone; of others
    /// nothing is heard for three seconds.
    pub fn dial(&mut self, addrs: &[SocketAddr]) {
        for addr in addrs {
            let is_dead = self.client(*addr).is_none() && !self.listening.contains(addr);
            let is_silent = is_dead && addr.to_string().bytes().map(u32::from).sum::<u32>() % 4 == 0;
            let wait = Duration::from_millis(if is_silent { 3000 } else { 20 });
            self.dialled.push((self.now + wait, *addr));
        }
    }

    fn set_time(&mut self, to: Time) {
        if to > self.now {
            self.wall += to - self.now;
            self.now = to;
        }
    }

    /// Has parents planned beside the announces, if there is a cause: the plan is in force a while later.
    pub fn begin_plan(&mut self) {
        if self.plan.is_none()
            && let Some(picture) = self.on_swarm(Swarm::picture)
        {
            let ready = self.now + Duration::from_millis(self.lag.below(3000) as u64);
            self.plan = Some((ready, picture.plan(&self.map)));
        }
    }

    pub fn announce(&mut self, number: usize, event: AnnounceEvent) -> Option<Decision> {
        let decision = self.take_announce(number, event);
        self.begin_plan();
        decision
    }

    fn take_announce(&mut self, number: usize, event: AnnounceEvent) -> Option<Decision> {
        self.announces += 1;
        let known = self.clients[number].gateways.iter();
        let gateway =
            known.copied().find(|gateway| self.client(*gateway).is_some_and(|c| c.number != number));
        let World {
            map,
            policy,
            ledger,
            swarm,
            now,
            wall,
            rng,
            clients,
            ..
        } = self;
        let client = &mut clients[number];
        let report = client.report(gateway);
        let cx = Context {
            map,
            policy,
            ledger,
            wall: *wall,
        };
        let Ok(decision) = swarm.announce(&cx, &client.announce(event, report.as_ref()), *now, rng) else {
            // no site of the map any more
            let (now, alive) = (*now, client.alive && event != AnnounceEvent::Stopped);
            client.restart(now + Duration::from_secs(60));
            client.alive = alive;
            return None;
        };
        client.completed |= client.is_seeder();
        let now = *now;
        self.dial(&decision.outcome.probe);
        self.named.extend(decision.outcome.no_progress.iter().map(|(ip, _)| *ip));
        let text = format!("{number} {now:?} {decision:?}");
        for byte in nameless(&text).bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(log) = &mut self.log {
            let Decision {
                role,
                site,
                interval,
                outcome,
                upstream,
                ..
            } = &decision;
            let upstream: Vec<_> = upstream.iter().map(|peer| peer.addr).collect();
            let client = &self.clients[number];
            log.push(format!(
                "{} {:?} {} {:?} have {} of {} {event:?} lost {:?} -> {role:?} in {site:?} {upstream:?} {interval:?} \
                 step {} elected {} extra {} failover {} revoked {} adopted {} gateway_lost {} planned {}",
                self.step, self.now, client.number, client.addr, client.have, SIZE, client.lost, outcome.step,
                outcome.elected, outcome.elected && outcome.step >= 2, outcome.failover, outcome.revoked,
                outcome.adopted, outcome.gateway_lost, outcome.planned
            ));
        }
        if event == AnnounceEvent::Stopped {
            let client = &mut self.clients[number];
            (client.alive, client.announced) = (false, None);
            let now = self.now;
            client.restart(now);
            client.alive = false;
        } else {
            self.clients[number].obey(&decision, self.now);
        }
        Some(decision)
    }

    /// What a client has received since it last looked.
    pub(super) fn fetch(&mut self, number: usize) {
        let client = &self.clients[number];
        let mut sources: Vec<&Client> = Vec::new();
        if client.blocked_until <= self.now {
            let addrs = client.local.iter().chain(&client.gateways).chain(&client.upstream);
            sources.extend(
                addrs.filter_map(|addr| self.client(*addr)).filter(|c| c.number != number && c.shares()),
            );
        }
        let most = sources.iter().map(|source| source.have).max().unwrap_or(0);
        // a client that is blocked takes all others for dead
        let handed = client.local.iter().chain(&client.upstream);
        let answers = |addr: &&SocketAddr| {
            let is_there = self.client(**addr).is_some() || self.listening.contains(*addr);
            client.blocked_until <= self.now && is_there
        };
        let gone: Vec<SocketAddr> = handed.filter(|addr| !answers(addr)).take(8).copied().collect();
        let remote = sources
            .iter()
            .filter(|source| source.have == most)
            .all(|source| client.upstream.contains(&source.addr));
        let took = self.now.saturating_sub(client.fetched_at).as_secs() * client.rate;
        let have = (client.have + took).min(most.max(client.have));
        // one that says it has everything and sends nothing
        let mut known = client.local.iter().chain(&client.gateways);
        let is_deceived = known.any(|addr| self.listening.contains(addr) && !self.mute.contains(addr));
        let waits = client.announced.is_some() && !client.is_seeder();
        // each gateway has fetched pieces that the other has not
        let brings = |addr: &&SocketAddr| {
            let gateway = self.client(**addr).filter(|other| other.number != number);
            gateway.is_some_and(|gateway| gateway.shares() && gateway.have > 0)
        };
        let brings: Vec<SocketAddr> = client.gateways.iter().filter(brings).copied().collect();
        let client = &mut self.clients[number];
        let part = (have - client.have) / (brings.len() as u64 + u64::from(remote)).max(1);
        brings.into_iter().for_each(|addr| *client.brought.entry(addr).or_default() += part);
        client.gone = gone;
        client.stalled = !is_deceived && waits && most <= client.have && took > 0 && client.agent;
        if remote {
            client.wan += have - client.have;
        }
        client.have = have;
        client.fetched_at = self.now;
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: self.wall,
        }
    }

    /// Without peers; an invariant that breaks ends the simulation, in release builds too.
    pub fn new_swarm() -> Swarm {
        let mut swarm = Swarm::with_size(CONTENT, SIZE);
        swarm.set_strict(true);
        swarm
    }

    /// Changes the swarm in view of the world as it is now.
    pub fn on_swarm<R>(&mut self, change: impl FnOnce(&mut Swarm, &Context<'_>, Time) -> R) -> R {
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: self.wall,
        };
        change(&mut self.swarm, &cx, self.now)
    }

    pub fn random_site(&mut self) -> u8 {
        let i = self.rng.below(self.text.sites.len());
        self.text.sites[i]
    }
}

impl World {
    /// Lets each client announce whose time comes before `end`, in the order of times.
    pub fn announce_until(&mut self, end: Time) {
        loop {
            let due = self.clients.iter().filter(|client| client.alive && client.next < end);
            let mut due: Vec<(Time, usize)> = due.map(|client| (client.next, client.number)).collect();
            due.sort_unstable();
            if due.is_empty() {
                self.advance(end);
                return;
            }
            for (at, number) in due {
                if self.clients[number].next == at {
                    self.advance(at);
                    self.announce_one(number);
                }
            }
        }
    }
}

/// The values in a text of `Debug`, without the names of types and fields: a digest that outlives a renaming.
fn nameless(text: &str) -> String {
    let mut values = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (head, tail) = rest.split_at(word.max(first.len_utf8()));
        let names = [": ", " {", "("].iter().any(|after| tail.starts_with(after));
        if word == 0 || !names || head == "Some" || first.is_ascii_digit() {
            values.push_str(head);
        }
        rest = tail;
    }
    values
}
