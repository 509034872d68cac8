//! Whatever neighbours do, the picker forgets no block: while one peer that may serve has what is missing and
//! answers, something comes within seconds.
//!
//! One real swarm among modelled neighbours, which die, freeze, slow down, choke and reject at random
//! moments, also in the last pieces. One of them does none of that. `NARROWS_SEEDS=10000` runs as many scenarios
//! of each kind; `NARROWS_SEED=17` one, with a log.

mod neighbour;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::metainfo::Lengths;
use narrows_protocol::{Assignment, PeerId, Role};
use narrows_swarm::{Action, Assigned, Class, DialError, Event, Origin, PeerKey, State, Swarm, Time};
use narrows_wire::{Bitfield, Block, Message};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use neighbour::{Fault, Neighbour, faults};

const STEP: Duration = Duration::from_millis(50);
/// Nothing may stand still for longer: 5 s until it is asked for, and what a block takes.
const STANDSTILL: Duration = Duration::from_millis(6_500);
/// The same where the upstream in use stops when all neighbours have: that one has its time, too, before the
/// spare.
const TWICE: Duration = Duration::from_millis(12_500);
const PIECE: u32 = 64 << 10;
/// Agents that others wait for send a keep-alive so often.
const SPEAKS: Duration = Duration::from_secs(4);
/// How long a dial to a neighbour that does not answer takes.
const DIAL: Duration = Duration::from_secs(5);

/// What the swarm is to hear of next.
enum Input {
    Event(Event),
    Block(PeerKey, Block),
}

struct Scenario {
    rng: SmallRng,
    now: Time,
    swarm: Swarm,
    neighbours: Vec<Neighbour>,
    faults: Vec<(f64, usize, Fault)>,
    keys: u64,
    inputs: VecDeque<Input>,
    verifying: Vec<(Time, u32)>,
    /// The peers of which blocks of a piece were kept.
    senders: BTreeMap<u32, BTreeSet<PeerKey>>,
    delivered: Time,
    log: Option<Vec<String>>,
}

