//! A rollout as a flow of fluid, from event to event.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::shares::{Flow, shares};
use super::{LAN, Limit, Rollout, START, WIRE, piece_length};
use crate::forest::room::Room;
use crate::{Forest, Hop, LinkId, Load, Parent, Rate, SiteId, SiteMap, forest};

/// What came of it.
pub(super) struct Outcome {
    /// Per site: seconds from the start until its last client is complete, and what limited it for longest.
    pub(super) sites: BTreeMap<SiteId, (Option<f64>, Limit)>,
    /// Wire bytes on each hop.
    pub(super) hops: BTreeMap<Hop, f64>,
}

/// After so much time without an event the rollout never ends: schedules repeat every week.
const PATIENCE: i64 = 15 * 86_400;

/// Events that are nearer to each other than this part of the time that has passed are taken as one.
const GRAIN: f64 = 0.000_5;

/// What is nearer to the whole than this part of it is the whole.
const GRAIN_OF_BYTES: f64 = 1e-7;

/// What a site gets of one stripe.
struct Stream {
    site: SiteId,
    stripe: usize,
    from: Option<SiteId>,
    /// The stream of the parent; `None` at a root, and once the parent has everything.
    parent: Option<usize>,
    path: Vec<usize>,
    /// In a site that does not share every client fetches alone.
    copies: f64,
    received: f64,
    done: Option<f64>,
    /// Seconds by what limited it; `None` is the LAN.
    limited: BTreeMap<Option<usize>, f64>,
}

struct Simulation<'m> {
    map: &'m SiteMap,
    rollout: &'m Rollout,
    room: Room<'m>,
    names: Vec<Hop>,
    streams: Vec<Stream>,
    /// Wire bytes of one stripe, and of one piece.
    size: f64,
    piece: f64,
    sent: Vec<f64>,
}

/// Runs the rollout along these stripes until every client is complete or nothing moves any more.
pub(super) fn simulate(map: &SiteMap, rollout: &Rollout, stripes: &[Forest]) -> Outcome {
    let room = Room::new(map, rollout.at, rollout.sites(), &Load::default());
    let hops = room.hops().count();
    let named = 2 * map.links().count();
    let attached = room.sites.iter().filter_map(|site| match site {
        SiteId::Attached(net) => Some(LinkId::Attached(*net)),
        SiteId::Named(_) => None,
    });
    let links = map.links().take(named / 2).chain(attached);
    let names = links.flat_map(|link| [false, true].map(|forward| Hop { link, forward })).collect();
    let mut simulation = Simulation {
        map,
        rollout,
        room,
        names,
        streams: Vec::new(),
        size: rollout.size as f64 * WIRE / stripes.len().max(1) as f64,
        piece: piece_length(rollout.size) as f64 * WIRE,
        sent: vec![0.0; hops],
    };
    simulation.piece = simulation.piece.min(simulation.size);
    for (i, stripe) in stripes.iter().enumerate() {
        simulation.plant(i, stripe);
    }
    simulation.run(stripes.len() == 1);
    simulation.outcome()
}

