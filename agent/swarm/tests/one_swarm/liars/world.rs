//! A gateway, its upstream, and neighbours of which some lie.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::metainfo::Lengths;
use narrows_protocol::{Assignment, PeerId, Role};
use narrows_swarm::{
    Action, AnnounceReason, Assigned, Class, Event, Misdeed, Origin, PeerKey, State, Swarm, Time,
};
use narrows_wire::{Bitfield, Block, Message};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::liar::{Kind, Neighbour};

const STEP: Duration = Duration::from_millis(50);
const PIECE: u32 = 64 << 10;
pub const PIECES: u32 = 240;
/// Bytes/s that the link carries.
pub const LINK: f64 = 500_000.0;
/// No world lasts longer.
const AGES: Time = Duration::from_secs(1200);

enum Input {
    Event(Event),
    Block(PeerKey, Block),
}

pub struct World {
    rng: SmallRng,
    pub now: Time,
    swarm: Swarm,
    pub neighbours: Vec<Neighbour>,
    keys: u64,
    inputs: VecDeque<Input>,
    verifying: Vec<(Time, u32)>,
    /// Pieces of which a liar sent rubbish that was kept.
    spoilt: BTreeSet<u32>,
    banned: BTreeMap<std::net::IpAddr, Time>,
    /// Payload that crossed the link.
    pub crossed: u64,
    pub announced: u32,
    /// When it first said that it is stalled.
    pub stalled: Option<Time>,
    pub named: BTreeSet<(Misdeed, std::net::IpAddr)>,
    addresses: u32,
}

impl World {
    /// `honest` neighbours that have most pieces, and these liars.
    pub fn new(seed: u64, honest: usize, liars: &[Kind]) -> World {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lengths = Lengths::new(PIECE, u64::from(PIECE * PIECES)).expect("a content");
        let swarm = Swarm::new(crate::pair::config(lengths, Bitfield::new(PIECES), 9), Time::ZERO);
        let mut neighbours = vec![Neighbour::upstream(PIECES, LINK)];
        let kinds = std::iter::repeat_n(Kind::Honest, honest).chain(liars.iter().copied());
        for (number, kind) in kinds.enumerate() {
            let rate = rng.random_range(1.0..8.0) * LINK;
            let mut new = Neighbour::new(&mut rng, kind, number, PIECES, rate);
            if kind == Kind::Honest {
                // what honest ones have is not all there is
                let from = rng.random_range(0..PIECES / 2);
                new.claims = (0..PIECES).map(|piece| (from..from + PIECES / 4).contains(&piece)).collect();
            }
            neighbours.push(new);
        }
        World {
            rng,
            now: Time::ZERO,
            swarm,
            neighbours,
            keys: 0,
            inputs: VecDeque::new(),
            verifying: Vec::new(),
            spoilt: BTreeSet::new(),
            banned: BTreeMap::new(),
            crossed: 0,
            announced: 0,
            stalled: None,
            named: BTreeSet::new(),
            addresses: 0,
        }
    }

    /// The same for a member, which has what comes from its gateway, at the link's rate.
    pub fn of_member(seed: u64, honest: usize, liars: &[Kind]) -> World {
        let mut world = World::new(seed, honest, liars);
        world.neighbours[0] = Neighbour::gateway(PIECES, LINK);
        world
    }

    /// A member with these neighbours alone.
    pub fn without_gateway(seed: u64, liars: &[Kind]) -> World {
        let mut world = World::new(seed, 0, liars);
        world.neighbours.remove(0);
        world
    }

    /// Runs so long.
    pub fn run_for(&mut self, long: Time) {
        self.assign();
        while self.now < long {
            self.step();
        }
    }

    /// Runs until everything is there; how long that took, and whether it came to that.
    pub fn run(&mut self) -> Option<Time> {
        self.assign();
        while self.swarm.status(self.now).state != State::Seeding {
            if self.now > AGES {
                return None;
            }
            self.step();
        }
        Some(self.now)
    }

    pub fn size() -> u64 {
        u64::from(PIECE * PIECES)
    }

    fn assign(&mut self) {
        let of = |upstream| {
            let theirs = self.neighbours.iter().filter(move |n| n.upstream == upstream);
            theirs.map(|n| n.addr).collect::<Vec<SocketAddr>>()
        };
        let (local, upstream) = (of(false), of(true));
        let roster = if upstream.is_empty() {
            "10.1.0.1:6881"
        } else {
            "10.1.0.9:6881"
        };
        self.inputs.push_back(Input::Event(Event::Assigned(Assigned {
            local,
            assignment: Some(Assignment {
                role: if upstream.is_empty() {
                    Role::Member
                } else {
                    Role::Gateway
                },
                site: "b1".into(),
                gateways: vec![roster.parse().expect("an address")],
                lease: 60,
                rate: LINK as u64,
                upstream,
                ..Assignment::default()
            }),
            interval: Duration::from_secs(30),
            min_interval: Duration::from_secs(5),
            external_ip: None,
        })));
        self.pump();
    }

