//! What a test does to an agent.

use std::net::{Ipv4Addr, SocketAddr};

use narrows_protocol::{GatewayPreference, InfoHash, PeerId, Role, Sharing};
use narrows_swarm::{Config, Event, Limits, Swarm};
use narrows_wire::Message;

use super::{CRAWL, Happening, Op, Sim};
use crate::net::NIC;

impl Sim {
    pub(super) fn operate(&mut self, agent: usize, op: Op) {
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
                    // as agents do that were not configured
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
}
