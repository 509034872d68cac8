//! A swarm at work: carries events to it and carries out its actions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use narrows_protocol::{AgentReport, AnnounceEvent, AnnounceRequest, GatewayPreference, InfoHash};
use narrows_storage::{Content, StorageError, Stored};
use narrows_swarm::{
    Action, Class, Config, Event, GatewayMode, Limits, Origin, PeerKey, State, Status, Swarm, Time,
};
use narrows_wire::{Bitfield, Block, Codec, Message};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::pieces::Pieces;
use super::work::Jobs;
use super::{ContentState, ContentStatus, Input, Shared, Spec, Work};
use crate::announce::{Announcer, Schedule, Trackers};
use crate::net::{Connection, Outbox, dial};

/// Memory for pieces that are being fetched, all content together, in bytes.
const PIECE_MEMORY: u64 = 64 << 20;

/// What has been stored is made durable after so many bytes or so much time.
const SYNC_BYTES: u64 = 64 << 20;
const SYNC_TIME: Duration = Duration::from_secs(30);

/// How often a disk that refused is asked whether it takes data again.
const PROBE: Duration = Duration::from_secs(3);

/// How long a stop waits for the tracker.
const GOODBYE: Duration = Duration::from_secs(2);

/// Ticks while there are peers, and while there are none.
const TICK: Duration = Duration::from_millis(100);
const TICK_IDLE: Duration = Duration::from_secs(1);

pub(super) struct Session {
    name: String,
    info_hash: InfoHash,
    gateway: GatewayMode,
    shared: Arc<Shared>,
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
    announcer: Announcer,
    schedule: Schedule,
    tracker_error: Option<String>,
    disk: Disk,
    counted_as_fetching: bool,
}

/// What we know of the disk.
#[derive(Default)]
struct Disk {
    unsynced: u64,
    last_sync: Time,
    syncing: bool,
    /// The swarm was told that nothing can be stored, and why.
    fault: Option<String>,
    probing: bool,
    next_probe: Time,
    /// Publishing is under way, or failed and waits.
    publishing: bool,
    publish_error: Option<String>,
    next_publish: Time,
}

impl Session {
    pub(super) fn new(
        spec: &Spec,
        shared: Arc<Shared>,
        jobs: Jobs,
        content: Arc<Content>,
        have: Bitfield,
        paused: bool,
    ) -> Self {
        let now = shared.now();
        let limits = Limits {
            memory: PIECE_MEMORY,
            ..Limits::default()
        };
        let config = Config {
            lengths: spec.meta.lengths(),
            info_hash: spec.meta.info_hash,
            peer_id: shared.peer_id,
            agent: shared.id.clone(),
            listen: shared.listen,
            have,
            gateway: spec.gateway,
            limits,
            seed: rand::random(),
        };
        tracing::info!(content = %spec.meta.name, have = config.have.count(), pieces = config.have.len(), "ready");
        let trackers = Trackers::new(spec.meta.announce.clone());
        let mut session = Self {
            name: spec.meta.name.clone(),
            info_hash: spec.meta.info_hash,
            gateway: spec.gateway,
            announcer: Announcer {
                shared: shared.clone(),
                trackers,
            },
            codec: Codec::new(spec.meta.piece_count()),
            swarm: Swarm::new(config, now),
            shared,
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
            disk: Disk {
                last_sync: now,
                ..Disk::default()
            },
            counted_as_fetching: false,
        };
        if paused {
            session.feed(Event::Pause, None, now);
        }
        if !session.swarm.have().is_full() {
            session.disk.probing = true;
            session.jobs.probe(session.content.clone());
        }
        session
    }

    pub(super) fn content(&self) -> Arc<Content> {
        self.content.clone()
    }

    pub(super) fn set_paused(&mut self, paused: bool, now: Time) {
        self.feed(if paused { Event::Pause } else { Event::Resume }, None, now);
    }

    /// When [`tick`](Self::tick) is due without an input.
    pub(super) fn wakeup(&self, now: Time) -> Time {
        let mut wake = self.next_tick;
        for other in [self.swarm.next_wakeup(now), self.schedule.due()]
            .into_iter()
            .flatten()
        {
            wake = wake.min(other);
        }
        wake
    }

    /// Does what is due and sends what is queued. Called after every batch of inputs.
    pub(super) fn tick(&mut self, now: Time) {
        let due = self.swarm.next_wakeup(now).is_some_and(|wake| wake <= now);
        if due || self.next_tick <= now {
            self.next_tick = now + if self.peers.is_empty() { TICK_IDLE } else { TICK };
            self.share_memory(now);
            self.feed(Event::Tick, None, now);
            self.care_for_disk(now);
        }
        self.flush(now);
        if let Some(event) = self.schedule.begin(now) {
            let request = self.request(event);
            self.jobs.announce(self.announcer.clone(), request);
        }
    }

