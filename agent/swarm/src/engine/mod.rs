//! The state machine. This file holds its state and the dispatch of events; each neighbour one subject.

mod announcer;
mod assignment;
mod connections;
mod dial;
mod hello;
mod housekeeping;
mod messages;
mod parents;
mod peer;
mod receive;
mod redial;
mod requests;
mod sites;
mod supply;
mod upload;
mod upstreams;
mod why;
mod wrong_hash;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use narrows_protocol::{Role, Sharing};
use narrows_wire::{Bitfield, Block};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::picker::Picker;
use crate::policy::blame::Blame;
use crate::policy::credit::Credit;
use crate::policy::gateway::{Duty, Silence};
use crate::policy::pacing::Bucket;
use crate::policy::rate::Meter;
use crate::policy::relation::Relation;
use crate::policy::sites::Sites;
use crate::policy::unreachable::{Unreachable, Unreachables};
use crate::policy::unreplicated::Unreplicated;
use crate::{Action, Config, Event, Fault, PeerKey, Report, State, Status, Time};
use announcer::Announcer;
use dial::Known;
use hello::Introduced;
use parents::Parent;
use peer::Peer;
use receive::Fate;

/// One content's swarm.
#[derive(Debug)]
pub struct Swarm {
    config: Config,
    left: u64,
    picker: Picker,
    peers: BTreeMap<PeerKey, Peer>,
    /// Addresses that the tracker handed out, and those of connections.
    known: BTreeMap<SocketAddr, Known>,

    duty: Duty,
    /// Our address among the gateways of the roster, which we are or would be.
    me: SocketAddr,
    /// The tracker knows nothing of sites.
    foreign: bool,
    silence: Silence,
    /// Our parents; none unless we are gateway.
    parents: Vec<Parent>,
    /// Since when we have our role.
    role_since: Time,
    /// What we last said of ourselves to other agents.
    introduced_as: Introduced,
    /// We are gateway and the tracker names no upstream; we go on with those we have.
    forgotten: bool,
    /// We were stopped for a while: nothing across the WAN before the tracker was asked.
    in_doubt: bool,
    /// No announce before then because of a gateway that the tracker has not named.
    doubt_due: Time,
    /// How many such announces have changed nothing since the last that did.
    doubts: u32,
    /// Pieces that no neighbour has.
    unreplicated: Unreplicated,
    /// Peers that did not answer, and when.
    gone: BTreeMap<SocketAddr, Time>,
    /// Peers that cannot be connected to.
    unreachable: Unreachables,
    /// Stock neighbours that were dialled anew lately.
    met_again: BTreeMap<SocketAddr, Time>,
    /// Payload bytes from across the WAN by parent site.
    from: BTreeMap<String, u64>,
    /// What gateways of our site sent us, by the address that the tracker names.
    brought: BTreeMap<SocketAddr, u64>,

    down_pace: Bucket,
    up_pace: Bucket,
    waiting: Waiting,

    totals: Totals,
    down: Meter,
    up: Meter,

    /// What the tracker told of the map; none: any peer is served, and its word counts.
    sites: Option<Arc<Sites>>,
    /// An operator stopped the content: none of it is sent to other sites.
    braked: bool,
    /// When the tracker was last asked what may be sent to them.
    rates_asked: Option<Time>,

    paused: bool,
    fault: Option<Fault>,
    /// The addresses that sent pieces with wrong hashes.
    blame: Blame,
    /// Which addresses bring what they say they have.
    credit: Credit,
    /// Since when what neighbours bring is measured, since a link stands idle.
    term: Option<Time>,
    /// When that was last looked at.
    supply_looked: Time,
    /// Whether we can fetch, as tracker and neighbours last heard.
    able: bool,

    announcer: Announcer,
    rng: SmallRng,
    next_housekeeping: Time,
    /// When every peer that has room is asked, whatever happened.
    next_round: Time,
    /// Last time something moved us on, or could have.
    last_progress: Time,
    /// When a peer of our site last sent a block, or when we began to wait for one.
    nearby_moved: Time,
    /// The peer whose turn it is to be served.
    turn: PeerKey,
    /// How many gateways of other sites have, or were sent, each piece. Empty until there is one.
    remote_copies: Vec<u16>,
}

/// Which buckets hold something up.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    down: bool,
    up: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    lan: u64,
    wan: u64,
    wasted: u64,
    sent_lan: u64,
    sent_wan: u64,
    hash_failures: u64,
}

