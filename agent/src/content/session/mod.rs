//! A swarm at work: carries events to it and carries out its actions.

mod actions;
mod disk;
mod disk_state;
mod report;
mod scrub;
mod watch;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_host::{Repeats, RepeatsBy};
use narrows_protocol::{AnnounceEvent, GatewayPreference, InfoHash, Sharing};
use narrows_storage::{Content, WanTotals};
use narrows_swarm::policy::sites::Sites;
use narrows_swarm::policy::unreachable;
use narrows_swarm::{Action, AnnounceReason, Config, Event, Limits, PeerKey, Swarm, Time};
use narrows_wire::{Bitfield, Codec};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::announce::{AnnounceError, Schedule, Trackers};
use crate::content::pieces::Pieces;
use crate::content::work::{Jobs, announce};
use crate::content::{Input, Services, Spec};
use crate::net::{self, Established, Outbox};
use crate::resources::Allotment;

use disk_state::Disk;
use scrub::Scrub;
use watch::Watch;

/// How long a stop waits for the tracker.
const GOODBYE: Duration = Duration::from_secs(2);

/// A peer that cannot be connected to for so long is logged: one that just restarts is not.
const UNREACHABLE: Duration = Duration::from_secs(5);

/// Ticks while there are peers, and while there are none.
const TICK: Duration = Duration::from_millis(100);
const TICK_IDLE: Duration = Duration::from_secs(1);

pub(super) struct Session {
    name: String,
    info_hash: InfoHash,
    gateway: GatewayPreference,
    sharing: Sharing,
    services: Services,
    allotment: Allotment,
    jobs: Jobs,
    content: Arc<Content>,
    codec: Codec,
    swarm: Swarm,
    peers: HashMap<PeerKey, Outbox>,
    /// Peers with something in their outbox; may repeat and may name peers that are gone.
    waiting: Vec<PeerKey>,
    /// Peers that did not take what they were sent.
    stuck: Vec<PeerKey>,
    pieces: Pieces,
    actions: Vec<Action>,
    limits: Limits,
    next_tick: Time,
    trackers: Arc<Trackers>,
    schedule: Schedule,
    tracker_error: Option<AnnounceError>,
    announce_failures: Repeats,
    /// Peers that cannot be connected to, as the log knows them.
    unreachable: RepeatsBy<SocketAddr>,
    disk: Disk,
    watch: Watch,
    scrub: Scrub,
    /// The tracker has restarted and has not answered us since.
    restarted: bool,
    /// What the tracker told of the map, as the swarm knows it.
    sites: Option<Arc<Sites>>,
    /// Fetched across the WAN in earlier runs and sessions.
    fetched_before: WanTotals,
    /// Fetched across the WAN in this session as far as the WAN history knows, and when that was noted.
    noted_wan: u64,
    last_note: Time,
}

impl Session {
    pub(super) fn new(
        spec: &Spec,
        services: Services,
        jobs: Jobs,
        content: Arc<Content>,
        have: Bitfield,
        paused: bool,
    ) -> Self {
        let now = services.clock.now();
        // its allotment comes with the first tick
        let limits = Limits::default();
        let config = Config {
            lengths: spec.meta.lengths(),
            info_hash: spec.meta.info_hash,
            peer_id: services.me.peer_id,
            agent: services.me.id.clone(),
            listen: services.me.listen,
            have,
            gateway: spec.gateway,
            share: spec.share,
            limits,
            seed: rand::random(),
        };
        tracing::info!(content = %spec.meta.name, have = config.have.count(), pieces = config.have.len(), "ready");
        let total = spec.meta.total;
        let lengths = spec.meta.lengths();
        let left: u64 = config.have.iter_missing().map(|piece| u64::from(lengths.piece_size(piece))).sum();
        content.wan_history().looked(total.saturating_sub(left), total);
        jobs.save_wan_history(content.clone());
        let fetched_before = content.wan_history().totals();
        let (scrub_period, scrub_from) = (spec.scrub, content.scrub_position());
        let mut session = Self {
            name: spec.meta.name.clone(),
            info_hash: spec.meta.info_hash,
            gateway: spec.gateway,
            sharing: spec.share,
            trackers: Arc::new(Trackers::new(spec.meta.announce.clone())),
            codec: Codec::new(spec.meta.piece_count()),
            swarm: Swarm::new(config, now),
            allotment: Allotment::of(services.resources.clone()),
            services,
            jobs,
            content,
            peers: HashMap::new(),
            waiting: Vec::new(),
            stuck: Vec::new(),
            pieces: Pieces::default(),
            actions: Vec::new(),
            limits,
            next_tick: now,
            schedule: Schedule::default(),
            tracker_error: None,
            announce_failures: Repeats::default(),
            unreachable: RepeatsBy::new(unreachable::MAX),
            disk: Disk::new(now),
            watch: Watch::new(spec.meta.files.len(), now),
            scrub: Scrub::new(scrub_period, spec.meta.piece_count(), scrub_from, now),
            restarted: false,
            sites: None,
            fetched_before,
            noted_wan: 0,
            last_note: now,
        };
        session.take_sites(now);
        if paused {
            session.feed(Event::Pause, now);
        }
        if !session.swarm.have().is_full() {
            session.probe();
        }
        session
    }

    pub(in crate::content) fn content(&self) -> Arc<Content> {
        self.content.clone()
    }

    pub(super) fn set_paused(&mut self, paused: bool, now: Time) {
        self.feed(if paused { Event::Pause } else { Event::Resume }, now);
    }

    /// When [`tick`](Self::tick) is due without an input.
    pub(super) fn wakeup(&self) -> Time {
        let mut wake = self.next_tick;
        for other in [self.swarm.next_wakeup(), self.schedule.due()].into_iter().flatten() {
            wake = wake.min(other);
        }
        wake
    }