    fn say(&mut self, number: usize, message: Message) {
        if let Some(peer) = self.neighbours[number].key {
            self.inputs.push_back(Input::Event(Event::Message { peer, message }));
        }
    }

    fn pump(&mut self) {
        self.inputs.push_back(Input::Event(Event::Tick));
        while let Some(input) = self.inputs.pop_front() {
            let mut out = Vec::new();
            match input {
                Input::Event(event) => self.swarm.handle(event, self.now, &mut out),
                Input::Block(peer, block) => {
                    let kept = self.swarm.handle_block(peer, block, (), self.now, &mut out).is_some();
                    let wrong =
                        |n: &Neighbour| n.key == Some(peer) && matches!(n.kind, Kind::Wrong | Kind::Poisons);
                    if kept && self.neighbours.iter().any(wrong) {
                        self.spoilt.insert(block.piece);
                    }
                }
            }
            out.into_iter().for_each(|action| self.act(action));
        }
    }

    fn act(&mut self, action: Action) {
        let at = |world: &World, key| world.neighbours.iter().position(|n| n.key == Some(key));
        match action {
            Action::Dial { addr, .. } => {
                // a stranger dials us; all others are dialled
                let number = self.neighbours.iter().position(|n| n.addr == addr && n.key.is_none());
                if let Some(number) = number.filter(|n| self.neighbours[*n].comes.is_none()) {
                    self.neighbours[number].comes = Some(self.now);
                }
            }
            Action::Close { peer, .. } => {
                if let Some(number) = at(self, peer) {
                    self.gone(number);
                }
            }
            Action::Ban { ip, until } => {
                self.banned.insert(ip, until.expect("an end"));
            }
            Action::Send { peer, message } => {
                let Some(number) = at(self, peer) else { return };
                match message {
                    Message::Request(block) => self.asked(number, block),
                    Message::Cancel(block) => {
                        self.neighbours[number].queue.retain(|queued| *queued != block);
                    }
                    _ => {}
                }
            }
            Action::Discard { piece } => {
                self.spoilt.remove(&piece);
            }
            Action::Verify { piece, .. } => self.verifying.push((self.now + STEP, piece)),
            Action::Announce(reason) => {
                self.announced += 1;
                if reason == AnnounceReason::Stalled {
                    self.stalled.get_or_insert(self.now);
                }
            }
            Action::Name { misdeed, ip, .. } => {
                self.named.insert((misdeed, ip));
            }
            _ => {}
        }
    }

    fn asked(&mut self, number: usize, block: Block) {
        let n = &mut self.neighbours[number];
        let refuses = match n.kind {
            Kind::Rejects | Kind::RejectsAndOffers => true,
            Kind::Mixed => self.rng.random_bool(0.3),
            _ => false,
        };
        if refuses {
            self.say(number, Message::Reject(block));
            if self.neighbours[number].kind == Kind::RejectsAndOffers && self.rng.random_bool(0.5) {
                // not at once, or a turn of the world would have no end
                self.neighbours[number].next = self.now;
            }
        } else {
            n.queue.push_back(block);
        }
    }

    fn gone(&mut self, number: usize) {
        let n = &mut self.neighbours[number];
        n.key = None;
        n.queue.clear();
        n.comes = None;
    }

