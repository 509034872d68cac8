//! The simulated network: sites, links with rate and latency, first in first out; a NIC per agent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use narrows_swarm::Time;

/// A directed pipe: what is put in leaves after what was put in before, at its rate.
#[derive(Clone, Debug)]
struct Pipe {
    rate: f64,
    free: Time,
    payload: u64,
}

impl Pipe {
    fn new(rate: f64) -> Pipe {
        Pipe {
            rate,
            free: Time::ZERO,
            payload: 0,
        }
    }

    fn put(&mut self, bytes: u32, at: Time) -> Time {
        self.free = self.free.max(at) + Duration::from_secs_f64(f64::from(bytes) / self.rate);
        self.free
    }
}

/// A link of the map: its rate in bytes/s and its latency one way.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub rate: f64,
    pub latency: Time,
}

/// Sites are numbers; each but site 0 hangs below a parent by a link.
#[derive(Clone, Debug)]
pub struct Net {
    parents: Vec<Option<(usize, Link)>>,
    pipes: BTreeMap<(usize, usize), Pipe>,
    /// Links beside the tree's: routes between their ends.
    direct: BTreeMap<(usize, usize), Link>,
    /// Sites whose links carry nothing at present.
    pub cut: BTreeSet<usize>,
    up: Vec<Pipe>,
    down: Vec<Pipe>,
    received: Vec<u64>,
    /// A digest of everything that was sent: sender, receiver, how much and when.
    pub digest: u64,
}

pub const NIC: f64 = 125e6;
const LAN_LATENCY: Time = Duration::from_micros(200);

impl Net {
    pub fn new(parents: Vec<Option<(usize, Link)>>, agents: usize) -> Net {
        let mut pipes = BTreeMap::new();
        for (site, parent) in parents.iter().enumerate() {
            if let Some((parent, link)) = parent {
                pipes.insert((site, *parent), Pipe::new(link.rate));
                pipes.insert((*parent, site), Pipe::new(link.rate));
            }
        }
        Net {
            received: vec![0; parents.len()],
            parents,
            pipes,
            direct: BTreeMap::new(),
            cut: BTreeSet::new(),
            up: vec![Pipe::new(NIC); agents],
            down: vec![Pipe::new(NIC); agents],
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// From now on an agent sends so many bytes a second.
    pub fn limit(&mut self, agent: usize, rate: f64, now: Time) {
        self.up[agent].rate = rate;
        self.up[agent].free = self.up[agent].free.min(now);
    }

    /// Joins two sites directly.
    pub fn join(&mut self, a: usize, b: usize, link: Link) {
        for pair in [(a, b), (b, a)] {
            self.direct.insert(pair, link);
            self.pipes.insert(pair, Pipe::new(link.rate));
        }
    }

    /// Whether nothing comes from one site to another.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        from != to && (self.cut.contains(&from) || self.cut.contains(&to))
    }

    /// The directed links from one site to another.
    pub fn path(&self, from: usize, to: usize) -> Vec<(usize, usize)> {
        if self.direct.contains_key(&(from, to)) {
            return vec![(from, to)];
        }
        let climb = |mut site: usize| {
            let mut line = vec![site];
            while let Some((parent, _)) = self.parents[site] {
                site = parent;
                line.push(site);
            }
            line
        };
        let (up, down) = (climb(from), climb(to));
        let top = *up.iter().find(|site| down.contains(site)).expect("a tree");
        let rise = up.windows(2).map(|step| (step[0], step[1])).take_while(|(child, _)| *child != top);
        let fall = down.windows(2).map(|step| (step[1], step[0])).take_while(|(_, child)| *child != top);
        let mut fall: Vec<_> = fall.collect();
        fall.reverse();
        rise.chain(fall).collect()
    }

    /// The least rate along a path.
    pub fn rate(&self, from: usize, to: usize) -> f64 {
        self.path(from, to).iter().map(|link| self.pipes[link].rate).fold(f64::INFINITY, f64::min)
    }

    fn latency(&self, (a, b): (usize, usize)) -> Time {
        let below = |x: usize, y: usize| {
            self.parents[x].filter(|(parent, _)| *parent == y).map(|(_, link)| link.latency)
        };
        let direct = self.direct.get(&(a, b)).map(|link| link.latency);
        direct.or_else(|| below(a, b)).or_else(|| below(b, a)).expect("a link")
    }

    /// Folds a number into the digest of the traffic (FNV-1a).
    fn note(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Sends bytes; returns when the bottleneck took them (as TCP's buffer drains) and when they arrive.
    pub fn send(
        &mut self,
        from: (usize, usize),
        to: (usize, usize),
        bytes: u32,
        payload: u32,
        now: Time,
    ) -> (Time, Time) {
        for number in [
            from.0 as u64,
            to.0 as u64,
            u64::from(bytes),
            now.as_nanos() as u64,
        ] {
            self.note(number);
        }
        let slow = self.up[from.0].rate < NIC;
        let mut at = self.up[from.0].put(bytes, now);
        let mut latency = LAN_LATENCY;
        if from.1 != to.1 {
            self.received[to.1] += u64::from(payload);
        }
        for link in self.path(from.1, to.1) {
            latency += self.latency(link);
            let pipe = self.pipes.get_mut(&link).expect("a link of the path");
            pipe.payload += u64::from(payload);
            at = match slow {
                // what trickles in leaves the link free in between
                true => at + Duration::from_secs_f64(f64::from(bytes) / pipe.rate),
                false => pipe.put(bytes, at),
            };
        }
        if !slow {
            at = self.down[to.0].put(bytes, at);
        }
        (at, at + latency)
    }

    /// Payload bytes for a site's agents from other sites.
    pub fn entering(&self, site: usize) -> u64 {
        self.received[site]
    }

    /// Payload bytes that crossed each link, by direction.
    pub fn carried(&self) -> impl Iterator<Item = ((usize, usize), u64)> + '_ {
        self.pipes.iter().map(|(link, pipe)| (*link, pipe.payload))
    }
}
