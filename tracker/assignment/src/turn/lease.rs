//! The lease of the announcing peer's site: what rule 4, gateways, decides is applied.

use std::net::IpAddr;
use std::time::Duration;

use narrows_protocol::Role;

use super::Turn;
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::rules::gateway::{self, Cause, Lease, Verdict};
use crate::rules::{intervals, restart, service, trickle};
use crate::state::account::Account;
use crate::state::peer::{Class, Tick};
use crate::state::service::{Excuse, Suspect, Suspicion};
use crate::state::site::{Gateway, Offer};
use crate::state::trials::Trial;

impl Turn<'_> {
    /// Measures what an announcing gateway has brought across links, and says what to try if that is a
    /// trickle.
    pub(super) fn measure_gateway(&mut self) -> Result<Option<Trial>, Broken> {
        let Some(report) = self.report() else {
            return Ok(None);
        };
        if !self.site()?.gateways.contains_key(&self.at) {
            return Ok(None);
        }
        let (now, policy) = (self.now, &self.cx.policy.trickle);
        let view = self.view()?;
        let (measured, term) = (trickle::measure(&view, report.wan), service::account_term(&view));
        if let Some(gateway) = self.gateway_mut()? {
            match term {
                Some(term) => gateway.account.claim(report.wan, term, policy.part, now),
                None => gateway.account = Account::new(now),
            }
        }
        let (meter, tried) = match measured {
            trickle::Measured::NotYet => return Ok(None),
            trickle::Measured::InVain => return Ok(Some(Trial::Others)),
            trickle::Measured::Anew(meter) => (meter, None),
            trickle::Measured::Enough(meter) => (Some(meter), None),
            trickle::Measured::Trickle { meter, tried } => (Some(meter), Some(tried)),
        };
        let gateway = self.gateway_mut()?.ok_or(Broken::LeaseMissing)?;
        gateway.meter = meter;
        match tried {
            Some(tried) => Ok(self.site_mut()?.trials.begin(policy, tried, now)),
            None => Ok(None),
        }
    }

    /// Settles whether the announcing peer is a gateway of its site; a member may be asked to come back soon.
    pub(super) fn settle_role(&mut self, trial: Option<Trial>) -> Result<(Role, Option<Duration>), Broken> {
        let at = self.at;
        if trial == Some(Trial::Gateway)
            && let Some(to) = gateway::successor_willing(&self.view()?)
        {
            // another one that can is to try in the place of a gateway that brings next to nothing
            self.give_way(to)?;
            self.outcome.revoked = true;
            return Ok((Role::Member, None));
        }
        if let Some(to) = gateway::promoted(&self.view()?)
            && let Some(lease) = self.site_mut()?.gateways.get_mut(&to)
        {
            lease.extra = false;
        }
        let (now, policy) = (self.now, self.cx.policy);
        let view = self.view()?;
        let held = view.gateway().is_some();
        let climbed = view.peer.step >= policy.starvation.gateway_step;
        let mut verdict = match trial {
            Some(Trial::Others) => Verdict::Forgo,
            _ => gateway::settle(&view, self.report()),
        };
        if held {
            self.gateway_mut()?.ok_or(Broken::LeaseMissing)?.renewed = now;
        }
        if let Verdict::Reclaim { from } = verdict {
            self.release(from)?;
            verdict = gateway::fill(&self.view()?, self.report());
        }
        let (role, wait) = self.apply(verdict)?;
        self.outcome.revoked = held && role == Role::Member;
        let site = self.site_mut()?;
        if !held && role == Role::Gateway {
            let peer = site.peers.find_mut(at).ok_or(Broken::PeerMissing)?;
            // from now on it is to come as often as a gateway
            let expires = intervals::expiry(policy, Class::Leecher, true, peer.agent.is_none(), now);
            peer.expires = peer.expires.min(expires);
        }
        if !held && site.displaced == Some(at) {
            site.displaced = None;
        }
        if role == Role::Gateway || !climbed {
            site.claim.take_if(|claim| claim.to == at);
        }
        Ok((role, wait))
    }

    fn apply(&mut self, verdict: Verdict) -> Result<(Role, Option<Duration>), Broken> {
        let (at, now) = (self.at, self.now);
        let min = self.cx.policy.intervals.min;
        Ok(match verdict {
            Verdict::Keep => (Role::Gateway, None),
            Verdict::Grant(lease) => {
                self.grant(lease)?;
                (Role::Gateway, None)
            }
            // `fill` asks for it no second time
            Verdict::Member | Verdict::Reclaim { .. } => (Role::Member, None),
            Verdict::Wait(wait) => (Role::Member, Some(wait)),
            Verdict::Contest(wait) => {
                self.site_mut()?.spoken_for.claims(at);
                (Role::Member, Some(wait))
            }
            Verdict::Offer { to, lasting } => {
                let until = now + lasting;
                self.site_mut()?.offer = Some(Offer { to, until });
                (Role::Member, Some(lasting))
            }
            Verdict::Claim => {
                let until = now + min * self.cx.policy.gateways.claim;
                let site = self.site_mut()?;
                if site.claim.is_none_or(|claim| claim.until <= now || claim.to == at) {
                    site.claim = Some(Offer { to: at, until });
                }
                (Role::Member, Some(min))
            }
            Verdict::Replace { fruitless } => {
                let has_heir = self.depose(fruitless)?;
                self.release(fruitless)?;
                self.site_mut()?.displaced = Some(fruitless);
                if has_heir {
                    return Ok((Role::Member, Some(min)));
                }
                self.grant(Lease::REGULAR)?;
                (Role::Gateway, None)
            }
            Verdict::Retire => {
                self.release(at)?;
                (Role::Member, None)
            }
            Verdict::Forgo => {
                self.release(at)?;
                let in_vain = self.cx.policy.gateways.in_vain;
                let site = self.site_mut()?;
                site.peers.forgive(at);
                let who = site.who(at);
                site.in_vain.add(&in_vain, who, now);
                (Role::Member, None)
            }
            Verdict::Recall(wait) => {
                self.release(at)?;
                self.site_mut()?.orphaned = false;
                (Role::Member, Some(wait))
            }
            Verdict::GiveWay { to, why } => {
                match why {
                    Cause::Unable => {}
                    Cause::Unreaching => self.last_in_line(at)?,
                    Cause::Stuck => self.doubt_its_word(at)?,
                    Cause::Fruitless => {
                        self.depose(at)?;
                    }
                }
                self.give_way(to)?;
                (Role::Member, None)
            }
        })
    }

    /// The site got nothing of a gateway. Where one of the ladder takes its place, that may have been a
    /// machine's word alone, so that the site is tried without it first. Whether one does.
    fn depose(&mut self, gateway: Endpoint) -> Result<bool, Broken> {
        let (now, policy) = (self.now, self.cx.policy);
        let term = policy.lease(policy.intervals.gateway);
        // one that was known from before a restart alone is not named for what others may have been late to say
        let is_early = self
            .site()?
            .gateways
            .get(&gateway)
            .is_some_and(|lease| restart::is_unproven(self.swarm, lease) && now < lease.since + term);
        let site = self.site_mut()?;
        let heir = site.heir().filter(|heir| service::is_another(site, gateway, *heir));
        let has_heir = heir.is_some();
        let heir = heir.and_then(|heir| site.gateways.get(&heir));
        // if the site came on beside it, what it could have fetched from was there, whatever it says
        let came_on = heir.is_some_and(|heir| heir.since < site.progressed);
        let excuse = site.gateways.get(&gateway).map(|lease| lease.service.excuse);
        if (excuse == Some(Excuse::ItsWord) && !came_on) || is_early {
            self.doubt_its_word(gateway)?;
        } else if has_heir {
            site.suspect = Some(Suspect {
                at: gateway,
                since: now,
                until: now + term * policy.gateways.trial_terms,
                because: Suspicion::Fruitless,
            });
        } else {
            self.convict(gateway)?;
        }
        Ok(has_heir)
    }

    /// A gateway that brings nothing, and says itself that it gets nothing, is last in line; if others, who got
    /// nothing of it, or have another gateway, come on as soon as that or another has the lease, it is named.
    fn doubt_its_word(&mut self, gateway: Endpoint) -> Result<(), Broken> {
        let (now, policy) = (self.now, self.cx.policy);
        // a member says by then whether it comes on
        let until = now + policy.lease(policy.intervals.gateway);
        self.last_in_line(gateway)?;
        let site = self.site_mut()?;
        let is_doubted = site.gateways.get(&gateway).is_some_and(|lease| lease.service.doubt.is_some());
        let is_replaced = site.heir().is_some_and(|heir| service::is_another(site, gateway, heir));
        if (is_doubted || is_replaced) && site.suspect.is_none_or(|suspect| suspect.until <= now) {
            site.suspect = Some(Suspect {
                at: gateway,
                since: now,
                until,
                because: Suspicion::ItsWord,
            });
        }
        Ok(())
    }

    /// The site comes on without a suspect: it was of no use.
    pub(super) fn settle_suspicion(&mut self, suspect: Suspect) -> Result<(), Broken> {
        self.site_mut()?.suspect = None;
        match suspect.because {
            Suspicion::Fruitless => self.convict(suspect.at),
            Suspicion::ItsWord => self.name(suspect.at),
        }
    }

    /// A gateway that brought its site nothing is last in line for a while, and named. What it was compared with
    /// was no better or worse: no other is a suspect any more.
    fn convict(&mut self, gateway: Endpoint) -> Result<(), Broken> {
        self.last_in_line(gateway)?;
        self.site_mut()?.suspect = None;
        self.name(gateway)
    }

    fn name(&mut self, gateway: Endpoint) -> Result<(), Broken> {
        self.outcome.no_progress = self.named(gateway)?;
        Ok(())
    }

    fn last_in_line(&mut self, gateway: Endpoint) -> Result<(), Broken> {
        let (now, policy) = (self.now, &self.cx.policy.gateways);
        let site = self.site_mut()?;
        let who = site.who(gateway);
        site.bars.add(&policy.barred, who, now);
        Ok(())
    }

    /// A peer of the site as an operator knows it.
    fn named(&self, at: Endpoint) -> Result<Option<(IpAddr, Option<String>)>, Broken> {
        let peer = self.site()?.peers.find(at).map(|(_, peer)| peer);
        Ok(peer.map(|peer| (at.ip(), peer.agent.as_ref().map(|agent| agent.name.to_string()))))
    }

    /// A gateway that cannot reach any upstream, or brings next to nothing, lets another try.
    fn give_way(&mut self, to: Endpoint) -> Result<(), Broken> {
        let (at, until) = (self.at, self.now + self.cx.policy.intervals.min);
        let most = self.cx.map.gateways(self.id).max(1) as usize;
        self.release(at)?;
        let site = self.site_mut()?;
        site.peers.forgive(at);
        site.displaced = Some(at);
        site.claim = None;
        site.offer = (site.regular() < most).then_some(Offer { to, until });
        Ok(())
    }

    fn grant(&mut self, lease: Lease) -> Result<(), Broken> {
        let (at, now) = (self.at, self.now);
        if let Some(overdue) = lease.instead_of {
            self.release(overdue)?;
        }
        let inherited = service::inherited(&self.view()?);
        let site = self.site_mut()?;
        let mut failover = false;
        if !lease.extra {
            failover = std::mem::take(&mut site.orphaned);
            site.offer = None;
            site.expected = None;
        }
        let mut gateway = Gateway::new(now, lease.extra);
        gateway.adopted = lease.adopted;
        gateway.service = inherited.filter(|_| !lease.extra).unwrap_or(gateway.service);
        site.gateways.insert(at, gateway);
        let peer = site.peers.find_mut(at).ok_or(Broken::PeerMissing)?;
        // what it did not get as a member is not held against it
        (peer.still, peer.judged) = (0, Tick::of(now));
        self.outcome.elected = true;
        self.outcome.adopted = lease.adopted;
        if !lease.extra {
            self.outcome.failover = failover;
        }
        Ok(())
    }
}