    fn connect(&mut self, number: usize) {
        self.keys += 1;
        let peer = PeerKey(self.keys);
        let n = &mut self.neighbours[number];
        n.comes = None;
        n.lives += 1;
        n.next = self.now + n.every;
        let class = if n.upstream { Class::Upstream } else { Class::Local };
        let mut origin = Origin::Dialled(class);
        if n.kind == Kind::ManyAddresses {
            self.addresses += 1;
            n.addr = SocketAddr::from((
                [10, 1, 1 + (self.addresses >> 8) as u8, self.addresses as u8],
                50_000,
            ));
            origin = Origin::Accepted;
        }
        let addr = n.addr;
        if self.banned.get(&addr.ip()).is_some_and(|until| self.now < *until) {
            n.comes = Some(self.now + Duration::from_secs(5));
            return;
        }
        n.key = Some(peer);
        let mut peer_id = [number as u8 + 1; 20];
        peer_id[1..5].copy_from_slice(&n.lives.to_le_bytes());
        let mut has = Bitfield::new(PIECES);
        let claims = n.claims.iter().enumerate().filter(|(_, claims)| **claims);
        claims.for_each(|(piece, _)| {
            has.set(piece as u32);
        });
        let (choking, site) = (n.choking, if n.upstream { "hq" } else { "b1" });
        self.inputs.push_back(Input::Event(Event::Connected {
            peer,
            addr,
            origin,
            peer_id: PeerId(peer_id),
            fast: true,
            extended: true,
        }));
        self.say(number, Message::Bitfield(has.to_wire()));
        self.say(
            number,
            crate::table::introduction(crate::table::hello(site, false, false)),
        );
        if !choking {
            self.say(number, Message::Unchoke);
        }
    }

    /// What its kind does now and then.
    fn act_up(&mut self, number: usize) {
        let n = &mut self.neighbours[number];
        n.next = self.now + n.every;
        match n.kind {
            Kind::Toggles | Kind::Poisons => {
                n.choking = !n.choking;
                let message = if n.choking {
                    Message::Choke
                } else {
                    Message::Unchoke
                };
                self.say(number, message);
            }
            Kind::RejectsAndOffers => self.say(number, Message::Unchoke),
            Kind::KeepsAlive => {
                n.every = Duration::from_secs(4);
                self.say(number, Message::KeepAlive);
            }
            Kind::Freezes(_) if !n.is_frozen(self.now) => {
                n.every = Duration::from_secs(4);
                self.say(number, Message::KeepAlive);
            }
            Kind::Drips => {
                n.every = n.every.min(Duration::from_millis(3900));
                self.send_first(number);
            }
            Kind::DripsEverywhere => {
                n.every = n.every.min(Duration::from_millis(3900));
                // the rest of the piece that it began it does not send
                n.queue.retain(|block| block.begin == 0);
                self.send_first(number);
            }
            Kind::OneByOne => {
                let piece = self.swarm.have().iter_missing().find(|p| !n.claims[*p as usize]);
                if let Some(piece) = piece {
                    n.claims[piece as usize] = true;
                    n.next = self.now + Duration::from_millis(100);
                    self.say(number, Message::Have(piece));
                }
            }
            Kind::Reconnects | Kind::ManyAddresses => self.leave(number),
            Kind::Mixed => match self.rng.random_range(0..4) {
                0 => self.leave(number),
                1 => self.say(number, Message::Choke),
                2 => self.say(number, Message::Unchoke),
                _ => self.send_first(number),
            },
            _ => {}
        }
    }

    fn send_first(&mut self, number: usize) {
        let n = &mut self.neighbours[number];
        if let (Some(block), Some(key)) = (n.queue.pop_front(), n.key) {
            self.inputs.push_back(Input::Block(key, block));
        }
    }

    fn leave(&mut self, number: usize) {
        if let Some(peer) = self.neighbours[number].key {
            self.gone(number);
            self.neighbours[number].comes = Some(self.now + STEP);
            self.inputs.push_back(Input::Event(Event::Closed { peer }));
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        for number in 0..self.neighbours.len() {
            if self.neighbours[number].comes.is_some_and(|at| self.now >= at) {
                self.connect(number);
            }
            let now = self.now;
            let n = &mut self.neighbours[number];
            let Some(peer) = n.key else { continue };
            n.credit = (n.credit + n.rate * STEP.as_secs_f64()).min((n.rate / 5.0).max(16_384.0));
            let last = |block: &Block| block.begin + block.len == PIECE;
            while let Some(index) = n.queue.iter().position(|block| n.sends(*block, last(block), now)) {
                if n.credit < f64::from(n.queue[index].len) {
                    break;
                }
                let Some(block) = n.queue.remove(index) else { break };
                n.credit -= f64::from(block.len);
                self.crossed += if n.upstream { u64::from(block.len) } else { 0 };
                self.inputs.push_back(Input::Block(peer, block));
            }
            if n.kind != Kind::Honest && now >= n.next {
                self.act_up(number);
            }
        }
        let now = self.now;
        let verified: Vec<u32> =
            self.verifying.iter().filter(|(at, _)| *at <= now).map(|(_, p)| *p).collect();
        self.verifying.retain(|(at, _)| *at > now);
        for piece in verified {
            let ok = !self.spoilt.remove(&piece);
            self.inputs.push_back(Input::Event(Event::Verified { piece, ok }));
        }
        self.pump();
    }
}
