//! What an agent reports of other peers: gateways that it lost or is connected to, and peers that do not
//! answer.

use std::net::SocketAddr;

use narrows_topology::SiteId;

use super::Turn;
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::rules::failover::{self, Loss};
use crate::rules::reach::{self, Gone};
use crate::rules::restart;
use crate::state::site::{self, Lost, Offer};

impl Turn<'_> {
    /// Takes an agent's word on its neighbours and upstreams. Returns whether it is to come back soon.
    pub(super) fn hear_report(&mut self) -> Result<bool, Broken> {
        let (at, now) = (self.at, self.now);
        self.swarm.avoided.retain(|_, until| *until > now);
        // it announces, so it answers
        self.site_mut()?.gone.retain(|report| report.peer != at);
        let Some(report) = self.report() else {
            return Ok(false);
        };
        let is_young = restart::is_young(self.swarm, self.cx.policy, now);
        self.swarm.forgetful |= report.restarted && !self.swarm.restored && is_young;
        let mut soon = self.note_gone(&report.gone)?;
        let lost = match (report.lost, report.gateway) {
            (None, None) => failover::still_lost(&self.view()?),
            (lost, _) => lost,
        };
        if let Some(lost) = lost {
            soon |= self.lose(Endpoint::of(lost))?;
        } else if let Some(gateway) = report.gateway
            && let Some(expected) = failover::expected(&self.view()?, gateway)
        {
            self.site_mut()?.expected = Some(expected);
        }
        Ok(soon)
    }

    /// Takes a neighbour's report that it lost a gateway. Returns whether it is to come back soon.
    fn lose(&mut self, lost: Endpoint) -> Result<bool, Broken> {
        let (reporter, now) = (self.at, self.now);
        self.site_mut()?.expected.take_if(|expected| expected.to.is_beside(lost));
        match failover::judge(&self.view()?, lost) {
            Loss::None => Ok(false),
            Loss::Doubted { gateway, first } => {
                if first {
                    self.site_mut()?.lost.push(Lost {
                        gateway,
                        reporter,
                        at: now,
                    });
                }
                Ok(true)
            }
            Loss::Believed { gateway } => {
                self.site_mut()?.displaced = Some(gateway);
                self.outcome.gateway_lost = true;
                self.swarm.remove(self.cx, (self.id, gateway));
                Ok(false)
            }
        }
    }

    /// Takes an agent's word on peers that it cannot reach. Returns whether it is to come back soon.
    fn note_gone(&mut self, gone: &[SocketAddr]) -> Result<bool, Broken> {
        let mut soon = false;
        for addr in gone {
            let addr = Endpoint::of(*addr);
            match self.cx.map.locate(addr.ip()) {
                Some(site) if site == self.id => soon |= self.local_gone(addr)?,
                Some(site) => self.upstream_gone(site, addr)?,
                None => {}
            }
        }
        if !gone.is_empty() {
            self.avoid_parents()?;
        }
        Ok(soon)
    }

    fn local_gone(&mut self, addr: Endpoint) -> Result<bool, Broken> {
        let (reporter, now, avoided) = (self.at, self.now, self.cx.policy.reach.avoided);
        let (peer, is_believed) = match reach::judge_local(&self.view()?, addr) {
            Gone::No => return Ok(false),
            Gone::Gateway(gateway) => return self.lose(gateway.at_place(0)),
            Gone::Doubted(seeder) => (seeder, false),
            Gone::Seeder(seeder) => (seeder, true),
        };
        let reports = &mut self.site_mut()?.gone;
        reports
            .retain(|report| report.at + avoided > now && (report.peer, report.reporter) != (peer, reporter));
        if is_believed {
            reports.retain(|report| report.peer != peer);
            self.outcome.seeder_gone = true;
            self.swarm.remove(self.cx, (self.id, peer));
        } else {
            reports.push(site::Gone {
                peer,
                reporter,
                at: now,
            });
        }
        Ok(false)
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

    fn avoid_parents(&mut self) -> Result<(), Broken> {
        let until = self.now + self.cx.policy.reach.avoided;
        for parent in reach::unreachable_parents(&self.view()?) {
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