impl Swarm {
    /// A swarm at its start. Asks for nothing yet: the first [`Event::Tick`] begins with an announce.
    pub fn new(config: Config, now: Time) -> Swarm {
        let lengths = config.lengths;
        let left = config.have.iter_missing().map(|piece| u64::from(lengths.piece_size(piece))).sum();
        let limits = config.limits;
        Swarm {
            left,
            picker: Picker::new(lengths, &config.have, config.seed),
            peers: BTreeMap::new(),
            known: BTreeMap::new(),
            duty: Duty::default(),
            me: config.listen,
            foreign: false,
            silence: Silence::default(),
            parents: Vec::new(),
            role_since: now,
            introduced_as: Introduced::default(),
            forgotten: false,
            in_doubt: false,
            doubt_due: now,
            doubts: 0,
            unreplicated: Unreplicated::default(),
            gone: BTreeMap::new(),
            unreachable: Unreachables::default(),
            met_again: BTreeMap::new(),
            from: BTreeMap::new(),
            brought: BTreeMap::new(),
            down_pace: Bucket::new(limits.download, now),
            up_pace: Bucket::new(limits.upload, now),
            waiting: Waiting::default(),
            totals: Totals::default(),
            down: Meter::new(now),
            up: Meter::new(now),
            sites: None,
            braked: false,
            rates_asked: None,
            paused: false,
            fault: None,
            blame: Blame::default(),
            credit: Credit::default(),
            term: None,
            supply_looked: now,
            able: true,
            announcer: Announcer::new(now),
            rng: SmallRng::seed_from_u64(config.seed ^ 0x5eed),
            next_housekeeping: now,
            next_round: now,
            last_progress: now,
            nearby_moved: now,
            turn: PeerKey(0),
            remote_copies: Vec::new(),
            config,
        }
    }

    /// Takes an event, appends what is to be done to `out`. `now` never goes back.
    pub fn handle(&mut self, event: Event, now: Time, out: &mut Vec<Action>) {
        match event {
            Event::Connected {
                peer,
                addr,
                origin,
                peer_id,
                fast,
                extended,
            } => {
                let pieces = self.config.lengths.piece_count();
                let mut new = Peer::new(addr, origin, peer_id, fast, pieces, now);
                new.extended = extended;
                self.connected(peer, new, now, out);
            }
            Event::Message { peer, message } => self.message(peer, message, now, out),
            Event::Closed { peer } => self.closed(peer, now, out),
            Event::DialFailed { addr, why } => self.dial_failed(addr, why, now, out),
            Event::Sent { peer, bytes } => self.sent(peer, bytes, now, out),
            Event::Verified { piece, ok } => self.verified(piece, ok, now, out),
            Event::StoreFailed { piece, full } => self.store_failed(piece, full, out),
            Event::StoreHealed => self.store_healed(now, out),
            Event::ServeFailed { peer, block } => self.serve_failed(peer, block, now, out),
            Event::Assigned(assigned) => self.assigned(assigned, now, out),
            Event::Sites(sites) => self.set_sites(sites, now, out),
            Event::AnnounceFailed => self.announce_failed(now, out),
            Event::Pause => self.pause(now, out),
            Event::Resume => self.resume(now),
            Event::SetLimits(limits) => {
                self.config.limits = limits;
                self.down_pace.set_rate(limits.download, now);
                self.up_pace.set_rate(limits.upload, now);
                self.fill_all(now, out);
                self.serve(now, out);
            }
            Event::Tick => self.tick(now, out),
        }
        self.follow_up(now, out);
    }

