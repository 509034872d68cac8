//! Rule 4, fail-over: neighbours see a gateway's connection close and announce at once.

use std::net::SocketAddr;

use narrows_topology::SiteId;

use crate::endpoint::Endpoint;
use crate::state::Swarm;
use crate::state::site::Lost;
use crate::{Context, Outcome, Time};

impl Swarm {
    /// Takes a neighbour's report that it lost a gateway. One report may be one broken connection: the
    /// gateway is given up when two neighbours say so (or all there are), or when one says so again after
    /// [`crate::Policy::failover`] while the gateway has not announced. Returns whether the reporter is to
    /// come back soon, so that it is there when another has said the same.
    pub(crate) fn lose(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        reporter: Endpoint,
        lost: SocketAddr,
        now: Time,
        outcome: &mut Outcome,
    ) -> bool {
        let lost = Endpoint::of(lost);
        let Some(site) = self.sites.get_mut(&id) else {
            return false;
        };
        if site.expected.is_some_and(|expected| expected.to.is_beside(lost)) {
            site.expected = None;
        }
        if site.peers.is_at(reporter, lost) {
            // that is its own address: what is behind it beside itself, it cannot know
            return false;
        }
        let gateway = {
            let mut there = site.peers.residents(lost);
            there.find(|key| *key != reporter && site.gateways.contains_key(key))
        };
        let Some(gateway) = gateway else {
            return false;
        };
        // of several behind one address and port nobody can say which: the one that does not come back in
        // time
        let shared = site.peers.residents(lost).nth(1).is_some();
        if shared && site.gateways.get(&gateway).is_some_and(|gateway| now <= gateway.due) {
            return false;
        }
        // an agent that restarts has its lease back before its neighbours have told of the end of the old
        // session
        let new = site.gateways.get(&gateway).is_some_and(|gateway| now < gateway.since + cx.policy.failover);
        let is_agent = site.peers.find(gateway).is_some_and(|(_, peer)| peer.agent.is_some());
        let neighbours = site.peers.agents() - u32::from(is_agent);
        let reports = || site.lost.iter().filter(|report| report.gateway == gateway);
        let repeated = reports().any(|r| r.reporter == reporter && r.at + cx.policy.failover <= now);
        let first = reports().all(|r| r.reporter != reporter);
        let reporters = reports().count() as u32 + u32::from(first);
        if !new && (repeated || reporters >= neighbours.clamp(1, 2)) {
            site.displaced = Some(gateway);
            outcome.gateway_lost = true;
            self.remove(cx, (id, gateway));
            return false;
        }
        if first {
            site.lost.push(Lost {
                gateway,
                reporter,
                at: now,
            });
        }
        true
    }

    /// The gateway that a neighbour has lost and is still without: that it has nobody to name is a
    /// repetition.
    pub(crate) fn still_lost(&self, id: SiteId, reporter: Endpoint) -> Option<SocketAddr> {
        let reports = &self.sites.get(&id)?.lost;
        let mine = reports.iter().find(|report| report.reporter == reporter);
        mine.map(|report| report.gateway.addr())
    }

    /// A member of a site is connected to a gateway that the tracker does not know: the tracker has
    /// restarted. Within a gateway's interval of the swarm's first announce, it is waited for instead of
    /// naming another.
    pub(crate) fn expect(&mut self, cx: &Context<'_>, id: SiteId, gateway: SocketAddr, now: Time) {
        let until = self.born.unwrap_or(now) + cx.policy.intervals.gateway;
        let at = Endpoint::of(gateway);
        if now >= until || cx.map.locate(at.ip()) != Some(id) {
            return;
        }
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        if site.gateways.is_empty() && site.peers.residents(at).next().is_none() {
            site.expected = Some(crate::state::site::Offer { to: at, until });
        }
    }
}
