//! Feeds what peers do to the swarm, and carries out its actions.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use narrows_swarm::{Action, Class, CloseReason, Event, PeerKey, Time};
use narrows_wire::{Block, Message};

use super::Session;
use crate::content::Input;
use crate::net::{self, Connection, Outbox};
use crate::resources::Offence;

impl Session {
    pub(super) fn messages(&mut self, peer: PeerKey, messages: Vec<Message>, now: Time) {
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
                    self.feed_block(peer, block, data, now);
                }
                message => self.feed(Event::Message { peer, message }, now),
            }
        }
    }

    pub(super) fn feed(&mut self, event: Event, now: Time) {
        let mut actions = std::mem::take(&mut self.actions);
        self.swarm.handle(event, now, &mut actions);
        self.perform_all(actions, now);
    }

    fn feed_block(&mut self, peer: PeerKey, block: Block, data: Bytes, now: Time) {
        let mut actions = std::mem::take(&mut self.actions);
        if let Some(data) = self.swarm.handle_block(peer, block, data, now, &mut actions) {
            self.pieces.keep(block, data);
        }
        self.perform_all(actions, now);
    }

    fn perform_all(&mut self, mut actions: Vec<Action>, now: Time) {
        for action in actions.drain(..) {
            self.perform(action, now);
        }
        self.actions = actions;
    }

    fn perform(&mut self, action: Action, now: Time) {
        match action {
            Action::Send { peer, message } => self.with_outbox(peer, |outbox| outbox.send(&message)),
            Action::Serve { peer, block } => self.with_outbox(peer, |outbox| outbox.serve(block)),
            Action::Verify { piece } => {
                let blocks = self.pieces.take(piece);
                self.jobs.store(
                    self.content.clone(),
                    piece,
                    blocks,
                    self.services.resources.hashers.clone(),
                );
            }
            Action::Discard { piece } => self.pieces.discard(piece),
            Action::Dial { addr, class } => self.dial(addr, class),
            Action::Close { peer, reason } => {
                if let CloseReason::TooManyOfAddress(ip) = reason {
                    self.services.resources.offences.record(Offence::TooManyConnections, ip, None, now);
                }
                if let Some(mut outbox) = self.peers.remove(&peer) {
                    tracing::debug!(content = %self.name, peer = peer.0, %reason, "closing");
                    outbox.flush();
                }
            }
            Action::Doubt { piece, by } => {
                tracing::info!(content = %self.name, piece, peer = by.0, "a peer got this piece wrong from us; it is read again");
                self.watch.suspect(piece, now);
            }
            Action::Mark { peer, dscp } => self.with_outbox(peer, |outbox| outbox.set_dscp(dscp)),
            Action::Ban { ip, until } => {
                tracing::warn!(content = %self.name, %ip, "banned for pieces with wrong hashes");
                self.services.network.ban(ip, until);
            }
            Action::Name { misdeed, ip, agent } => {
                self.services.resources.offences.record(misdeed.into(), ip, agent.as_deref(), now);
            }
            Action::Announce(reason) => self.schedule.ask(reason),
            Action::Completed => tracing::info!(content = %self.name, "complete"),
        }
    }

    pub(super) fn with_outbox(&mut self, peer: PeerKey, queue: impl FnOnce(&mut Outbox) -> bool) {
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
    pub(super) fn flush(&mut self, now: Time) {
        while !self.waiting.is_empty() || !self.stuck.is_empty() {
            for peer in std::mem::take(&mut self.waiting) {
                if self.peers.get_mut(&peer).is_some_and(|outbox| !outbox.flush()) {
                    self.stuck.push(peer);
                }
            }
            for peer in std::mem::take(&mut self.stuck) {
                if self.peers.remove(&peer).is_some() {
                    tracing::info!(content = %self.name, peer = peer.0, "closing a peer that does not take what it is sent");
                    self.feed(Event::Closed { peer }, now);
                }
            }
        }
    }

    pub(super) fn connection(&self, peer: PeerKey, ip: IpAddr) -> Connection<Input> {
        let resources = &self.services.resources;
        Connection {
            peer,
            ip,
            info_hash: self.info_hash,
            told: self.services.network.told().clone(),
            moves: self.services.network.moves(),
            codec: self.codec,
            content: self.content.clone(),
            buffers: resources.buffers.clone(),
            memory: resources.memory.clone(),
            upload: resources.upload.clone(),
            download: resources.download.clone(),
            events: self.jobs.inputs.clone(),
        }
    }

    pub(super) fn dial(&self, addr: SocketAddr, class: Class) {
        let (network, inputs) = (self.services.network.clone(), self.jobs.inputs.clone());
        let info_hash = self.info_hash;
        tokio::spawn(async move {
            let event = match network.dial(addr, class, info_hash).await {
                Ok(connection) => net::Event::Connected(connection),
                Err(why) => net::Event::DialFailed { addr, why },
            };
            let _ = inputs.send(event.into()).await;
        });
    }
}
