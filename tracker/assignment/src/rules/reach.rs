//! Who does not answer: what agents report with `gone=`.
//!
//! A report is one agent's view, so it changes what others see only where a neighbour says the same:
//! upstreams are kept from the gateway that cannot reach them, for a while; a seeder of the own site loses
//! its record once two neighbours (or all there are) miss it and it has been silent since.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use narrows_topology::SiteId;

use super::intervals;
use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::peer::Class;
use crate::state::site::{Gateway, Offer, Upstream};
use crate::{Context, Outcome, Time};

/// For so long a gateway is not told again of somebody it could not reach, and a site not planned behind a
/// site of which it reached nobody.
const AVOIDED: Duration = Duration::from_secs(60);

/// How old the failure may be that an agent reports; who has announced since then is alive.
const RECENT: Duration = Duration::from_secs(30);

/// Most upstreams that are remembered as unreachable, per gateway.
const REMEMBERED: usize = 32;

impl Swarm {
    /// Takes an agent's word on whom it cannot reach. Returns whether it is to come back soon.
    pub(crate) fn note_gone(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        gone: &[SocketAddr],
        now: Time,
        outcome: &mut Outcome,
    ) -> bool {
        let mut soon = false;
        for addr in gone {
            let addr = Endpoint::of(*addr);
            match cx.map.locate(addr.ip()) {
                Some(site) if site == id => soon |= self.local_gone(cx, (id, at), addr, now, outcome),
                Some(site) => self.upstream_gone((id, at), (site, addr), now),
                None => {}
            }
        }
        if !gone.is_empty() {
            self.avoid_parents(cx, (id, at), now);
        }
        soon
    }

    fn local_gone(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        gone: Endpoint,
        now: Time,
        outcome: &mut Outcome,
    ) -> bool {
        let Some(site) = self.sites.get_mut(&id) else {
            return false;
        };
        // of several behind one address and port, the one that counts: the gateway, else a seeder
        let weight = |key: &Endpoint| {
            let seeds = matches!(site.peers.find(*key), Some((Class::Seeder, _)));
            (site.gateways.contains_key(key), seeds)
        };
        let others = site.peers.residents(gone).filter(|gone| *gone != at);
        let Some(gone) = others.max_by_key(weight) else {
            return false;
        };
        if let Some(gateway) = site.gateways.get(&gone) {
            // it has not come back in time: that it does not answer is no old news
            return gateway.due < now && self.lose(cx, id, at, gone.addr(), now, outcome);
        }
        let Some((Class::Seeder, seeder)) = site.peers.find(gone) else {
            return false;
        };
        let announced =
            intervals::announced(cx.policy, Class::Seeder, seeder.agent.is_none(), seeder.expires);
        if site.wanting(at).is_none() || announced + RECENT > now {
            return false;
        }
        site.gone.retain(|report| report.at + AVOIDED > now && (report.peer, report.reporter) != (gone, at));
        site.gone.push(crate::state::site::Gone {
            peer: gone,
            reporter: at,
            at: now,
        });
        let reporters = site.gone.iter().filter(|report| report.peer == gone).count();
        let leechers = site.peers.of(Class::Leecher).chain(site.peers.of(Class::Guest));
        let neighbours = leechers.filter(|(_, peer)| peer.agent.is_some()).take(2).count();
        if reporters >= neighbours {
            site.gone.retain(|report| report.peer != gone);
            outcome.seeder_gone = true;
            self.remove(cx, (id, gone));
        }
        false
    }

    fn upstream_gone(&mut self, (id, at): (SiteId, Endpoint), (site, gone): (SiteId, Endpoint), now: Time) {
        let there = self.sites.get(&site);
        let Some(gone) = there.and_then(|site| site.peers.residents(gone).next()) else {
            return;
        };
        let Some(gateway) = self.sites.get_mut(&id).and_then(|site| site.gateways.get_mut(&at)) else {
            return;
        };
        gateway.unreachable.retain(|offer| offer.until > now);
        if gateway.unreachable.len() < REMEMBERED && gateway.reaches(gone, now) {
            gateway.unreachable.push(Offer {
                to: gone,
                until: now + AVOIDED,
            });
        }
    }

    /// A parent of which a gateway reaches nobody, or two upstreams and no third, is not planned with for a
    /// while. If the parent is gone, its gateways use nothing of what they were told; if it is not, they are
    /// told anew within an interval, and until then a link they share with this site may be asked for up to
    /// half as much again.
    fn avoid_parents(&mut self, cx: &Context<'_>, (id, at): (SiteId, Endpoint), now: Time) {
        let Some(site) = self.sites.get(&id) else { return };
        let Some(gateway) = site.gateways.get(&at) else {
            return;
        };
        let lost = |parent: &SiteId| {
            let told = gateway.upstreams.iter().filter(|up| up.site == *parent);
            let told: Vec<&Upstream> = told.collect();
            let Some(first) = told.first() else { return false };
            // several behind one address and port cannot be told beside each other
            let mut sharers = self.sites.get(parent).into_iter().flat_map(|parent| parent.peers.iter());
            let mut more = || sharers.any(|(class, at, _)| class.shares() && !at.is_beside(first.peer));
            told.iter().all(|up| !gateway.reaches(up.peer, now)) && (told.len() >= 2 || !more())
        };
        // who starved may fetch from a root site beside its parents
        let sources: BTreeSet<SiteId> = gateway.upstreams.iter().map(|up| up.site).collect();
        let lost: Vec<SiteId> = sources.into_iter().filter(lost).collect();
        for parent in lost {
            if self.avoided.insert((id, parent), now + AVOIDED).is_none() {
                self.replan = true;
                self.free_grants(cx, parent);
            }
        }
    }

    /// What a site's gateways were told does not keep others from their shares any more.
    fn free_grants(&self, cx: &Context<'_>, id: SiteId) {
        let Some(site) = self.sites.get(&id) else { return };
        for gateway in site.gateways.keys() {
            for flow in self.used_flows(id, *gateway) {
                cx.ledger.forget(flow.id, *gateway);
            }
        }
    }
}

impl Gateway {
    /// Whether it has not just failed to reach somebody.
    pub(crate) fn reaches(&self, peer: Endpoint, now: Time) -> bool {
        let failed = |offer: &Offer| offer.to.is_beside(peer) && offer.until > now;
        !self.unreachable.iter().any(failed)
    }
}