    pub(super) fn input(&mut self, input: Input, now: Time) {
        match input {
            Input::Messages { peer, messages } => self.messages(peer, messages, now),
            Input::Sent { peer, bytes } => self.feed(Event::Sent { peer, bytes }, None, now),
            Input::Connected {
                stream,
                addr,
                origin,
                theirs,
            } => {
                let peer = PeerKey(self.shared.next_peer.fetch_add(1, Ordering::Relaxed));
                self.peers.insert(peer, self.connection(peer).start(stream));
                let (fast, extended) = (theirs.fast, theirs.extended);
                tracing::debug!(content = %self.name, %addr, ?origin, peer = peer.0, "connected");
                self.feed(
                    Event::Connected {
                        peer,
                        addr,
                        origin,
                        peer_id: theirs.peer_id,
                        fast,
                        extended,
                    },
                    None,
                    now,
                );
            }
            Input::DialFailed { addr, reason } => {
                tracing::debug!(content = %self.name, %addr, reason, "cannot connect");
                self.feed(Event::DialFailed { addr }, None, now);
            }
            Input::Closed { peer, reason } => {
                if self.peers.remove(&peer).is_some() {
                    tracing::debug!(content = %self.name, peer = peer.0, reason, "connection lost");
                    self.feed(Event::Closed { peer }, None, now);
                }
            }
            Input::ServeFailed { peer, block, error } => {
                tracing::warn!(content = %self.name, %error, "cannot read what a peer asked for; POST /verify finds out");
                self.feed(Event::ServeFailed { peer, block }, None, now);
            }
            Input::Done { work, .. } => self.done(work, now),
        }
    }

    fn messages(&mut self, peer: PeerKey, messages: Vec<Message>, now: Time) {
        for message in messages {
            if !self.peers.contains_key(&peer) {
                return;
            }
            match message {
                Message::Piece { piece, begin, data } => {
                    let block = Block {
                        piece,
                        begin,
                        len: data.len() as u32,
                    };
                    self.feed(Event::Block { peer, block }, Some(data), now);
                }
                message => self.feed(Event::Message { peer, message }, None, now),
            }
        }
    }

    fn done(&mut self, work: Work, now: Time) {
        match work {
            Work::Stored {
                piece,
                bytes,
                result: Ok(Stored::Ok),
            } => {
                self.disk.unsynced += bytes;
                self.feed(Event::Verified { piece, ok: true }, None, now);
            }
            Work::Stored {
                piece,
                result: Ok(Stored::HashWrong),
                ..
            } => {
                tracing::warn!(content = %self.name, piece, "a piece came with a wrong hash");
                self.feed(Event::Verified { piece, ok: false }, None, now);
            }
            Work::Stored {
                piece,
                result: Err(error),
                ..
            } => self.store_failed(piece, &error, now),
            Work::Probed(result) => self.probed(result, now),
            Work::Synced(result) => {
                self.disk.syncing = false;
                if let Err(error) = result {
                    tracing::error!(content = %self.name, %error, "cannot make data durable");
                }
            }
            Work::Published(result) => self.published(result, now),
            Work::Announced(Ok(assigned)) => {
                self.tracker_error = None;
                self.schedule.succeeded(now, assigned.min_interval);
                self.feed(Event::Assigned(assigned), None, now);
            }
            Work::Announced(Err(error)) => {
                if self.tracker_error.as_ref() != Some(&error) {
                    tracing::warn!(content = %self.name, error, "no tracker took the announce");
                }
                self.tracker_error = Some(error);
                self.schedule.failed();
                self.feed(Event::AnnounceFailed, None, now);
            }
            // of the actor
            Work::Opened(_) | Work::Checked(_) => {}
        }
    }

    fn feed(&mut self, event: Event, mut data: Option<Bytes>, now: Time) {
        let mut actions = std::mem::take(&mut self.actions);
        self.swarm.handle(event, now, &mut actions);
        for action in actions.drain(..) {
            self.perform(action, &mut data);
        }
        self.actions = actions;
    }

