//! A whole fleet in one process: real swarms and messages, a simulated network, virtual data.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use narrows_protocol::metainfo::Lengths;
use narrows_protocol::{GatewayPreference, InfoHash, PeerId, Role, Sharing};
use narrows_swarm::policy::pacing::wire;
use narrows_swarm::{
    Action, AnnounceReason, Assigned, Class, Config, DialError, Event, Limits, Origin, PeerKey, Swarm, Time,
};
use narrows_wire::{Bitfield, Block, Message};

use crate::net::{NIC, Net};
use crate::tracker::Tracker;

/// What a slow agent sends, in bytes a second: a block every 0.4 s, so that it is never silent.
const CRAWL: f64 = 40e3;

#[derive(Debug)]
enum Happening {
    Deliver(u64, Message),
    Data(u64, Block, bool),
    Flushed(u64, u32),
    Connect(u64, SocketAddr, Class),
    Opened(u64),
    DialFailed(SocketAddr),
    Closed(u64),
    Verified(u32, bool),
    Wake,
    Announce,
    Reply(Option<Box<Assigned>>),
    Do(Op),
}

/// What a test does to an agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Start,
    /// SIGKILL: connections break, verified pieces stay on disk.
    Kill,
    /// The host vanishes: connections say nothing any more.
    Vanish,
    /// SIGSTOP: its kernel still takes what comes; the agent says nothing.
    Freeze,
    /// SIGCONT: what came meanwhile comes at once.
    Thaw,
    /// Its site's links carry nothing; connections across them say nothing any more, even afterwards.
    Cut,
    Mend,
    Pause,
    Resume,
    DiskFull,
    DiskHeals,
    Corrupt,
    /// It sends a trickle.
    Slow,
    Haste,
    /// As stock clients do: it serves nobody, and rejects what was asked.
    Choke,
    Unchoke,
    TrackerDown,
    TrackerUp,
}

pub struct Agent {
    pub addr: SocketAddr,
    pub site: usize,
    pub swarm: Option<Swarm>,
    pub have: Bitfield,
    pub completed: Option<Time>,
    pub kills_as_gateway: u32,
    life: u32,
    ends: BTreeSet<u64>,
    kept: BTreeMap<u32, (BTreeSet<u32>, bool)>,
    role: Role,
    role_since: Time,
    wake: Option<Time>,
    /// What came while it is frozen.
    frozen: Option<Vec<(u32, Happening)>>,
    corrupt: bool,
    choking: bool,
    disk_full: bool,
    announces: BTreeMap<&'static str, u32>,
}

struct End {
    agent: usize,
    life: u32,
    dialled: Option<Class>,
    heard: BTreeSet<u32>,
    whole: bool,
    /// A link on the way was cut while something was sent.
    dead: bool,
}

pub struct Sim {
    pub now: Time,
    pub agents: Vec<Agent>,
    pub net: Net,
    pub tracker: Tracker,
    pub lengths: Lengths,
    pub seed: u64,
    /// Check that nothing is asked across the WAN that a local peer has (not while some are silent on
    /// purpose).
    pub strict: bool,
    tracker_down: bool,
    heap: BinaryHeap<Reverse<(Time, u64, usize, u32)>>,
    happenings: BTreeMap<u64, Happening>,
    ends: BTreeMap<u64, End>,
    next: u64,
    conns: u64,
    out: Vec<Action>,
    pub events: u64,
    /// When a block from another site was kept, by site.
    wan: Vec<Vec<Time>>,
}

