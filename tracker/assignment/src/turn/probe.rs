//! What the tracker found when it dialled a peer that others accuse, and what follows.

use std::net::SocketAddr;

use narrows_topology::SiteId;

use crate::decision::Probed;
use crate::endpoint::Endpoint;
use crate::rules::accusations::{self, Case, Word};
use crate::rules::failover;
use crate::state::Swarm;
use crate::state::accused::Found;
use crate::{Context, Time};

/// What a peer was that was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GivenUp {
    Gateway,
    Other,
}

impl Swarm {
    /// Takes what the tracker found when it dialled a peer of [`crate::Outcome::probe`]: whether it accepted a
    /// connection at `now`. A peer that is reached has not gone, whatever others say of it.
    pub fn probed(&mut self, cx: &Context<'_>, addr: SocketAddr, reached: bool, now: Time) -> Probed {
        let mut probed = Probed::default();
        let at = Endpoint::of(addr);
        if !self.probes.note(addr, Found { reached, at: now }) {
            return probed;
        }
        let Some(id) = cx.map.locate(at.ip()) else {
            return probed;
        };
        let Some(site) = self.sites.get_mut(&id) else {
            return probed;
        };
        if reached {
            site.note_reached(at, now);
            let residents: Vec<Endpoint> = site.peers.residents(at).collect();
            for accused in residents {
                for by in site.accusations.refute(accused) {
                    let agent = site.peers.find(by).and_then(|(_, peer)| peer.agent.as_ref());
                    let agent = agent.map(|agent| agent.name.to_string());
                    probed.refuted.push((by.ip(), agent));
                }
            }
        } else {
            // those who were believed alone were right
            site.trusted.take_if(|(given_up, _)| given_up.is_beside(at));
        }
        let mut accused: Vec<Endpoint> =
            site.accusations.iter().map(|accusation| accusation.accused).collect();
        accused.sort_unstable();
        accused.dedup();
        for accused in accused {
            probed.given_up += usize::from(self.judge_accused(cx, id, accused, now).is_some());
        }
        probed
    }

    /// Gives a peer up if what was said against it is believed.
    pub(super) fn judge_accused(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        accused: Endpoint,
        now: Time,
    ) -> Option<GivenUp> {
        let case = self.case(cx, id, now)?;
        let is_gateway = case.site.gateways.contains_key(&accused);
        let word = match is_gateway {
            true => failover::judge(&case, accused),
            false => accusations::weigh(&case, accused),
        };
        let site = self.sites.get_mut(&id)?;
        match word {
            Word::Doubted => return None,
            Word::OnTrust => site.trusted = Some((accused, now)),
            Word::Believed => {}
        }
        if is_gateway {
            site.displaced = Some(accused);
        }
        self.let_go(cx, (id, accused), now);
        Some(if is_gateway {
            GivenUp::Gateway
        } else {
            GivenUp::Other
        })
    }

    /// Peers to be dialled, since one of them is accused.
    pub(super) fn choose_dialled(
        &mut self,
        cx: &Context<'_>,
        id: SiteId,
        accused: Endpoint,
        now: Time,
    ) -> Vec<SocketAddr> {
        let dial = self.case(cx, id, now).map(|case| accusations::to_dial(&case, accused));
        let mut dial = dial.unwrap_or_default();
        dial.retain(|at| self.probes.ask(&cx.policy.reach, *at, now));
        dial.into_iter().map(Endpoint::addr).collect()
    }

    fn case<'a>(&'a self, cx: &'a Context<'a>, id: SiteId, now: Time) -> Option<Case<'a>> {
        let site = self.sites.get(&id)?;
        Some(Case {
            swarm: self,
            cx,
            site,
            now,
        })
    }
}