    /// Does what is due and sends what is queued. Called after every batch of inputs.
    pub(super) fn tick(&mut self, now: Time) {
        let due = self.swarm.next_wakeup().is_some_and(|wake| wake <= now);
        if due || self.next_tick <= now {
            self.next_tick = now + if self.peers.is_empty() { TICK_IDLE } else { TICK };
            self.take_allotment(now);
            self.take_sites(now);
            self.feed(Event::Tick, now);
            self.care_for_disk(now);
            self.keep_watch(now);
            self.keep_wan_history(now);
        }
        self.flush(now);
        if let Some(event) = self.schedule.begin(now) {
            let request = self.request(event);
            let (client, trackers) = (self.services.trackers.clone(), self.trackers.clone());
            self.jobs.announce(client, trackers, request, self.content.clone());
        }
    }

    /// Takes over what the tracker told of the map, to this content or another one.
    pub(super) fn take_sites(&mut self, now: Time) {
        let sites = self.services.network.told().sites(self.info_hash);
        let same = match (&sites, &self.sites) {
            (Some(new), Some(old)) => Arc::ptr_eq(new, old),
            (new, old) => new.is_none() && old.is_none(),
        };
        if !same {
            self.sites.clone_from(&sites);
            self.feed(Event::Sites(sites), now);
        }
    }

    /// Takes this content's part of what the agent has; it changes with how many others there are.
    fn take_allotment(&mut self, now: Time) {
        self.allotment.set_fetching(!self.swarm.have().is_full());
        let limits = self.allotment.limits(self.limits);
        if limits != self.limits {
            self.limits = limits;
            self.feed(Event::SetLimits(limits), now);
        }
    }

    pub(super) fn input(&mut self, input: Input, now: Time) {
        match input {
            Input::Net(event) => self.net_event(event, now),
            Input::Done { work, .. } => self.done(work, now),
        }
    }

    /// Maps what happened on connections to what the swarm is told.
    fn net_event(&mut self, event: net::Event, now: Time) {
        match event {
            net::Event::Messages { peer, messages } => self.messages(peer, messages, now),
            net::Event::Sent { peer, bytes } => self.feed(Event::Sent { peer, bytes }, now),
            net::Event::Connected(connection) => self.connected(connection, now),
            net::Event::DialFailed { addr, why } => {
                tracing::debug!(content = %self.name, %addr, %why, "cannot connect");
                self.feed(Event::DialFailed { addr, why }, now);
                self.log_unreachable(addr, now);
            }
            net::Event::Closed { peer, reason } => {
                if self.peers.remove(&peer).is_some() {
                    tracing::debug!(content = %self.name, peer = peer.0, reason, "connection lost");
                    self.feed(Event::Closed { peer }, now);
                }
            }
            net::Event::ServeFailed { peer, block, error } => {
                if let Some(times) = self.disk.read_failures.failed(&error.to_string(), now) {
                    tracing::warn!(content = %self.name, %error, times, "cannot read what a peer asked for");
                }
                // a shortage says nothing of the piece; else it is read again
                if !error.is_shortage() {
                    self.watch.suspect(block.piece, now);
                }
                self.feed(Event::ServeFailed { peer, block }, now);
            }
        }
    }

    fn connected(&mut self, connection: Established, now: Time) {
        let Established {
            stream,
            addr,
            origin,
            theirs,
        } = connection;
        let peer = self.services.network.next_peer();
        self.peers.insert(peer, self.connection(peer, addr.ip()).start(stream));
        tracing::debug!(content = %self.name, %addr, ?origin, peer = peer.0, "connected");
        let event = Event::Connected {
            peer,
            addr,
            origin,
            peer_id: theirs.peer_id,
            fast: theirs.fast,
            extended: theirs.extended,
        };
        self.feed(event, now);
    }

    /// Announces soon, with nothing new to say; `restarted`: because the tracker has. Paused content has
    /// left the swarm.
    pub(super) fn announce_again(&mut self, restarted: bool) {
        self.restarted |= restarted;
        if self.swarm_status(self.services.clock.now()).state != narrows_swarm::State::Paused {
            self.schedule.ask(AnnounceReason::Doubt);
        }
    }

    /// Logs, once and then hourly, that a peer cannot be connected to.
    fn log_unreachable(&mut self, addr: SocketAddr, now: Time) {
        let known = self.swarm.unreachable_at(addr);
        let Some(peer) = known.filter(|peer| now >= peer.since + UNREACHABLE) else {
            return;
        };
        if let Some(times) = self.unreachable.seen(addr, now) {
            let (seconds, help) = ((now - peer.since).as_secs(), peer.why.help(addr.port()));
            tracing::warn!(
                content = %self.name, %addr, seconds, times,
                "cannot reach a peer that the tracker names: {}; {help}", peer.why
            );
        }
    }

    /// Closes all connections, tells the tracker and makes everything durable, both at once.
    pub(super) async fn stop(&mut self) {
        self.peers.clear();
        self.services.network.name(self.info_hash, std::iter::empty());
        let request = self.request(AnnounceEvent::Stopped);
        let goodbye = async {
            if self.schedule.is_known() {
                let goodbye = announce(
                    &self.services.trackers,
                    &self.trackers,
                    &request,
                    self.content.clone(),
                );
                let _ = timeout(GOODBYE, goodbye).await;
            }
        };
        let content = self.content.clone();
        let close = spawn_blocking(move || content.close());
        let ((), closed) = tokio::join!(goodbye, close);
        if let Ok(Err(error)) = closed {
            tracing::error!(content = %self.name, %error, "cannot make data durable");
        }
        self.services.network.told().forget(self.info_hash);
    }
}
