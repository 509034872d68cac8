//! A whole fleet in one process: real swarms and messages, a simulated network, virtual data.

mod checks;
mod operate;
mod shell;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;

use narrows_protocol::Role;
use narrows_protocol::metainfo::Lengths;
use narrows_swarm::{Action, Assigned, Class, DialError, Event, PeerKey, Swarm, Time};
use narrows_wire::{Bitfield, Block, Message};

use crate::net::Net;
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
    /// As stock clients do: it serves no peer, and rejects what was asked.
    Choke,
    Unchoke,
    TrackerDown,
    TrackerUp,
}

/// How an agent lies: it says that it has everything, whatever it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lie {
    /// It sends nothing.
    Silent,
    /// It refuses everything.
    Rejects,
    /// It sends what it has, and does not answer for the rest.
    Boasts,
    /// It sends rubbish, at once.
    Rubbish,
}

pub struct Agent {
    pub lie: Option<Lie>,
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
                    lie: None,
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

    /// Runs until every agent alive is complete and nothing is planned, or until `limit`.
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
}
