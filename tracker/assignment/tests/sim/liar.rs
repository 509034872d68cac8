//! A machine that says to the tracker what it likes.

use std::net::SocketAddr;

use narrows_assignment::{Announce, Decision};
use narrows_protocol::{AgentReport, AnnounceEvent, PeerId};

use super::world::World;

/// What a liar announces.
#[derive(Clone, Debug)]
pub struct Lie {
    pub addr: SocketAddr,
    pub peer_id: PeerId,
    pub key: Option<u32>,
    pub left: u64,
    pub event: AnnounceEvent,
    pub report: Option<AgentReport>,
}

impl Lie {
    /// An agent of this id at an address, without a key.
    pub fn of(agent: &str, addr: SocketAddr, left: u64) -> Lie {
        Lie {
            addr,
            peer_id: PeerId(*b"-LI0001-000000000000"),
            key: None,
            left,
            event: AnnounceEvent::None,
            report: Some(AgentReport {
                agent: agent.to_owned(),
                ..AgentReport::default()
            }),
        }
    }

    pub fn with(mut self, change: impl FnOnce(&mut Lie)) -> Lie {
        change(&mut self);
        self
    }

    /// What the agent says beside.
    pub fn saying(mut self, change: impl FnOnce(&mut AgentReport)) -> Lie {
        if let Some(report) = &mut self.report {
            change(report);
        }
        self
    }
}

impl World {
    /// A client's name for its session, which others are told.
    pub fn peer_id(&self, number: usize) -> PeerId {
        self.clients[number].announce(AnnounceEvent::None, None).peer_id
    }

    /// Takes a lie.
    pub fn hear(&mut self, lie: &Lie) -> Decision {
        let announce = Announce {
            addr: lie.addr,
            peer_id: lie.peer_id,
            left: lie.left,
            downloaded: 0,
            uploaded: 0,
            event: lie.event,
            numwant: None,
            key: lie.key,
            agent: lie.report.as_ref(),
        };
        let World {
            map,
            policy,
            ledger,
            swarm,
            now,
            wall,
            rng,
            ..
        } = self;
        let cx = narrows_assignment::Context {
            map,
            policy,
            ledger,
            wall: *wall,
        };
        let decision = swarm.announce(&cx, &announce, *now, rng).unwrap();
        if let Some(log) = &mut self.log {
            log.push(format!(
                "{:?} LIE {:?} {:?} {:?} -> {:?} {:?} no_progress {:?}",
                self.now,
                lie.addr,
                lie.event,
                lie.report.as_ref().map(|r| (&r.agent, r.lost)),
                decision.role,
                decision.interval,
                decision.outcome.no_progress
            ));
        }
        self.dial(&decision.outcome.probe);
        decision
    }
}