impl Simulation<'_> {
    /// Puts the streams of a stripe beside those that are there.
    fn plant(&mut self, stripe: usize, forest: &Forest) {
        let first = self.streams.len();
        for site in forest.keys() {
            let clients = self.rollout.clients.get(site).copied().unwrap_or(1);
            self.streams.push(Stream {
                site: *site,
                stripe,
                from: None,
                parent: None,
                path: Vec::new(),
                copies: if self.map.sharing(*site) {
                    1.0
                } else {
                    f64::from(clients)
                },
                received: 0.0,
                done: None,
                limited: BTreeMap::new(),
            });
        }
        let all: Vec<usize> = (first..self.streams.len()).collect();
        self.join(&all, forest);
    }

    /// Gives streams the parents of a forest.
    fn join(&mut self, streams: &[usize], forest: &Forest) {
        for i in streams {
            let (site, stripe) = (self.streams[*i].site, self.streams[*i].stripe);
            let Some(parent) = forest.get(&site).map(|parent| parent.site) else {
                continue;
            };
            let of_parent =
                |stream: &Stream| stream.site == parent && stream.stripe == stripe && stream.done.is_none();
            let above = self.streams.iter().position(of_parent);
            let path = match (self.room.index(parent), self.room.index(site)) {
                (Some(from), Some(to)) => self.room.path(from, to).map(|path| path.collect()),
                _ => None,
            };
            self.streams[*i].from = Some(parent);
            self.streams[*i].parent = above;
            self.streams[*i].path = path.unwrap_or_default();
        }
    }

    fn capacities(&self, at: Timestamp) -> Vec<f64> {
        self.names.iter().map(|hop| self.map.rate(*hop, at).as_f64()).collect()
    }

    /// How much a stream may have received by now: whole pieces that its parent has.
    fn available(&self, stream: &Stream) -> f64 {
        match stream.parent.map(|parent| &self.streams[parent]) {
            Some(parent) if parent.done.is_none() => (parent.received - self.piece).max(0.0),
            _ => self.size,
        }
    }

    fn run(&mut self, may_replan: bool) {
        let mut now = START;
        let mut progressed = now;
        let instant = |seconds: f64| {
            let span = SignedDuration::from_secs_f64(seconds.min(1e10));
            self.rollout.at.checked_add(span).unwrap_or(Timestamp::MAX)
        };
        let mut capacity = self.capacities(instant(now));
        let mut change = self.map.next_change(instant(now));
        let grain = self.size * GRAIN_OF_BYTES;
        while self.streams.iter().any(|stream| stream.done.is_none()) {
            let (flows, index) = self.flows(grain);
            let rates = shares(&capacity, &flows, LAN);
            let rate_of = |stream: usize| index[stream].map_or(0.0, |flow| rates[flow].0);
            // how long until something is different
            let wait = |i: usize| -> f64 {
                let stream = &self.streams[i];
                let rate = rate_of(i);
                let mut wait = f64::INFINITY;
                if rate > 0.0 {
                    wait = (self.size - stream.received) / rate;
                }
                if let Some(parent) = stream.parent.filter(|parent| self.streams[*parent].done.is_none()) {
                    let (above, gap) = (rate_of(parent), self.available(stream) - stream.received);
                    if gap > grain && rate > above {
                        wait = wait.min(gap / (rate - above));
                    }
                    let behind = stream.received + self.piece - self.streams[parent].received;
                    if rate == 0.0 && behind > 0.0 && above > 0.0 {
                        wait = wait.min(behind / above);
                    }
                }
                wait
            };
            let open: Vec<usize> =
                (0..self.streams.len()).filter(|i| self.streams[*i].done.is_none()).collect();
            let mut step = open.iter().map(|i| wait(*i)).fold(f64::INFINITY, f64::min);
            step += now * GRAIN;
            let until_change =
                change.map(|change| change.duration_since(instant(now)).as_secs_f64().max(1e-3));
            let changes = until_change.is_some_and(|change| change <= step);
            if changes {
                step = until_change.unwrap_or(step);
            }
            let received: f64 = self.streams.iter().map(|stream| stream.received).sum();
            if step.is_infinite() || now - progressed > PATIENCE as f64 {
                return;
            }
            self.advance(now, step, &rates, &index);
            if self.streams.iter().map(|stream| stream.received).sum::<f64>() > received {
                progressed = now;
            }
            now += step;
            if changes {
                let at = change.unwrap_or(instant(now));
                capacity = self.capacities(at);
                change = self.map.next_change(at);
                if may_replan {
                    self.replan(at, &capacity);
                }
            }
        }
    }

    /// Lets so many seconds pass.
    fn advance(&mut self, now: f64, step: f64, rates: &[(f64, Option<usize>)], index: &[Option<usize>]) {
        let rate = |i: usize| index[i].map_or(0.0, |flow| rates[flow].0);
        let next: Vec<f64> = (0..self.streams.len())
            .map(|i| (self.streams[i].received + rate(i) * step).min(self.size))
            .collect();
        for i in 0..self.streams.len() {
            let Some((rate, limit)) = index[i].map(|flow| rates[flow]) else {
                continue;
            };
            // what the parent does not have yet at the end of the step cannot have come
            let above = self.streams[i].parent.filter(|parent| self.streams[*parent].done.is_none());
            let most = match above.map(|parent| next[parent]) {
                Some(above) if above < self.size => above - self.piece,
                _ => self.size,
            };
            let stream = &mut self.streams[i];
            let bytes = (next[i].min(most) - stream.received).max(0.0);
            stream.received += bytes;
            *stream.limited.entry(limit).or_insert(0.0) += step;
            for hop in &stream.path {
                self.sent[*hop] += bytes * stream.copies;
            }
            if self.size - stream.received <= self.size * GRAIN_OF_BYTES && rate > 0.0 {
                // it was complete before the end of this step
                stream.done = Some(now + (bytes / rate).min(step));
                stream.received = self.size;
            }
        }
    }

    /// The streams that move or wait for a paused link, and the place of each stream among them.
    fn flows(&self, grain: f64) -> (Vec<Flow<'_>>, Vec<Option<usize>>) {
        let mut flows = Vec::new();
        let mut index = vec![None; self.streams.len()];
        let ready =
            |stream: &Stream| stream.done.is_none() && stream.received <= self.available(stream) + grain;
        let started = |stream: &Stream| {
            let parent = stream.parent.map(|parent| &self.streams[parent]);
            parent.is_none_or(|parent| parent.done.is_some() || parent.received >= self.piece - grain)
        };
        for (i, stream) in self.streams.iter().enumerate() {
            if ready(stream) && started(stream) {
                index[i] = Some(flows.len());
                flows.push(i);
            }
        }
        let flows = flows.into_iter().map(|i| {
            let stream = &self.streams[i];
            let parent = stream.parent.filter(|parent| self.streams[*parent].done.is_none());
            let caught_up = stream.received >= self.available(stream) - grain;
            Flow {
                path: &stream.path,
                copies: stream.copies,
                behind: parent.filter(|_| caught_up).and_then(|parent| index[parent]),
            }
        });
        (flows.collect(), index)
    }

    /// As the tracker does when a link of a site's path is paused: the others keep their parents.
    fn replan(&mut self, at: Timestamp, capacity: &[f64]) {
        let open: Vec<usize> = (0..self.streams.len()).filter(|i| self.streams[*i].done.is_none()).collect();
        let paused = |i: &usize| self.streams[*i].path.iter().any(|hop| capacity[*hop] == 0.0);
        let moved: Vec<usize> = open.iter().copied().filter(paused).collect();
        if moved.is_empty() {
            return;
        }
        let waiting: BTreeSet<SiteId> = open.iter().map(|i| self.streams[*i].site).collect();
        let done = self.streams.iter().filter(|stream| stream.done.is_some()).map(|stream| stream.site);
        let roots = self.rollout.seeds.keys().copied().chain(done).collect();
        let keep = open.iter().filter(|i| !moved.contains(i)).filter_map(|i| {
            let stream = &self.streams[*i];
            Some((
                stream.site,
                Parent {
                    site: stream.from?,
                    rate: Rate::ZERO,
                },
            ))
        });
        let keep: Forest = keep.collect();
        let plan = forest(
            self.map,
            at,
            &roots,
            &waiting,
            &keep,
            &BTreeSet::new(),
            &Load::default(),
        );
        self.join(&open, &plan);
    }

    fn outcome(self) -> Outcome {
        let mut sites: BTreeMap<SiteId, (Option<f64>, Limit)> = BTreeMap::new();
        for stream in &self.streams {
            let most = stream.limited.iter().max_by(|a, b| a.1.total_cmp(b.1)).and_then(|(hop, _)| *hop);
            let limit = match (most, stream.done) {
                (Some(hop), _) => Limit::Link(self.names[hop]),
                (None, Some(_)) => Limit::Lan,
                (None, None) => self.paused_at(stream).map_or(Limit::Lan, Limit::Link),
            };
            let clients = self.rollout.clients.get(&stream.site).copied().unwrap_or(1);
            let done = stream.done.map(|done| done + super::spread(self.rollout.size, clients));
            let entry = sites.entry(stream.site).or_insert((done, limit));
            // a site with an unfinished stripe is unfinished; else the last counts
            let later = match (entry.0, done) {
                (Some(first), Some(second)) => second > first,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if later {
                *entry = (done, limit);
            }
        }
        let hops = self.names.iter().copied().zip(self.sent.iter().copied());
        Outcome {
            sites,
            hops: hops.filter(|(_, bytes)| *bytes > 0.0).collect(),
        }
    }

    /// The hop that keeps a stream from ever beginning.
    fn paused_at(&self, stream: &Stream) -> Option<Hop> {
        let mut at = Some(stream);
        while let Some(stream) = at {
            let paused = |hop: &&usize| self.map.rate(self.names[**hop], self.rollout.at) == Rate::ZERO;
            if let Some(hop) = stream.path.iter().find(paused) {
                return Some(self.names[*hop]);
            }
            at = stream.parent.map(|parent| &self.streams[parent]);
        }
        None
    }
}
