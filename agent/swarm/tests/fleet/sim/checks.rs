//! What must hold after each step, and what is measured.

use std::time::Duration;

use narrows_protocol::Role;
use narrows_swarm::{Class, Time};
use narrows_wire::Block;

use super::Sim;

impl Sim {
    /// Only a gateway asks across the WAN, and not for what a connected local peer has said to have.
    pub(super) fn check_request(&self, agent: usize, key: u64, block: Block) {
        let (Some(mine), Some(far)) = (self.ends.get(&key), self.ends.get(&(key ^ 1))) else {
            return;
        };
        let me = &self.agents[agent];
        if self.agents[far.agent].site == me.site {
            return;
        }
        assert_eq!(
            mine.dialled,
            Some(Class::Upstream),
            "asks a remote peer that dialled us"
        );
        assert_eq!(
            me.role,
            Role::Gateway,
            "agent {agent} asks across the WAN without being gateway, seed {}",
            self.seed
        );
        let nearby = |key: &u64| {
            let site = self.ends.get(&(key ^ 1)).map(|far| self.agents[far.agent].site);
            let end = &self.ends[key];
            site == Some(me.site) && (end.whole || end.heard.contains(&block.piece))
        };
        assert!(
            !self.strict || !me.ends.iter().any(nearby),
            "agent {agent} asks across the WAN for piece {} that a local peer has, seed {}",
            block.piece,
            self.seed
        );
    }

    pub(super) fn check(&self, agent: usize) {
        let me = &self.agents[agent];
        let Some(swarm) = &me.swarm else { return };
        let upstreams = me.ends.iter().filter(|key| self.ends[key].dialled == Some(Class::Upstream)).count();
        let settled = self.now > me.role_since + Duration::from_millis(1200);
        assert!(
            me.role == Role::Gateway || upstreams == 0 || !settled,
            "agent {agent} is no gateway and has {upstreams} upstreams at {:?}, seed {}",
            self.now,
            self.seed
        );
        debug_assert!(swarm.have().count() <= me.have.count());
    }

    /// WAN payload into a site over the content's size.
    pub fn copies(&self, site: usize) -> f64 {
        self.net.entering(site) as f64 / self.lengths.total() as f64
    }

    /// How long after `at` the site got its next useful block from across the WAN.
    pub fn next_wan(&self, site: usize, at: Time) -> Option<Time> {
        let next = self.wan[site].iter().find(|time| **time > at)?;
        Some(*next - at)
    }

    /// When the last of a site was complete.
    pub fn done(&self, site: usize) -> Option<Time> {
        let times: Option<Vec<Time>> =
            self.agents.iter().filter(|a| a.site == site).map(|agent| agent.completed).collect();
        times?.into_iter().max()
    }

    pub fn assert_complete(&self) {
        for (index, agent) in self.agents.iter().enumerate() {
            if agent.completed.is_none()
                && let Some(swarm) = &agent.swarm
            {
                panic!(
                    "agent {index} is not complete at {:?}, seed {}: {:?}\n{:?} announces {:?}",
                    self.now,
                    self.seed,
                    swarm.status(self.now),
                    swarm.report(),
                    agent.announces
                );
            }
        }
    }
}
