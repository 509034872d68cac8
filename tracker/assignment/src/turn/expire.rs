//! Peers that have not come back.

use narrows_topology::SiteId;

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::peer::Tick;
use crate::{Context, Time};

impl Swarm {
    /// Forgets the peers that have not come back, and says how many. Called from a sweep, never for a
    /// request.
    pub fn expire(&mut self, cx: &Context<'_>, now: Time) -> usize {
        let tick = Tick::of(now);
        let mut gone: Vec<(SiteId, Endpoint)> = Vec::new();
        for (id, site) in self.sites.iter() {
            let expired = site.peers.iter().filter(|(_, _, peer)| peer.is_expired(tick));
            gone.extend(expired.map(|(_, at, _)| (id, at)));
        }
        for at in &gone {
            self.let_go(cx, *at, now);
        }
        gone.len()
    }

    /// Forgets everything: the swarm's flows leave the ledger. Call before dropping a swarm.
    pub fn retire(&mut self, cx: &Context<'_>) {
        self.sites.values_mut().for_each(|site| site.drop_flows(cx));
        let downloaded = self.counts.downloaded;
        *self = Swarm {
            size: self.size,
            faults: std::mem::take(&mut self.faults),
            planning: std::mem::take(&mut self.planning),
            ..Swarm::new(self.info_hash)
        };
        self.counts.downloaded = downloaded;
        self.overtake_planning();
    }
}
