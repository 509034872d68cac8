//! One leecher among neighbours that die, freeze, crawl, choke and come back at random: as long as one
//! healthy neighbour has what it lacks, it is asked for it within seconds. `NARROWS_SEEDS` sets how many
//! fates are tried.

use std::collections::VecDeque;
use std::time::Duration;

use narrows_swarm::{Action, Class, DialError, Event, Origin, PeerKey, Time};
use narrows_wire::{Bitfield, Block, Message};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::table::{PIECES, Table, gateway};

const STEP: Time = Duration::from_millis(50);
/// Bytes/s of a neighbour that is well.
const WELL: u64 = 100_000;
/// Within this a healthy neighbour is asked.
const SOON: Time = Duration::from_secs(5);
/// And this is how long a change of upstreams may take: 10 s of patience, 10 s of rest, and the round after.
const ACROSS: Time = Duration::from_secs(25);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Health {
    Well,
    /// The connection stays open and says nothing.
    Frozen,
    /// Bytes/s.
    Slow(u64),
    Choking,
    /// Nothing answers there.
    Dead,
}

struct Neighbour {
    addr: String,
    class: Class,
    fast: bool,
    /// With a choke it rejects what it was asked for.
    polite: bool,
    has: Bitfield,
    health: Health,
    key: Option<PeerKey>,
    queue: VecDeque<Block>,
    tokens: f64,
}

struct Scenario {
    table: Table,
    rng: SmallRng,
    neighbours: Vec<Neighbour>,
    verify: VecDeque<u32>,
    done: bool,
    /// When a healthy neighbour of the site, and any of all, last was asked for something or sent it.
    asked_near: Time,
    asked_far: Time,
    history: Vec<String>,
}

impl Scenario {
    fn new(seed: u64) -> Scenario {
        let mut rng = SmallRng::seed_from_u64(seed);
        let far = if rng.random_bool(0.3) { 2 } else { 0 };
        let near = if rng.random_bool(0.4) {
            2
        } else {
            rng.random_range(2..7)
        };
        let mut neighbours = Vec::new();
        for index in 0..near + far {
            let (class, site) = if index < near {
                (Class::Local, 1)
            } else {
                (Class::Upstream, 0)
            };
            let mut has = Bitfield::full(PIECES);
            if class == Class::Local && (index > 0 || far > 0) && rng.random_bool(0.4) {
                has = Bitfield::new(PIECES);
                (0..PIECES).filter(|_| rng.random_bool(0.6)).for_each(|piece| {
                    has.set(piece);
                });
            }
            neighbours.push(Neighbour {
                addr: format!("10.{site}.0.{}:6881", index + 20),
                class,
                fast: class == Class::Upstream || rng.random_bool(0.5),
                polite: rng.random_bool(0.5),
                has,
                health: Health::Well,
                key: None,
                queue: VecDeque::new(),
                tokens: 0.0,
            });
        }
        Scenario {
            table: Table::leecher(),
            rng,
            neighbours,
            verify: VecDeque::new(),
            done: false,
            asked_near: Time::ZERO,
            asked_far: Time::ZERO,
            history: Vec::new(),
        }
    }

    fn assign(&mut self) {
        let of = |class| {
            let those = self.neighbours.iter().filter(move |n| n.class == class);
            those.map(|n| n.addr.clone()).collect::<Vec<_>>()
        };
        let (near, far) = (of(Class::Local), of(Class::Upstream));
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        let far: Vec<&str> = far.iter().map(String::as_str).collect();
        let out = self.table.assign(gateway(&far), &near);
        self.act(out);
    }

    fn tell(&mut self, event: Event) {
        let out = self.table.tell(event);
        self.act(out);
    }