impl Scenario {
    /// The last neighbour is the one that always serves.
    fn new(seed: u64, gateway: bool) -> Scenario {
        let mut rng = SmallRng::seed_from_u64(seed);
        let pieces = rng.random_range(3..24);
        let lengths = Lengths::new(PIECE, u64::from(PIECE * pieces) - 1000).expect("a content");
        let swarm = Swarm::new(crate::pair::config(lengths, Bitfield::new(pieces), 9), Time::ZERO);
        let count = rng.random_range(2..6_usize);
        let mut neighbours: Vec<Neighbour> =
            (0..count).map(|number| Neighbour::random(&mut rng, pieces, gateway, (number, count))).collect();
        if let Some(good) = neighbours.last_mut() {
            good.rate = good.rate.max(400_000.0);
        }
        let faults = faults(&mut rng, count);
        Scenario {
            rng,
            now: Time::ZERO,
            swarm,
            neighbours,
            faults,
            keys: 0,
            inputs: VecDeque::new(),
            verifying: Vec::new(),
            senders: BTreeMap::new(),
            delivered: Time::ZERO,
            log: std::env::var_os("NARROWS_SEED").map(|_| Vec::new()),
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:8.3} {}", self.now.as_secs_f64(), text()));
        }
    }

    fn assign(&mut self) {
        let of = |class| -> Vec<SocketAddr> {
            let theirs = self.neighbours.iter().filter(|n| n.class == class);
            theirs.map(|n| n.addr).collect()
        };
        let upstream = of(Class::Upstream);
        let gateway = !upstream.is_empty();
        self.tell(Event::Assigned(Assigned {
            local: of(Class::Local),
            assignment: Some(Assignment {
                role: if gateway { Role::Gateway } else { Role::Member },
                site: "b1".into(),
                gateways: vec!["10.1.0.9:6881".parse().expect("an address")],
                lease: 60,
                upstream,
                ..Assignment::default()
            }),
            interval: Duration::from_secs(30),
            min_interval: Duration::from_secs(5),
            external_ip: None,
        }));
    }

    fn tell(&mut self, event: Event) {
        self.inputs.push_back(Input::Event(event));
    }

    fn pump(&mut self) {
        self.tell(Event::Tick);
        while let Some(input) = self.inputs.pop_front() {
            let mut out = Vec::new();
            match input {
                Input::Event(event) => self.swarm.handle(event, self.now, &mut out),
                Input::Block(peer, block) => {
                    if self.swarm.handle_block(peer, block, (), self.now, &mut out).is_some() {
                        self.senders.entry(block.piece).or_default().insert(peer);
                    }
                }
            }
            for action in out {
                self.act(action);
            }
        }
    }

    fn neighbour(&mut self, key: PeerKey) -> Option<usize> {
        self.neighbours.iter().position(|n| n.connected == Some(key))
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial { addr, .. } => {
                let now = self.now;
                if let Some(n) = self.neighbours.iter_mut().find(|n| n.addr == addr) {
                    n.dialled = Some(now + if n.frozen { DIAL } else { STEP });
                }
            }
            Action::Close { peer, reason } => {
                if let Some(number) = self.neighbour(peer) {
                    self.note(|| format!("closed {number}: {reason:?}"));
                    let n = &mut self.neighbours[number];
                    n.connected = None;
                    n.queue.clear();
                }
            }
            Action::Send { peer, message } => {
                let Some(number) = self.neighbour(peer) else {
                    return;
                };
                let n = &mut self.neighbours[number];
                match message {
                    Message::Request(block) => {
                        let (refuses, fast) = (n.choking || n.rejects, !n.stock);
                        match (refuses && !n.frozen, fast) {
                            (true, true) => self.tell(Event::Message {
                                peer,
                                message: Message::Reject(block),
                            }),
                            (true, false) => {}
                            (false, _) => n.queue.push_back(block),
                        }
                        self.note(|| format!("asks {number} for {} {}", block.piece, block.begin));
                    }
                    Message::Cancel(block) => {
                        n.queue.retain(|queued| *queued != block);
                    }
                    _ => {}
                }
            }
            Action::Discard { piece } => {
                self.senders.remove(&piece);
            }
            Action::Verify { piece } => self.verifying.push((self.now + STEP, piece)),
            _ => {}
        }
    }

    fn connect(&mut self, number: usize) {
        self.keys += 1;
        let peer = PeerKey(self.keys);
        let n = &mut self.neighbours[number];
        n.connected = Some(peer);
        n.queue.clear();
        let agent = !n.stock;
        self.inputs.push_back(Input::Event(Event::Connected {
            peer,
            addr: n.addr,
            origin: Origin::Dialled(n.class),
            peer_id: PeerId([100 + number as u8; 20]),
            fast: agent,
            extended: agent,
        }));
        let mut has = Bitfield::new(n.has.len() as u32);
        for piece in n.has.iter().enumerate().filter(|(_, has)| **has) {
            has.set(piece.0 as u32);
        }
        let mut say = vec![Message::Bitfield(has.to_wire())];
        if agent {
            let site = if n.class == Class::Upstream { "hq" } else { "b1" };
            say.push(crate::table::introduction(crate::table::hello(
                site, false, false,
            )));
        }
        if !n.choking {
            say.push(Message::Unchoke);
        }
        let say = say.into_iter().map(|message| Event::Message { peer, message });
        self.inputs.extend(say.map(Input::Event));
        let (class, stock, rate) = (n.class, n.stock, n.rate);
        let has = n.has.iter().filter(|has| **has).count();
        self.note(|| format!("connected {number}: {class:?}, stock {stock}, {rate:.0} B/s, {has} pieces"));
    }

    fn fail(&mut self, number: usize, fault: Fault) {
        self.note(|| format!("{number}: {fault:?}"));
        let n = &mut self.neighbours[number];
        let connected = n.connected.filter(|_| !n.frozen);
        match fault {
            Fault::Kill => {
                n.dead = true;
                if let Some(peer) = n.connected.take() {
                    self.tell(Event::Closed { peer });
                }
            }
            Fault::Freeze => n.frozen = true,
            Fault::Thaw => n.frozen = false,
            Fault::Slow(rate) => n.rate = rate,
            Fault::Reject => n.rejects = true,
            Fault::Choke => {
                n.choking = true;
                let queue = std::mem::take(&mut n.queue);
                if let Some(peer) = connected {
                    let rejects = queue.into_iter().filter(|_| !n.stock).map(Message::Reject);
                    let say = std::iter::once(Message::Choke).chain(rejects);
                    let say = say.map(|message| Event::Message { peer, message });
                    self.inputs.extend(say.map(Input::Event));
                }
            }
            Fault::Unchoke => {
                n.choking = false;
                if let Some(peer) = connected {
                    self.tell(Event::Message {
                        peer,
                        message: Message::Unchoke,
                    });
                }
            }
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let progress = self.swarm.status(self.now).progress;
        let due: Vec<_> = self.faults.iter().filter(|(at, ..)| *at <= progress).copied().collect();
        self.faults.retain(|(at, ..)| *at > progress);
        for (_, number, fault) in due {
            self.fail(number, fault);
        }
        for number in 0..self.neighbours.len() {
            let n = &mut self.neighbours[number];
            if n.dialled.is_some_and(|at| self.now >= at) {
                n.dialled = None;
                if n.dead || n.frozen {
                    let addr = n.addr;
                    let why = DialError::TimedOut;
                    self.tell(Event::DialFailed { addr, why });
                } else if n.connected.is_none() {
                    self.connect(number);
                }
            }
            let n = &mut self.neighbours[number];
            let Some(peer) = n.connected.filter(|_| !n.frozen && !n.dead) else {
                continue;
            };
            if !n.stock && self.now >= n.spoke + SPEAKS {
                n.spoke = self.now;
                let message = Message::KeepAlive;
                self.inputs.push_back(Input::Event(Event::Message { peer, message }));
            }
            n.credit = (n.credit + n.rate * STEP.as_secs_f64()).min(n.rate.max(20_000.0));
            while let Some(block) = n.queue.front().copied().filter(|b| f64::from(b.len) <= n.credit) {
                n.credit -= f64::from(block.len);
                n.queue.pop_front();
                self.inputs.push_back(Input::Block(peer, block));
                self.delivered = self.now;
            }
            if n.queue.is_empty() {
                n.credit = n.credit.min(0.0_f64.max(n.rate * STEP.as_secs_f64()));
            }
        }
        let now = self.now;
        let verified: Vec<u32> =
            self.verifying.iter().filter(|(at, _)| *at <= now).map(|(_, p)| *p).collect();
        self.verifying.retain(|(at, _)| *at > now);
        for piece in verified {
            // a piece of which one of several senders sent rubbish: it is asked of one alone next time
            let several = self.senders.remove(&piece).is_some_and(|senders| senders.len() > 1);
            let ok = !(several && self.rng.random_bool(0.3));
            self.note(|| format!("piece {piece} is right: {ok}"));
            self.tell(Event::Verified { piece, ok });
        }
        if self.rng.random_bool(0.002) {
            self.assign();
        }
        self.pump();
    }

    /// Runs until everything is there; what stood still for too long, else.
    fn run(&mut self) -> Result<(), String> {
        self.assign();
        self.pump();
        let upstreams = self.neighbours.iter().filter(|n| n.class == Class::Upstream);
        let longest = if upstreams.count() > 1 { TWICE } else { STANDSTILL };
        while self.swarm.status(self.now).state != State::Seeding {
            self.step();
            if self.now > self.delivered + longest {
                let left = self.swarm.have().iter_missing().collect::<Vec<_>>();
                return Err(format!(
                    "nothing came for {longest:?} at {:?}, missing {left:?}",
                    self.now
                ));
            }
        }
        Ok(())
    }
}

fn scenarios(gateway: bool, usual: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("NARROWS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NARROWS_SEEDS").unwrap_or(usual),
    };
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        let mut scenario = Scenario::new(seed, gateway);
        if let Err(problem) = scenario.run() {
            let log = scenario.log.take().unwrap_or_default();
            failed.push(format!("seed {seed}: {problem}\n{}", log.join("\n")));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} scenarios stand still, as:\n{}",
        failed.len(),
        seeds.end - seeds.start,
        failed[..failed.len().min(5)].join("\n")
    );
}

#[test]
fn a_leecher_comes_on_while_one_neighbour_serves_whatever_the_others_do() {
    scenarios(false, 10_000);
}

#[test]
fn a_gateway_comes_on_while_one_upstream_serves_whatever_its_neighbours_do() {
    scenarios(true, 10_000);
}