    fn perform(&mut self, action: Action, data: &mut Option<Bytes>) {
        match action {
            Action::Send { peer, message } => self.with_outbox(peer, |outbox| outbox.send(&message)),
            Action::Serve { peer, block } => self.with_outbox(peer, |outbox| outbox.serve(block)),
            Action::Keep { block, .. } => {
                if let Some(data) = data.take() {
                    self.pieces.keep(block, data);
                }
            }
            Action::Ignore { .. } => *data = None,
            Action::Verify { piece, .. } => {
                let blocks = self.pieces.take(piece);
                self.jobs
                    .store(self.content.clone(), piece, blocks, self.shared.hashers.clone());
            }
            Action::Discard { piece } => self.pieces.discard(piece),
            Action::Dial { addr, class } => self.dial(addr, class),
            Action::Close { peer, reason } => {
                if let Some(mut outbox) = self.peers.remove(&peer) {
                    tracing::debug!(content = %self.name, peer = peer.0, %reason, "closing");
                    outbox.flush();
                }
            }
            Action::Ban { ip, until } => {
                tracing::warn!(content = %self.name, %ip, "banned for pieces with wrong hashes");
                self.shared.bans.add(ip, until);
            }
            Action::Announce(reason) => self.schedule.ask(reason),
            Action::Completed => tracing::info!(content = %self.name, "complete"),
            Action::StateChanged => {}
        }
    }

    fn with_outbox(&mut self, peer: PeerKey, queue: impl FnOnce(&mut Outbox) -> bool) {
        if let Some(outbox) = self.peers.get_mut(&peer) {
            if !queue(outbox) {
                self.stuck.push(peer);
            }
            if self.waiting.last() != Some(&peer) {
                self.waiting.push(peer);
            }
        }
    }

    /// Hands everything queued to the writers; closes the peers that do not take theirs.
    fn flush(&mut self, now: Time) {
        while !self.waiting.is_empty() || !self.stuck.is_empty() {
            for peer in std::mem::take(&mut self.waiting) {
                if self.peers.get_mut(&peer).is_some_and(|outbox| !outbox.flush()) {
                    self.stuck.push(peer);
                }
            }
            for peer in std::mem::take(&mut self.stuck) {
                if self.peers.remove(&peer).is_some() {
                    tracing::info!(content = %self.name, peer = peer.0, "closing a peer that does not take what it is sent");
                    self.feed(Event::Closed { peer }, None, now);
                }
            }
        }
    }

    fn connection(&self, peer: PeerKey) -> Connection {
        Connection {
            peer,
            codec: self.codec,
            content: self.content.clone(),
            buffers: self.shared.buffers.clone(),
            upload: self.shared.upload.clone(),
            download: self.shared.download.clone(),
            inputs: self.jobs.inputs.clone(),
        }
    }

    fn dial(&self, addr: std::net::SocketAddr, class: Class) {
        let (shared, inputs, info_hash) = (self.shared.clone(), self.jobs.inputs.clone(), self.info_hash);
        tokio::spawn(async move {
            let dialled = match shared.bans.holds(addr.ip(), shared.now()) {
                true => Err(std::io::Error::other("banned")),
                false => dial(shared.listen.ip(), addr, info_hash, shared.peer_id).await,
            };
            let input = match dialled {
                Ok((stream, theirs)) => Input::Connected {
                    stream,
                    addr,
                    origin: Origin::Dialled(class),
                    theirs,
                },
                Err(error) => Input::DialFailed {
                    addr,
                    reason: error.to_string(),
                },
            };
            let _ = inputs.send(input).await;
        });
    }

    /// Gives this content its part of the memory for pieces.
    fn share_memory(&mut self, now: Time) {
        let fetching = !self.swarm.have().is_full();
        if fetching != self.counted_as_fetching {
            self.counted_as_fetching = fetching;
            match fetching {
                true => self.shared.fetching.fetch_add(1, Ordering::Relaxed),
                false => self.shared.fetching.fetch_sub(1, Ordering::Relaxed),
            };
        }
        let memory = PIECE_MEMORY / self.shared.fetching.load(Ordering::Relaxed).max(1);
        if memory != self.limits.memory {
            self.limits.memory = memory;
            self.feed(Event::SetLimits(self.limits), None, now);
        }
    }

    fn store_failed(&mut self, piece: u32, error: &StorageError, now: Time) {
        if self.disk.fault.is_none() {
            tracing::error!(content = %self.name, %error, "cannot store; trying again every few seconds");
        }
        self.disk.fault = Some(error.to_string());
        self.disk.next_probe = now + PROBE;
        self.feed(
            Event::StoreFailed {
                piece,
                full: error.is_full(),
            },
            None,
            now,
        );
    }