    /// Takes a block that arrived, with its data, and appends what is to be done to `out`. The data comes
    /// back if it is to be kept until the piece is verified or discarded: keep it before carrying out the
    /// actions, a [`Verify`](Action::Verify) of the piece may be among them. Otherwise it is dropped here.
    ///
    /// The swarm does not look at the data: `B` is a buffer in the agent and nothing at all in a simulation.
    #[must_use = "the data that comes back is part of a piece being fetched"]
    pub fn handle_block<B>(
        &mut self,
        peer: PeerKey,
        block: Block,
        data: B,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<B> {
        let fate = self.block(peer, block, now, out);
        self.follow_up(now, out);
        match fate {
            Fate::Keep => Some(data),
            Fate::Drop => None,
        }
    }

    /// What is looked at after whatever happened.
    fn follow_up(&mut self, now: Time, out: &mut Vec<Action>) {
        if now >= self.next_housekeeping {
            self.housekeeping(now, out);
        }
        self.tell_ability(now, out);
    }

    /// When a [`Event::Tick`] is wanted next.
    pub fn next_wakeup(&self) -> Option<Time> {
        let paces = [
            self.down_pace.opens_at().filter(|_| self.waiting.down),
            self.up_pace.opens_at().filter(|_| self.waiting.up),
        ];
        let waiting = self.parents.iter().filter(|parent| parent.waiting);
        paces
            .into_iter()
            .flatten()
            .chain(waiting.filter_map(|parent| parent.pace.opens_at()))
            .chain([self.next_housekeeping])
            .min()
    }

    /// Payload bytes received across the WAN in this run.
    pub fn bytes_wan(&self) -> u64 {
        self.totals.wan
    }

    /// What an announce says now.
    pub fn report(&self) -> Report {
        let gateway = if self.duty.is_gateway() {
            None
        } else {
            self.connected_gateway()
        };
        Report {
            left: self.left,
            downloaded: self.totals.lan + self.totals.wan,
            uploaded: self.totals.sent_lan + self.totals.sent_wan,
            role: if self.left == 0 || self.state() == State::Error {
                Role::Member
            } else {
                self.duty.role
            },
            able: self.state() != State::Error,
            wan: self.totals.wan,
            stalled: self.announcer.stalled,
            sends_across: self.sends_across(),
            lost: self.announcer.lost,
            gateway,
            gone: self.gone_now(),
            from: self.from.iter().map(|(site, bytes)| (site.clone(), *bytes)).collect(),
            brought: self.brought_now(),
        }
    }

    /// A snapshot.
    pub fn status(&self, now: Time) -> Status {
        let number = |relation| self.peers.values().filter(|peer| peer.relation == relation).count();
        let total = self.config.lengths.total();
        let rate = |meter: &Meter| {
            let mut meter = meter.clone();
            meter.fold(now);
            meter.rate()
        };
        Status {
            state: self.state(),
            fault: self.obstacle(),
            role: self.report().role,
            site: self.duty.site.clone(),
            peers: self.peers.len(),
            peers_local: number(Relation::Local),
            peers_upstream: number(Relation::Upstream),
            peers_remote: number(Relation::Remote),
            rate_down: rate(&self.down),
            rate_up: rate(&self.up),
            bytes_lan: self.totals.lan,
            bytes_wan: self.totals.wan,
            bytes_wasted: self.totals.wasted,
            sent_lan: self.totals.sent_lan,
            sent_wan: self.totals.sent_wan,
            hash_failures: self.totals.hash_failures,
            total,
            left: self.left,
            progress: if total == 0 {
                1.0
            } else {
                (total - self.left) as f64 / total as f64
            },
            stalled: self.announcer.stalled,
        }
    }

    /// The peers that the tracker names and that cannot be connected to.
    pub fn unreachable(&self) -> impl Iterator<Item = &Unreachable> {
        self.unreachable.iter()
    }

    /// The peer that listens there, if it is one of those.
    pub fn unreachable_at(&self, addr: std::net::SocketAddr) -> Option<&Unreachable> {
        self.unreachable.of(addr)
    }

    /// The verified pieces.
    pub fn have(&self) -> &Bitfield {
        &self.config.have
    }

    fn state(&self) -> State {
        match (self.paused, self.obstacle(), self.left) {
            (true, _, _) => State::Paused,
            (_, Some(_), _) => State::Error,
            (_, _, 0) => State::Seeding,
            _ => State::Fetching,
        }
    }

    /// Whether we want pieces now.
    fn is_fetching(&self) -> bool {
        !self.paused && self.fault.is_none() && self.left > 0
    }

    /// Whether we serve others.
    fn shares(&self) -> bool {
        self.config.share == Sharing::Always
    }

    /// Whether we have everything and do not share: no peer is of use to us, nor we to any.
    fn is_finished(&self) -> bool {
        !self.shares() && self.left == 0
    }

    /// Whether we may ask upstreams now.
    fn is_fetching_wan(&self) -> bool {
        self.is_fetching() && self.duty.is_gateway() && !self.duty.paused && !self.in_doubt
    }
}
