//! The simulated network: sites, links with rate and latency, first in first out; a NIC per agent.

use std::collections::BTreeMap;
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
    up: Vec<Pipe>,
    down: Vec<Pipe>,
}

const NIC: f64 = 125e6;
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
            parents,
            pipes,
            up: vec![Pipe::new(NIC); agents],
            down: vec![Pipe::new(NIC); agents],
        }
    }

    /// The directed links from one site to another.
    pub fn path(&self, from: usize, to: usize) -> Vec<(usize, usize)> {
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
        let rise = up
            .windows(2)
            .map(|step| (step[0], step[1]))
            .take_while(|(child, _)| *child != top);
        let fall = down
            .windows(2)
            .map(|step| (step[1], step[0]))
            .take_while(|(_, child)| *child != top);
        let mut fall: Vec<_> = fall.collect();
        fall.reverse();
        rise.chain(fall).collect()
    }

    /// The least rate along a path.
    pub fn rate(&self, from: usize, to: usize) -> f64 {
        self.path(from, to)
            .iter()
            .map(|link| self.pipes[link].rate)
            .fold(f64::INFINITY, f64::min)
    }

    fn latency(&self, (a, b): (usize, usize)) -> Time {
        let below = |x: usize, y: usize| {
            self.parents[x]
                .filter(|(parent, _)| *parent == y)
                .map(|(_, link)| link.latency)
        };
        below(a, b).or_else(|| below(b, a)).expect("a link")
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
        let mut at = self.up[from.0].put(bytes, now);
        let mut latency = LAN_LATENCY;
        for link in self.path(from.1, to.1) {
            latency += self.latency(link);
            let pipe = self.pipes.get_mut(&link).expect("a link of the path");
            pipe.payload += u64::from(payload);
            at = pipe.put(bytes, at);
        }
        at = self.down[to.0].put(bytes, at);
        (at, at + latency)
    }

    /// Payload bytes that crossed into a site.
    pub fn entering(&self, site: usize) -> u64 {
        self.parents[site].map_or(0, |(parent, _)| self.pipes[&(parent, site)].payload)
    }
}
