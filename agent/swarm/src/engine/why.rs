//! Answers to "why".

use super::Swarm;
use super::peer::Peer;
use crate::explanation::{Explanation, GatewayFacts, ParentFacts, PeerFacts, WaitingPiece, Why};
use crate::policy::liveness;
use crate::policy::relation::Relation;
use crate::{Class, Origin, PeerKey, Time};

/// The most pieces that an explanation names.
const MAX_WAITING: usize = 8;

impl Swarm {
    /// Which peers we are connected to and why, and what would happen if our gateway died.
    pub fn explain(&self, now: Time) -> Explanation {
        let gateways = self.gateway_facts(now);
        Explanation {
            site: self.duty.site.clone(),
            role: self.report().role,
            role_for: now.saturating_sub(self.role_since),
            if_gateway_dies: self.if_gateway_dies(&gateways),
            gateways,
            parents: self.parent_facts(),
            peers: self.peers.iter().map(|(key, peer)| self.facts(*key, peer, now)).collect(),
            gone: self.gone_now(),
            waiting: self.waiting_pieces(now),
        }
    }

    fn waiting_pieces(&self, now: Time) -> Vec<WaitingPiece> {
        let mut waiting: Vec<WaitingPiece> = self
            .picker
            .stalled(now)
            .map(|(piece, moved, peers)| WaitingPiece {
                piece,
                still: now.saturating_sub(moved),
                asked_of: peers
                    .into_iter()
                    .filter_map(|key| self.peers.get(&key))
                    .map(|peer| peer.listen.unwrap_or(peer.addr))
                    .collect(),
            })
            .collect();
        waiting.sort_by_key(|waiting| (std::cmp::Reverse(waiting.still), waiting.piece));
        waiting.truncate(MAX_WAITING);
        waiting
    }

    /// The roster, and connected agents that call themselves gateway without being in it.
    fn gateway_facts(&self, now: Time) -> Vec<GatewayFacts> {
        let said = self.peers.values().filter(|peer| peer.is_local_gateway());
        let mut addrs = self.duty.roster.clone();
        addrs.extend(said.filter_map(|peer| peer.listen));
        addrs.sort_unstable();
        addrs.dedup();
        let heard = |addr| {
            let there =
                |peer: &&Peer| peer.relation == Relation::Local && super::announcer::is_at(peer, addr);
            let peer = self.peers.values().find(there)?;
            Some(now.saturating_sub(peer.last_heard))
        };
        addrs
            .into_iter()
            .map(|addr| GatewayFacts {
                addr,
                me: addr == self.me && self.duty.is_gateway(),
                heard: heard(addr),
            })
            .collect()
    }

    fn parent_facts(&self) -> Vec<ParentFacts> {
        let addr_of = |key: PeerKey| self.peers.get(&key).map(|peer| peer.addr);
        self.parents
            .iter()
            .zip(&self.duty.parents)
            .map(|(parent, named)| ParentFacts {
                site: parent.site.clone(),
                rate: parent.pace.rate(),
                paused: parent.paused || self.duty.paused,
                upstreams: parent.upstreams.clone(),
                active: parent.active.and_then(addr_of),
                stripes: (named.stripes.clone(), self.duty.stripes),
            })
            .collect()
    }

    fn facts(&self, key: PeerKey, peer: &Peer, now: Time) -> PeerFacts {
        let since = |at: Option<Time>| at.map(|at| now.saturating_sub(at));
        let mut down = peer.down.clone();
        down.fold(now);
        PeerFacts {
            addr: peer.listen.unwrap_or(peer.addr),
            agent: peer.hello.as_ref().map(|hello| hello.agent.clone()),
            site: site_of(peer),
            relation: peer.relation,
            why: self.why(key, peer),
            has: peer.has.count(),
            asked: peer.asked_bytes,
            received: peer.received,
            sent: peer.sent,
            rate_down: down.rate(),
            choking: since(peer.choking),
            silent: since(peer.silent),
        }
    }

    fn why(&self, key: PeerKey, peer: &Peer) -> Why {
        match (peer.relation, peer.origin) {
            (Relation::Upstream, _) if peer.leaving.is_some() => Why::Leaving,
            (Relation::Upstream, _) => Why::Upstream {
                site: peer.parent_site.clone().or_else(|| site_of(peer)),
                active: self.is_active(key),
            },
            (Relation::Local, Origin::Dialled(Class::Local)) => Why::Neighbour,
            (Relation::Local, _) => Why::DialledUs,
            (Relation::Remote, _) => Why::FedByUs { site: site_of(peer) },
            (Relation::Unknown, _) => Why::Unnamed,
        }
    }

    /// Which agents would notice, how soon, and what comes then.
    fn if_gateway_dies(&self, gateways: &[GatewayFacts]) -> String {
        let frozen = liveness::SILENT.as_secs();
        let notices = format!("at once if the process ends, after {frozen} s if the machine freezes");
        let after = "announces that, and the tracker names a successor: who has most, at the next announce";
        let agents = self.peers.values().filter(|peer| peer.is_local_agent()).count();
        if self.is_finished() {
            "Nothing for us: we have everything. We do not share, so no peer fetches from us either."
                .to_owned()
        } else if self.left == 0 {
            "Nothing for us: we have everything, and our site needs nothing across the WAN.".to_owned()
        } else if self.duty.is_gateway() && agents > 0 {
            format!(
                "If we died, {agents} connected agents of our site would notice, {notices}; the first one {after}. {} \
                 pieces that only we have would be fetched again.",
                self.unreplicated.count()
            )
        } else if self.duty.is_gateway() {
            "If we died, no agent would notice at once, for no agent of our site is connected to us; the tracker would \
             when our lease ends."
                .to_owned()
        } else if gateways.iter().any(|gateway| gateway.heard.is_some()) {
            format!("We are connected to it and would notice, {notices}; the first agent that does {after}.")
        } else if gateways.is_empty() {
            "There is no gateway: our site has the content, or the tracker has named none yet.".to_owned()
        } else {
            "We are not connected to it; its other neighbours would notice, or the tracker when its lease ends.".to_owned()
        }
    }
}

fn site_of(peer: &Peer) -> Option<String> {
    let site = peer.hello.as_ref().map(|hello| hello.site.clone());
    site.filter(|site| !site.is_empty())
}