    fn at(&mut self, key: PeerKey) -> Option<&mut Neighbour> {
        self.neighbours.iter_mut().find(|n| n.key == Some(key))
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { peer, message } => {
                    let Some(n) = self.at(peer) else { continue };
                    match message {
                        Message::Request(block) => {
                            assert!(n.has.has(block.piece), "asks for what it does not have");
                            n.queue.push_back(block);
                        }
                        Message::Cancel(block) => n.queue.retain(|queued| *queued != block),
                        _ => {}
                    }
                }
                Action::Verify { piece } => self.verify.push_back(piece),
                Action::Close { peer, .. } => {
                    if let Some(n) = self.at(peer) {
                        n.key = None;
                        n.queue.clear();
                    }
                }
                Action::Dial { addr, .. } => self.dial(addr.to_string()),
                Action::Completed => self.done = true,
                _ => {}
            }
        }
    }

    fn dial(&mut self, addr: String) {
        let Some(index) = self.neighbours.iter().position(|n| n.addr == addr) else {
            return;
        };
        let n = &self.neighbours[index];
        if matches!(n.health, Health::Dead | Health::Frozen) || n.key.is_some() {
            let addr = addr.parse().expect("an address");
            let why = DialError::TimedOut;
            return self.tell(Event::DialFailed { addr, why });
        }
        let (class, fast, has) = (n.class, n.fast, n.has.clone());
        // the key before its first messages
        self.neighbours[index].key = Some(PeerKey(self.table.peers + 1));
        self.neighbours[index].queue.clear();
        let (peer, out) = self.table.connect(&addr, Origin::Dialled(class), fast);
        self.act(out);
        self.tell(Event::Message {
            peer,
            message: Message::Bitfield(has.to_wire()),
        });
        if self.neighbours[index].health != Health::Choking {
            self.tell(Event::Message {
                peer,
                message: Message::Unchoke,
            });
        }
    }

    /// Something happens to a neighbour.
    fn strike(&mut self, index: usize, health: Health) {
        let now = self.table.now;
        self.history.push(format!(
            "{now:?} {} {:?} -> {health:?}",
            index, self.neighbours[index].health
        ));
        let n = &mut self.neighbours[index];
        let old = std::mem::replace(&mut n.health, health);
        let Some(peer) = n.key else { return };
        match (old, health) {
            (_, Health::Dead) => {
                n.key = None;
                n.queue.clear();
                self.tell(Event::Closed { peer });
            }
            (Health::Choking, Health::Choking | Health::Frozen) => n.health = Health::Choking,
            (Health::Choking, _) => self.tell(Event::Message {
                peer,
                message: Message::Unchoke,
            }),
            (_, Health::Choking) => {
                let (rejects, queue) = (n.fast && n.polite, std::mem::take(&mut n.queue));
                self.tell(Event::Message {
                    peer,
                    message: Message::Choke,
                });
                for block in queue.into_iter().filter(|_| rejects) {
                    self.tell(Event::Message {
                        peer,
                        message: Message::Reject(block),
                    });
                }
            }
            _ => {}
        }
    }

    fn fate(&mut self) {
        let index = self.rng.random_range(0..self.neighbours.len());
        let health = match self.rng.random_range(0..7) {
            0 => Health::Dead,
            1 => Health::Frozen,
            2 => Health::Slow(1),
            3 => Health::Slow(self.rng.random_range(100..2000)),
            4 => Health::Choking,
            _ => Health::Well,
        };
        let class = self.neighbours[index].class;
        // one that has everything always is well
        let saves = |n: &Neighbour| n.has.is_full() && n.health == Health::Well;
        let others = self.neighbours.iter().enumerate();
        let mut others =
            others.filter(|(other, n)| *other != index && (n.class == class || n.class == Class::Local));
        if health == Health::Well || others.any(|(_, n)| saves(n)) {
            self.strike(index, health);
        }
    }

    fn serve(&mut self) {
        for index in 0..self.neighbours.len() {
            let n = &mut self.neighbours[index];
            let rate = match n.health {
                Health::Well => WELL,
                Health::Slow(rate) => rate,
                _ => 0,
            };
            n.tokens = if n.queue.is_empty() {
                0.0
            } else {
                n.tokens + rate as f64 * STEP.as_secs_f64()
            };
            loop {
                let n = &mut self.neighbours[index];
                let (Some(peer), Some(block)) = (n.key, n.queue.front().copied()) else {
                    break;
                };
                if n.tokens < f64::from(block.len) {
                    break;
                }
                n.tokens -= f64::from(block.len);
                n.queue.pop_front();
                let out = self.table.block(peer, block);
                self.act(out);
            }
        }
    }

    fn check(&mut self, seed: u64) {
        let now = self.table.now;
        let have = self.table.swarm.have();
        let can = |n: &&Neighbour| {
            n.health == Health::Well && n.key.is_some() && n.has.iter_ones().any(|piece| !have.has(piece))
        };
        let asked = |n: &Neighbour| n.queue.iter().any(|block| !have.has(block.piece));
        let near = || self.neighbours.iter().filter(|n| n.class == Class::Local).filter(can);
        let all = || self.neighbours.iter().filter(can);
        // what is being verified counts as come
        let busy = !self.verify.is_empty();
        let near_ok = busy || near().next().is_none() || near().any(asked);
        let far_ok = busy || all().next().is_none() || all().any(asked);
        if near_ok {
            self.asked_near = now;
        }
        if far_ok {
            self.asked_far = now;
        }
        let stands = now > self.asked_near + SOON || now > self.asked_far + ACROSS;
        assert!(
            !stands,
            "stands at {now:?} since {:?} {:?}, seed {seed}: a healthy neighbour has what we lack and nothing is asked of any\n{:#?}\n{}",
            self.asked_near,
            self.asked_far,
            self.table.swarm.explain(now),
            self.history.join("\n")
        );
    }

    fn run(&mut self, seed: u64) {
        self.assign();
        let limit = Duration::from_secs(400);
        let mut next_fate = Duration::from_millis(self.rng.random_range(100..3000));
        let mut last = false;
        let mut next_assign = Duration::from_secs(20);
        while !self.done && self.table.now < limit {
            self.table.now += STEP;
            let now = self.table.now;
            self.tell(Event::Tick);
            for piece in std::mem::take(&mut self.verify) {
                self.tell(Event::Verified { piece, ok: true });
            }
            self.serve();
            if now >= next_assign {
                next_assign = now + Duration::from_secs(20);
                self.assign();
            }
            // in the last pieces something happens for sure
            let missing = self.table.swarm.have().iter_missing().count();
            if missing <= 2 && !last {
                last = true;
                next_fate = now;
            }
            if now >= next_fate && now < Duration::from_secs(120) {
                self.fate();
                next_fate = now + Duration::from_millis(self.rng.random_range(20..6000));
            }
            self.check(seed);
        }
        assert!(
            self.done,
            "not complete after {limit:?}, seed {seed}\n{}",
            self.history.join("\n")
        );
    }
}

#[test]
fn a_healthy_neighbour_is_asked_within_five_seconds_whatever_the_others_do() {
    let seeds = std::env::var("NARROWS_SEEDS").ok().and_then(|text| text.parse().ok());
    for seed in 0..seeds.unwrap_or(3000) {
        Scenario::new(seed).run(seed);
    }
}
