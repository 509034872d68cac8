//! An announce, from the record to the reply.

use narrows_protocol::{AnnounceEvent, Role};
use rand::Rng;

use super::Turn;
use super::reply::Answer;
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::rules::{gateway, neighbours};
use crate::state::Swarm;
use crate::state::site::Upstream;
use crate::state::trials::Trial;
use crate::{Announce, Context, Decision, Outcome, Refusal, Time};

impl Swarm {
    /// Takes an announce and says what the peer is to do and which peers it is handed. `now` never runs
    /// backwards.
    ///
    /// # Errors
    /// Refuses an address of no site; the swarm is then unchanged.
    pub fn announce(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        now: Time,
        rng: &mut dyn Rng,
    ) -> Result<Decision, Refusal> {
        let from = Endpoint::of(announce.addr);
        let id = cx.map.locate(from.ip()).ok_or(Refusal::UnmappedAddress(from.ip().to_canonical()))?;
        self.born.get_or_insert(now);
        let mut turn = Turn {
            swarm: self,
            cx,
            announce,
            now,
            rng,
            from,
            id,
            at: from,
            outcome: Outcome::default(),
        };
        Ok(match turn.decide() {
            Ok(decision) => decision,
            Err(broken) => turn.fall_back(broken),
        })
    }
}

impl Turn<'_> {
    fn decide(&mut self) -> Result<Decision, Broken> {
        self.identify()?;
        self.count_wan();
        if self.announce.event == AnnounceEvent::Stopped {
            self.add_wan(false);
            self.swarm.let_go(self.cx, (self.id, self.at), self.now);
            return Ok(self.farewell());
        }
        let left_before = self.write_record()?;
        self.add_wan(left_before.is_none());
        let awaited = self.hear_report()?;
        if let Some(left_before) = left_before {
            self.compare(left_before)?;
        }
        self.note_pause()?;
        self.look_at_rates();
        self.plan()?;

        let trial = self.measure_gateway()?;
        let (role, wait) = self.settle_role(trial)?;
        let policy = self.cx.policy;
        let numwant =
            self.announce.numwant.unwrap_or(policy.numwant_default).min(policy.numwant_max) as usize;
        let upstream = match role {
            Role::Gateway => self.choose_upstreams(trial, numwant)?,
            Role::Member => Vec::new(),
        };
        // stock clients get one list
        let want = numwant
            - if self.is_agent() {
                0
            } else {
                upstream.len().min(numwant)
            };
        let view = self.view()?;
        let local =
            neighbours::choose(&view, want).into_iter().map(|(other, peer, _)| narrows_protocol::Peer {
                addr: view.site.peers.address_for(other, peer, view.at).addr(),
                peer_id: Some(peer.id),
            });
        let local = local.collect();
        let settling = gateway::settling(&view).filter(|_| view.is_agent());
        let soon = awaited.or(settling);
        self.reply(Answer {
            role,
            wait,
            soon,
            local,
            upstream,
        })
    }

    /// Chooses a gateway's upstreams and notes them.
    fn choose_upstreams(&mut self, trial: Option<Trial>, numwant: usize) -> Result<Vec<Upstream>, Broken> {
        use crate::rules::upstream;
        let want = if self.is_agent() { usize::MAX } else { numwant };
        let is_stalled = self.report().is_some_and(|report| report.stalled);
        let starves = self.outcome.step > 0 && (self.outcome.escalated || is_stalled);
        let view = self.view()?;
        let gateway = view.gateway().ok_or(Broken::LeaseMissing)?;
        let chosen = upstream::choose(&view, gateway, trial.is_some() || starves, want);
        let (cx, at) = (self.cx, self.at);
        let site = self.site_mut()?;
        if let Some(gateway) = site.gateways.get_mut(&at) {
            gateway.handed_out = chosen.handed_out;
        }
        site.set_upstreams(cx, at, chosen.upstreams.clone());
        Ok(chosen.upstreams)
    }
}
