//! The shell of each agent: feeds its swarm and carries out the actions, over a simulated network.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::PeerId;
use narrows_swarm::policy::pacing::wire;
use narrows_swarm::{Action, AnnounceReason, Class, Event, Origin, PeerKey, Time};
use narrows_wire::{Block, Message};

use super::{End, Happening, Lie, Sim};

impl Sim {
    pub(super) fn break_off(&mut self, key: u64) {
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

    pub(super) fn data(&mut self, agent: usize, key: u64, block: Block, corrupt: bool) {
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

    pub(super) fn connect(&mut self, agent: usize, conn: u64, addr: SocketAddr, class: Class) {
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

    pub(super) fn opened(&mut self, agent: usize, key: u64) {
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

    pub(super) fn announce(&mut self, agent: usize) {
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

    pub(super) fn feed(&mut self, agent: usize, event: Event) {
        self.handle(agent, event);
        self.act(agent);
    }

    pub(super) fn handle(&mut self, agent: usize, event: Event) {
        if let Some(swarm) = &mut self.agents[agent].swarm {
            swarm.handle(event, self.now, &mut self.out);
        }
    }

    pub(super) fn act(&mut self, agent: usize) {
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

    pub(super) fn carry_out(&mut self, agent: usize, action: &Action) {
        let life = self.agents[agent].life;
        match action {
            Action::Send { peer, message } => {
                let message = &match self.lie(agent, *peer, message) {
                    Some(message) => message,
                    None => return,
                };
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
                match self.agents[agent].lie {
                    Some(Lie::Silent | Lie::Rubbish) => return,
                    Some(Lie::Rejects) => {
                        let reject = Happening::Deliver(peer.0 ^ 1, Message::Reject(*block));
                        self.transmit(agent, peer.0, 17, 0, reject);
                        return;
                    }
                    Some(Lie::Boasts) | None => {}
                }
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
            Action::Verify { piece } => {
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
            Action::Mark { .. } | Action::Doubt { .. } | Action::Ban { .. } | Action::Name { .. } => {}
        }
    }

    /// What a liar says instead of `message`; `None`: nothing.
    fn lie(&mut self, agent: usize, peer: PeerKey, message: &Message) -> Option<Message> {
        let Some(lie) = self.agents[agent].lie else {
            return Some(message.clone());
        };
        match message {
            Message::Bitfield(_) | Message::HaveNone => Some(Message::HaveAll),
            Message::Have(_) => None,
            Message::Reject(block) => match lie {
                Lie::Silent | Lie::Boasts => None,
                Lie::Rejects => Some(message.clone()),
                Lie::Rubbish => {
                    let rubbish = Happening::Data(peer.0 ^ 1, *block, true);
                    self.transmit(agent, peer.0, wire(block.len), block.len, rubbish);
                    None
                }
            },
            other => Some(other.clone()),
        }
    }

    pub(super) fn transmit(
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
}
