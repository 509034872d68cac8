//! What an agent reports of other peers: gateways that it lost or is connected to, and peers that do not
//! answer.

use std::net::SocketAddr;
use std::time::Duration;

use narrows_topology::SiteId;

use super::Turn;
use super::probe::GivenUp;
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::rules::reach::{self, Gone};
use crate::rules::{failover, restart};
use crate::state::accused::Accusation;
use crate::state::site::{Gateway, Offer};

impl Turn<'_> {
    /// Takes an agent's word on its neighbours and upstreams. Returns when it is to come back, if that is soon.
    pub(super) fn hear_report(&mut self) -> Result<Option<Duration>, Broken> {
        let (at, now, age) = (self.at, self.now, self.cx.policy.reach.avoided);
        let avoided = self.swarm.avoided.len();
        self.swarm.avoided.retain(|_, until| *until > now);
        self.swarm.replan |= self.swarm.avoided.len() < avoided;
        self.swarm.missed.retain(|_, (_, until)| *until > now);
        let accusations = &mut self.site_mut()?.accusations;
        // it announces, so it answers
        accusations.drop_against(at);
        accusations.forget(age, now);
        let Some(report) = self.report() else {
            return Ok(None);
        };
        // a claim, and only of use to a tracker that may have restarted
        let may_be = restart::is_young(self.swarm, self.cx.policy, now) && now < self.cx.policy.restarted;
        self.swarm.forgetful |= report.restarted && !self.swarm.restored && may_be;
        let mut soon = self.note_gone(&report.gone)?;
        match (report.lost, report.gateway) {
            (Some(lost), _) => soon = self.lose(Endpoint::of(lost))?.or(soon),
            (None, None) => {
                if let Some(gateway) = failover::still_lost(&self.view()?) {
                    soon = self.look_into(gateway)?.or(soon);
                }
            }
            (None, Some(gateway)) => {
                self.hear_of_gateway(gateway)?;
                if let Some(expected) = failover::expected(&self.view()?, gateway) {
                    let site = self.site_mut()?;
                    (site.expected, site.has_waited) = (Some(expected), true);
                }
            }
        }
        Ok(soon)
    }

    /// A peer says that it is served by a gateway, which tells a tracker that has restarted which one works.
    fn hear_of_gateway(&mut self, gateway: SocketAddr) -> Result<(), Broken> {
        let at = self.at;
        if restart::is_young(self.swarm, self.cx.policy, self.now) {
            self.site_mut()?.spoken_for.note(at, Endpoint::of(gateway));
        }
        Ok(())
    }

    /// Takes a neighbour's report that it lost a gateway. Returns when it is to come back, if that is soon.
    fn lose(&mut self, lost: Endpoint) -> Result<Option<Duration>, Broken> {
        self.site_mut()?.expected.take_if(|expected| expected.to.is_beside(lost));
        match failover::accused(&self.view()?, lost) {
            Some(gateway) => self.accuse(gateway),
            None => Ok(None),
        }
    }

    fn accuse(&mut self, accused: Endpoint) -> Result<Option<Duration>, Broken> {
        let (by, now, again) = (self.at, self.now, self.cx.policy.reach.probe_again);
        self.site_mut()?.accusations.add(accused, by, again, now);
        self.look_into(accused)
    }

    /// Acts on what was said against a peer, or has it looked into. Returns when the announcing peer, which
    /// said so, is to come back, if that is soon.
    fn look_into(&mut self, accused: Endpoint) -> Result<Option<Duration>, Broken> {
        let (id, cx, now) = (self.id, self.cx, self.now);
        match self.swarm.judge_accused(cx, id, accused, now) {
            Some(given_up) => {
                self.outcome.gateway_lost |= given_up == GivenUp::Gateway;
                self.outcome.seeder_gone |= given_up == GivenUp::Other;
                Ok(None)
            }
            None => {
                let dial = self.swarm.choose_dialled(cx, id, accused, now);
                self.outcome.probe.extend(dial);
                let site = self.site()?;
                let by = self.at.host();
                let mut against = site.accusations.against(accused);
                let mine = against.find(|accusation| accusation.by.host() == by);
                let is_gateway = site.gateways.contains_key(&accused);
                Ok(mine.filter(|_| is_gateway).map(|mine| self.patience_with(mine)))
            }
        }
    }

    /// When one that accuses a gateway is to come back.
    fn patience_with(&self, accusation: &Accusation) -> Duration {
        let policy = self.cx.policy;
        let age = self.now.saturating_sub(accusation.since);
        if accusation.refuted || age >= policy.reach.probe_again {
            return policy.intervals.min;
        }
        let (least, most) = policy.reach.probe_wait;
        age.clamp(least, most)
    }

    /// Takes an agent's word on peers that it cannot reach. Returns when it is to come back, if that is soon.
    fn note_gone(&mut self, gone: &[SocketAddr]) -> Result<Option<Duration>, Broken> {
        let mut soon = None;
        for addr in gone {
            let addr = Endpoint::of(*addr);
            match self.cx.map.locate(addr.ip()) {
                Some(site) if site == self.id => soon = self.local_gone(addr)?.or(soon),
                Some(site) => self.upstream_gone(site, addr)?,
                None => {}
            }
        }
        // of one that brings nothing, no word on where the site is to fetch from
        let is_doubted = |lease: &Gateway| lease.service.doubt.is_some();
        if !gone.is_empty() && !self.view()?.gateway().is_some_and(is_doubted) {
            self.avoid_parents()?;
        }
        Ok(soon)
    }

    fn local_gone(&mut self, addr: Endpoint) -> Result<Option<Duration>, Broken> {
        match reach::missed(&self.view()?, addr) {
            Gone::No => Ok(None),
            Gone::Gateway(gateway) => self.lose(gateway.at_place(0)),
            Gone::Seeder(seeder) => self.accuse(seeder),
        }
    }

    fn upstream_gone(&mut self, site: SiteId, addr: Endpoint) -> Result<(), Broken> {
        let (now, policy) = (self.now, &self.cx.policy.reach);
        let there = self.swarm.sites.get(&site);
        let Some(to) = there.and_then(|site| site.peers.residents(addr).next()) else {
            return Ok(());
        };
        if let Some(gateway) = self.gateway_mut()? {
            gateway.unreachable.retain(|offer| offer.until > now);
            if gateway.unreachable.len() < policy.remembered && gateway.reaches(to, now) {
                let until = now + policy.avoided;
                gateway.unreachable.push(Offer { to, until });
            }
        }
        Ok(())
    }

    /// Where a site is to fetch from is no matter of one machine's word: while others can try, a second one has
    /// to say so, and the first gives way to it ([`reach::reaches_none`]).
    fn avoid_parents(&mut self) -> Result<(), Broken> {
        let until = self.now + self.cx.policy.reach.avoided;
        let (voice, is_only) = (self.at.host(), reach::is_only_voice(&self.view()?));
        for parent in reach::unreachable_parents(&self.view()?) {
            let first = self.swarm.missed.entry((self.id, parent)).or_insert((voice, until)).0;
            if first == voice && !is_only {
                continue;
            }
            self.swarm.missed.remove(&(self.id, parent));
            if self.swarm.avoided.insert((self.id, parent), until).is_none() {
                self.swarm.replan = true;
                self.free_grants(parent);
            }
        }
        Ok(())
    }

    /// What a site's gateways were granted does not keep others from their shares any more.
    fn free_grants(&self, id: SiteId) {
        let site = self.swarm.sites.get(&id);
        for (site, gateway) in
            site.into_iter().flat_map(|site| site.gateways.keys().map(move |at| (site, at)))
        {
            for flow in site.used_flows(*gateway) {
                self.cx.ledger.forget(flow.id, *gateway);
            }
        }
    }
}