    fn probed(&mut self, result: Result<(), StorageError>, now: Time) {
        self.disk.probing = false;
        self.disk.next_probe = now + PROBE;
        match result {
            Ok(()) => {
                if self.disk.fault.take().is_some() {
                    tracing::info!(content = %self.name, "the disk takes data again");
                    self.feed(Event::StoreHealed, None, now);
                }
            }
            Err(error) => {
                let first_missing = self.swarm.have().iter_missing().next();
                match first_missing {
                    Some(piece) if self.disk.fault.is_none() => self.store_failed(piece, &error, now),
                    _ => self.disk.fault = Some(error.to_string()),
                }
            }
        }
    }

    fn published(&mut self, result: Result<(), StorageError>, now: Time) {
        self.disk.publishing = false;
        match result {
            Ok(()) => {
                self.disk.publish_error = None;
                tracing::info!(content = %self.name, "whole and at its target");
            }
            Err(error) => {
                tracing::error!(content = %self.name, %error, "cannot move the content to its target; trying again");
                self.disk.publish_error = Some(error.to_string());
                self.disk.next_publish = now + PROBE;
            }
        }
    }

    /// Publishes, syncs and probes when it is time to.
    fn care_for_disk(&mut self, now: Time) {
        let disk = &mut self.disk;
        if self.swarm.have().is_full() {
            if !self.content.is_published() && !disk.publishing && disk.next_publish <= now {
                disk.publishing = true;
                disk.unsynced = 0;
                self.jobs.publish(self.content.clone());
            }
            return;
        }
        if disk.fault.is_some() && !disk.probing && disk.next_probe <= now {
            disk.probing = true;
            self.jobs.probe(self.content.clone());
        }
        let old = disk.unsynced > 0 && now >= disk.last_sync + SYNC_TIME;
        if (old || disk.unsynced >= SYNC_BYTES) && !disk.syncing {
            (disk.syncing, disk.unsynced, disk.last_sync) = (true, 0, now);
            self.jobs.sync(self.content.clone());
        }
    }

    fn request(&self, event: AnnounceEvent) -> AnnounceRequest {
        let report = self.swarm.report();
        AnnounceRequest {
            info_hash: self.info_hash,
            peer_id: self.shared.peer_id,
            port: self.shared.listen.port(),
            uploaded: report.uploaded,
            downloaded: report.downloaded,
            left: report.left,
            event,
            compact: true,
            no_peer_id: true,
            numwant: None,
            key: Some(self.shared.key),
            ip: None,
            narrows: Some(AgentReport {
                agent: self.shared.id.clone(),
                role: report.role,
                gateway: report.gateway,
                wan: report.wan,
                stalled: report.stalled,
                lost: report.lost,
                preference: match self.gateway {
                    GatewayMode::Auto => GatewayPreference::Auto,
                    GatewayMode::Never => GatewayPreference::Never,
                    GatewayMode::Prefer => GatewayPreference::Prefer,
                },
            }),
        }
    }

    pub(super) fn swarm_status(&self, now: Time) -> Status {
        self.swarm.status(now)
    }

    /// Writes what `status` and the disk say.
    pub(super) fn fill(&self, status: &Status, out: &mut ContentStatus) {
        out.state = match status.state {
            State::Paused => ContentState::Paused,
            State::Error => ContentState::Error,
            State::Seeding if self.disk.publish_error.is_some() => ContentState::Error,
            // what is not at its target yet is not there for anybody
            State::Seeding if !self.content.is_published() => ContentState::Fetching,
            State::Seeding => ContentState::Seeding,
            State::Fetching => ContentState::Fetching,
        };
        out.error = match status.state {
            State::Error => self
                .disk
                .fault
                .clone()
                .or(status.fault.map(|fault| fault.to_string())),
            _ => self.disk.publish_error.clone(),
        };
        out.progress = status.progress;
        out.bytes_done = status.total - status.left.min(status.total);
        out.role = status.role.as_str().to_owned();
        out.site = status.site.clone();
        out.peers = status.peers;
        out.peers_local = status.peers_local;
        out.peers_upstream = status.peers_upstream;
        out.peers_remote = status.peers_remote;
        out.rate_down = status.rate_down;
        out.rate_up = status.rate_up;
        out.tracker_error = self.tracker_error.clone();
    }

    /// Closes all connections, tells the tracker and makes everything durable, both at once.
    pub(super) async fn stop(&mut self) {
        self.peers.clear();
        let goodbye = async {
            if self.schedule.is_known() {
                let request = self.request(AnnounceEvent::Stopped);
                let _ = timeout(GOODBYE, self.announcer.announce(&request)).await;
            }
        };
        let content = self.content.clone();
        let close = spawn_blocking(move || content.close());
        let ((), closed) = tokio::join!(goodbye, close);
        if let Ok(Err(error)) = closed {
            tracing::error!(content = %self.name, %error, "cannot make data durable");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.counted_as_fetching {
            self.shared.fetching.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