impl Sim {
    /// `sites[i]` = number of agents of site i; those of `seeds` have everything.
    pub fn new(
        net: impl Fn(usize) -> Net,
        sites: &[usize],
        seeds: &[usize],
        lengths: Lengths,
        seed: u64,
    ) -> Sim {
        let pieces = lengths.piece_count();
        let mut agents = Vec::new();
        for (site, count) in sites.iter().enumerate() {
            for index in 0..*count {
                let mut have = Bitfield::new(pieces);
                if seeds.contains(&agents.len()) {
                    have = Bitfield::full(pieces);
                }
                agents.push(Agent {
                    addr: format!("10.{site}.0.{}:6881", index + 1).parse().expect("an address"),
                    site,
                    swarm: None,
                    completed: have.is_full().then_some(Time::ZERO),
                    have,
                    kills_as_gateway: 0,
                    life: 0,
                    ends: BTreeSet::new(),
                    kept: BTreeMap::new(),
                    role: Role::Member,
                    role_since: Time::ZERO,
                    wake: None,
                    frozen: None,
                    corrupt: false,
                    choking: false,
                    disk_full: false,
                    announces: BTreeMap::new(),
                });
            }
        }
        Sim {
            now: Time::ZERO,
            net: net(agents.len()),
            agents,
            tracker: Tracker {
                wanted: 1,
                share: 1.0,
                ..Tracker::default()
            },
            lengths,
            seed,
            strict: true,
            tracker_down: false,
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            ends: BTreeMap::new(),
            next: 0,
            conns: 0,
            out: Vec::new(),
            events: 0,
            wan: vec![Vec::new(); sites.len()],
        }
    }

    pub fn plan(&mut self, at: Time, agent: usize, op: Op) {
        self.at(at, agent, u32::MAX, Happening::Do(op));
    }

    fn at(&mut self, at: Time, agent: usize, life: u32, what: Happening) {
        self.next += 1;
        self.happenings.insert(self.next, what);
        self.heap.push(Reverse((at, self.next, agent, life)));
    }

    /// Runs until everybody alive is complete and nothing is planned, or until `limit`.
    pub fn run(&mut self, limit: Time) {
        while let Some(Reverse((at, id, agent, life))) = self.heap.pop() {
            let what = self.happenings.remove(&id).expect("planned");
            if at > limit {
                break;
            }
            self.now = at;
            self.events += 1;
            if matches!(what, Happening::Do(_)) {
                self.happen(agent, what);
            } else if life == self.agents[agent].life {
                match &mut self.agents[agent].frozen {
                    Some(held) => held.push((life, what)),
                    None => self.happen(agent, what),
                }
            }
            if self.events.is_multiple_of(256) && self.is_done() {
                break;
            }
        }
    }

    fn is_done(&self) -> bool {
        let idle = !self.happenings.values().any(|what| matches!(what, Happening::Do(_)));
        idle && self.agents.iter().all(|agent| agent.completed.is_some() || agent.swarm.is_none())
    }

    fn happen(&mut self, agent: usize, what: Happening) {
        let event = match what {
            Happening::Do(op) => return self.operate(agent, op),
            Happening::Wake => {
                if self.agents[agent].wake != Some(self.now) {
                    return;
                }
                self.agents[agent].wake = None;
                Event::Tick
            }
            Happening::Deliver(key, message) => {
                let Some(end) = self.ends.get_mut(&key) else {
                    return;
                };
                match &message {
                    Message::Have(piece) => {
                        end.heard.insert(*piece);
                    }
                    Message::HaveAll => end.whole = true,
                    Message::Bitfield(bytes) => {
                        let bits =
                            Bitfield::from_wire(bytes, self.lengths.piece_count()).expect("a good bitfield");
                        end.heard.extend(bits.iter_ones());
                    }
                    _ => {}
                }
                Event::Message {
                    peer: PeerKey(key),
                    message,
                }
            }
            Happening::Data(key, block, corrupt) => return self.data(agent, key, block, corrupt),
            Happening::Flushed(key, bytes) => Event::Sent {
                peer: PeerKey(key),
                bytes,
            },
            Happening::Connect(conn, addr, class) => return self.connect(agent, conn, addr, class),
            Happening::Opened(key) => return self.opened(agent, key),
            Happening::DialFailed(addr) => Event::DialFailed {
                addr,
                why: DialError::TimedOut,
            },
            Happening::Closed(key) => {
                if self.ends.remove(&key).is_none() {
                    return;
                }
                self.agents[agent].ends.remove(&key);
                Event::Closed { peer: PeerKey(key) }
            }
            Happening::Verified(piece, ok) => {
                if self.agents[agent].disk_full && ok {
                    Event::StoreFailed { piece, full: true }
                } else {
                    if ok {
                        self.agents[agent].have.set(piece);
                    }
                    Event::Verified { piece, ok }
                }
            }
            Happening::Announce => return self.announce(agent),
            Happening::Reply(None) => Event::AnnounceFailed,
            Happening::Reply(Some(assigned)) => {
                let role = assigned.assignment.as_ref().expect("ours").role;
                if self.agents[agent].role != role {
                    self.agents[agent].role = role;
                    self.agents[agent].role_since = self.now;
                }
                Event::Assigned(*assigned)
            }
        };
        self.feed(agent, event);
    }

    fn operate(&mut self, agent: usize, op: Op) {
        let life = self.agents[agent].life;
        match op {
            Op::Start if self.agents[agent].swarm.is_none() => {
                let a = &mut self.agents[agent];
                let mut peer_id = [b'0'; 20];
                peer_id[0] = (agent as u32 * 37 + life * 11) as u8;
                peer_id[1..5].copy_from_slice(&(agent as u32).to_le_bytes());
                peer_id[5..9].copy_from_slice(&life.to_le_bytes());
                let config = Config {
                    lengths: self.lengths,
                    info_hash: InfoHash([7; 20]),
                    peer_id: PeerId(peer_id),
                    agent: format!("agent{agent}"),
                    // as agents do that nobody configured
                    listen: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), a.addr.port()),
                    have: a.have.clone(),
                    gateway: GatewayPreference::Auto,
                    share: if self.tracker.non_sharing.contains(&agent) {
                        Sharing::Never
                    } else {
                        Sharing::Always
                    },
                    limits: Limits::default(),
                    seed: self.seed ^ (agent as u64) << 8 ^ u64::from(life),
                };
                a.role = Role::Member;
                a.swarm = Some(Swarm::new(config, self.now));
                self.feed(agent, Event::Tick);
            }
            Op::Kill | Op::Vanish if self.agents[agent].swarm.is_some() => {
                let a = &mut self.agents[agent];
                a.swarm = None;
                a.frozen = None;
                a.life += 1;
                a.wake = None;
                a.kept.clear();
                a.kills_as_gateway += u32::from(a.role == Role::Gateway && a.completed.is_none());
                for key in std::mem::take(&mut a.ends) {
                    self.ends.remove(&key);
                    if op == Op::Kill {
                        self.break_off(key ^ 1);
                    }
                }
            }
            Op::Freeze if self.agents[agent].swarm.is_some() => {
                self.agents[agent].frozen.get_or_insert_default();
            }
            Op::Thaw => {
                let held = self.agents[agent].frozen.take();
                for (life, what) in held.into_iter().flatten() {
                    self.at(self.now, agent, life, what);
                }
                self.agents[agent].wake = None;
                self.feed(agent, Event::Tick);
                // what was to happen to it while it was frozen
                self.feed(agent, Event::Resume);
                if !self.agents[agent].disk_full {
                    self.feed(agent, Event::StoreHealed);
                }
            }
            Op::Cut => {
                self.net.cut.insert(self.agents[agent].site);
            }
            Op::Mend => {
                self.net.cut.remove(&self.agents[agent].site);
            }
            Op::Pause | Op::Resume if self.agents[agent].frozen.is_some() => {}
            Op::Pause => self.feed(agent, Event::Pause),
            Op::Resume => self.feed(agent, Event::Resume),
            Op::DiskFull => self.agents[agent].disk_full = true,
            Op::DiskHeals => {
                self.agents[agent].disk_full = false;
                if self.agents[agent].frozen.is_none() {
                    self.feed(agent, Event::StoreHealed);
                }
            }
            Op::Corrupt => self.agents[agent].corrupt = true,
            Op::Slow => self.net.limit(agent, CRAWL, self.now),
            Op::Haste => self.net.limit(agent, NIC, self.now),
            Op::Choke | Op::Unchoke => {
                let choking = op == Op::Choke;
                self.agents[agent].choking = choking;
                let message = if choking { Message::Choke } else { Message::Unchoke };
                for key in self.agents[agent].ends.clone() {
                    self.transmit(agent, key, 5, 0, Happening::Deliver(key ^ 1, message.clone()));
                }
            }
            Op::TrackerDown => self.tracker_down = true,
            Op::TrackerUp => self.tracker_down = false,
            Op::Start | Op::Kill | Op::Vanish | Op::Freeze => {}
        }
    }

    fn break_off(&mut self, key: u64) {
        if let Some(end) = self.ends.get(&key) {
            let (agent, life) = (end.agent, end.life);
            self.at(
                self.now + Duration::from_millis(1),
                agent,
                life,
                Happening::Closed(key),
            );
        }
    }

    fn data(&mut self, agent: usize, key: u64, block: Block, corrupt: bool) {
        if !self.ends.contains_key(&key) {
            return;
        }
        let Some(swarm) = &mut self.agents[agent].swarm else {
            return;
        };
        let data = swarm.handle_block(PeerKey(key), block, corrupt, self.now, &mut self.out);
        if let Some(corrupt) = data {
            let site = self.agents[agent].site;
            if self.ends.get(&(key ^ 1)).is_some_and(|far| self.agents[far.agent].site != site) {
                self.wan[site].push(self.now);
            }
            let kept = self.agents[agent].kept.entry(block.piece).or_default();
            assert!(kept.0.insert(block.begin), "block kept twice");
            kept.1 |= corrupt;
        }
        self.act(agent);
    }

    fn connect(&mut self, agent: usize, conn: u64, addr: SocketAddr, class: Class) {
        let life = self.agents[agent].life;
        let found = self.agents.iter().position(|other| other.addr == addr && other.swarm.is_some());
        let delay = Duration::from_millis(1);
        let Some(other) = found else {
            return self.at(self.now + delay, agent, life, Happening::DialFailed(addr));
        };
        // as the shell's limits for a connection and a handshake
        if self.net.is_cut(self.agents[agent].site, self.agents[other].site) {
            let timeout = Duration::from_secs(3);
            return self.at(self.now + timeout, agent, life, Happening::DialFailed(addr));
        }
        if self.agents[other].frozen.is_some() {
            let timeout = Duration::from_secs(if class == Class::Upstream { 4 } else { 10 });
            return self.at(self.now + timeout, agent, life, Happening::DialFailed(addr));
        }
        let end = |agent, life, dialled| End {
            agent,
            life,
            dialled,
            heard: BTreeSet::new(),
            whole: false,
            dead: false,
        };
        self.ends.insert(conn, end(agent, life, Some(class)));
        let other_life = self.agents[other].life;
        self.ends.insert(conn ^ 1, end(other, other_life, None));
        self.agents[agent].ends.insert(conn);
        self.agents[other].ends.insert(conn ^ 1);
        self.opened(agent, conn);
        self.at(self.now, other, other_life, Happening::Opened(conn ^ 1));
    }

    fn opened(&mut self, agent: usize, key: u64) {
        let (Some(end), Some(far)) = (self.ends.get(&key), self.ends.get(&(key ^ 1))) else {
            return self.break_off(key);
        };
        let other = &self.agents[far.agent];
        let mut peer_id = [b'0'; 20];
        peer_id[0] = (far.agent as u32 * 37 + far.life * 11) as u8;
        peer_id[1..5].copy_from_slice(&(far.agent as u32).to_le_bytes());
        peer_id[5..9].copy_from_slice(&far.life.to_le_bytes());
        let (addr, origin) = match end.dialled {
            Some(class) => (other.addr, Origin::Dialled(class)),
            None => (SocketAddr::new(other.addr.ip(), 40000), Origin::Accepted),
        };
        self.feed(
            agent,
            Event::Connected {
                peer: PeerKey(key),
                addr,
                origin,
                peer_id: PeerId(peer_id),
                fast: true,
                extended: true,
            },
        );
    }

    fn announce(&mut self, agent: usize) {
        let a = &self.agents[agent];
        let Some(swarm) = &a.swarm else { return };
        let report = swarm.report();
        let (addr, site, life) = (a.addr, a.site, a.life);
        let reply = (!self.tracker_down)
            .then(|| Box::new(self.tracker.announce(agent, addr, site, &report, &self.net, self.now)));
        self.at(
            self.now + Duration::from_millis(5),
            agent,
            life,
            Happening::Reply(reply),
        );
    }

    fn feed(&mut self, agent: usize, event: Event) {
        self.handle(agent, event);
        self.act(agent);
    }

    fn handle(&mut self, agent: usize, event: Event) {
        if let Some(swarm) = &mut self.agents[agent].swarm {
            swarm.handle(event, self.now, &mut self.out);
        }
    }

    fn act(&mut self, agent: usize) {
        let actions = std::mem::take(&mut self.out);
        for action in &actions {
            self.carry_out(agent, action);
        }
        self.out = actions;
        self.out.clear();
        let Some(swarm) = &self.agents[agent].swarm else {
            return;
        };
        if let Some(wake) = swarm.next_wakeup() {
            let wake = wake.max(self.now + Duration::from_micros(100));
            if self.agents[agent].wake.is_none_or(|planned| wake < planned) {
                self.agents[agent].wake = Some(wake);
                let life = self.agents[agent].life;
                self.at(wake, agent, life, Happening::Wake);
            }
        }
        self.check(agent);
    }

    fn carry_out(&mut self, agent: usize, action: &Action) {
        let life = self.agents[agent].life;
        match action {
            Action::Send { peer, message } => {
                if let Message::Request(block) = message {
                    self.check_request(agent, peer.0, *block);
                }
                use Message::{Bitfield as Bits, Have, HaveAll, Unchoke};
                let inviting = matches!(message, Bits(_) | Have(_) | HaveAll | Unchoke);
                assert!(
                    !inviting || !self.tracker.non_sharing.contains(&agent),
                    "agent {agent} does not share and says {message:?}"
                );
                if self.agents[agent].choking && *message == Unchoke {
                    return;
                }
                let bytes = match message {
                    Message::Bitfield(bits) => bits.len() as u32 + 45,
                    _ => 57,
                };
                self.transmit(
                    agent,
                    peer.0,
                    bytes,
                    0,
                    Happening::Deliver(peer.0 ^ 1, message.clone()),
                );
            }
            Action::Serve { peer, block } => {
                assert!(
                    self.agents[agent].have.has(block.piece),
                    "serves what it does not have"
                );
                assert!(
                    !self.tracker.non_sharing.contains(&agent),
                    "agent {agent} does not share"
                );
                let corrupt = self.agents[agent].corrupt;
                let (what, bytes, payload) = match self.agents[agent].choking {
                    true => (Happening::Deliver(peer.0 ^ 1, Message::Reject(*block)), 17, 0),
                    false => (
                        Happening::Data(peer.0 ^ 1, *block, corrupt),
                        wire(block.len),
                        block.len,
                    ),
                };
                if let Some(taken) = self.transmit(agent, peer.0, bytes, payload, what) {
                    self.at(taken, agent, life, Happening::Flushed(peer.0, block.len));
                }
            }
            Action::Verify { piece, .. } => {
                let (blocks, corrupt) = self.agents[agent].kept.remove(piece).expect("kept");
                let size = self.lengths.piece_size(*piece);
                assert_eq!(blocks.len() as u32, size.div_ceil(16384), "all blocks are here");
                let took = Duration::from_micros(300 + u64::from(size) / 500);
                self.at(
                    self.now + took,
                    agent,
                    life,
                    Happening::Verified(*piece, !corrupt),
                );
            }
            Action::Discard { piece } => {
                self.agents[agent].kept.remove(piece).expect("blocks to forget");
            }
            Action::Dial { addr, class } => {
                self.conns += 2;
                let rtt = Duration::from_millis(if *class == Class::Local { 1 } else { 40 });
                self.at(
                    self.now + rtt,
                    agent,
                    life,
                    Happening::Connect(self.conns, *addr, *class),
                );
            }
            Action::Close { peer, .. } => {
                self.ends.remove(&peer.0);
                self.agents[agent].ends.remove(&peer.0);
                self.break_off(peer.0 ^ 1);
            }
            Action::Announce(reason) => {
                let name = match reason {
                    AnnounceReason::Lost(_) => "lost",
                    AnnounceReason::Stalled => "stalled",
                    AnnounceReason::Stopped => "stopped",
                    _ => "other",
                };
                *self.agents[agent].announces.entry(name).or_default() += 1;
                if *reason == AnnounceReason::Stopped {
                    self.tracker.forget(agent);
                } else {
                    self.at(
                        self.now + Duration::from_millis(5),
                        agent,
                        life,
                        Happening::Announce,
                    );
                }
            }
            Action::Completed => {
                assert!(self.agents[agent].have.is_full(), "complete without all pieces");
                self.agents[agent].completed = Some(self.now);
            }
            Action::Mark { .. } | Action::Doubt { .. } | Action::Ban { .. } => {}
        }
    }

    fn transmit(
        &mut self,
        agent: usize,
        key: u64,
        bytes: u32,
        payload: u32,
        what: Happening,
    ) -> Option<Time> {
        if !self.ends.contains_key(&key) {
            return None;
        }
        // a vanished host takes nothing; TCP would buffer and time out
        let (other, life) = self.ends.get(&(key ^ 1)).map(|end| (end.agent, end.life))?;
        let from = (agent, self.agents[agent].site);
        let to = (other, self.agents[other].site);
        let end = self.ends.get_mut(&key)?;
        end.dead |= self.net.is_cut(from.1, to.1);
        if end.dead {
            return None;
        }
        let (taken, arrives) = self.net.send(from, to, bytes, payload, self.now);
        self.at(arrives, other, life, what);
        Some(taken)
    }

    /// Nobody asks across the WAN unless gateway, nor for what a connected local peer has said to have.
    fn check_request(&self, agent: usize, key: u64, block: Block) {
        let (Some(mine), Some(far)) = (self.ends.get(&key), self.ends.get(&(key ^ 1))) else {
            return;
        };
        let me = &self.agents[agent];
        if self.agents[far.agent].site == me.site {
            return;
        }
        assert_eq!(
            mine.dialled,
            Some(Class::Upstream),
            "asks a remote peer that dialled us"
        );
        assert_eq!(
            me.role,
            Role::Gateway,
            "agent {agent} asks across the WAN without being gateway, seed {}",
            self.seed
        );
        let nearby = |key: &u64| {
            let site = self.ends.get(&(key ^ 1)).map(|far| self.agents[far.agent].site);
            let end = &self.ends[key];
            site == Some(me.site) && (end.whole || end.heard.contains(&block.piece))
        };
        assert!(
            !self.strict || !me.ends.iter().any(nearby),
            "agent {agent} asks across the WAN for piece {} that a local peer has, seed {}",
            block.piece,
            self.seed
        );
    }

    fn check(&self, agent: usize) {
        let me = &self.agents[agent];
        let Some(swarm) = &me.swarm else { return };
        let upstreams = me.ends.iter().filter(|key| self.ends[key].dialled == Some(Class::Upstream)).count();
        let settled = self.now > me.role_since + Duration::from_millis(1200);
        assert!(
            me.role == Role::Gateway || upstreams == 0 || !settled,
            "agent {agent} is no gateway and has {upstreams} upstreams at {:?}, seed {}",
            self.now,
            self.seed
        );
        debug_assert!(swarm.have().count() <= me.have.count());
    }

    /// WAN payload into a site over the content's size.
    pub fn copies(&self, site: usize) -> f64 {
        self.net.entering(site) as f64 / self.lengths.total() as f64
    }

    /// How long after `at` the site got its next useful block from across the WAN.
    pub fn next_wan(&self, site: usize, at: Time) -> Option<Time> {
        let next = self.wan[site].iter().find(|time| **time > at)?;
        Some(*next - at)
    }

    /// When the last of a site was complete.
    pub fn done(&self, site: usize) -> Option<Time> {
        let times: Option<Vec<Time>> =
            self.agents.iter().filter(|a| a.site == site).map(|agent| agent.completed).collect();
        times?.into_iter().max()
    }

    pub fn assert_complete(&self) {
        for (index, agent) in self.agents.iter().enumerate() {
            if agent.completed.is_none()
                && let Some(swarm) = &agent.swarm
            {
                panic!(
                    "agent {index} is not complete at {:?}, seed {}: {:?}\n{:?} announces {:?}",
                    self.now,
                    self.seed,
                    swarm.status(self.now),
                    swarm.report(),
                    agent.announces
                );
            }
        }
    }
}
