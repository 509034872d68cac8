//! What a leecher got since its last announce: what rules 2, supply, and 8, nobody starves, make of it.

use narrows_protocol::AnnounceEvent;

use super::Turn;
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::rules::brought::{Brought, brought};
use crate::rules::service::{self, Said};
use crate::rules::starvation::{self, Facts};
use crate::rules::{parents, supply};
use crate::state::peer::Tick;

impl Turn<'_> {
    /// Compares a leecher with what it was at its last announce, when it lacked `left_before`.
    pub(super) fn compare(&mut self, left_before: u64) -> Result<(), Broken> {
        if !self.view()?.class.wants() {
            return Ok(());
        }
        // what lies before a start says nothing of its neighbours, and stock clients take their time to begin
        if self.is_agent() && self.announce.event != AnnounceEvent::Started {
            self.measure_seeders(left_before)?;
        }
        self.hear_of_service(left_before)?;
        self.judge(left_before)
    }

    /// What the peer got, or did not, says what its site's gateways brought.
    fn hear_of_service(&mut self, left_before: u64) -> Result<(), Broken> {
        if self.announce.event == AnnounceEvent::Started {
            return Ok(());
        }
        let view = self.view()?;
        let before = view.peer.judged.time();
        let one_address = service::is_one_address(view.site, self.at);
        let said = |at: &Endpoint| {
            let brought = brought(&view, self.report(), (*at, one_address), left_before);
            (service::said(&view, (*at, brought), left_before, before), brought)
        };
        let said: Vec<(Said, Option<Brought>)> = view.site.gateways.keys().map(said).collect();
        let suspect = view.site.suspect.filter(|suspect| self.now < suspect.until);
        let dispensable =
            suspect.filter(|suspect| service::is_dispensable(&view, *suspect, left_before, before));
        let (now, by) = (self.now, self.at);
        let site = self.site_mut()?;
        site.suspect = suspect;
        for (gateway, (said, brought)) in site.gateways.values_mut().zip(said) {
            match brought {
                Some(Brought::Of { total, growth, .. }) => gateway.account.note(by, Some(total), growth),
                Some(Brought::Unattributed(gained)) => gateway.account.note(by, None, gained),
                Some(Brought::OfOthers) | None => {}
            }
            match said {
                Said::Nothing => {}
                Said::Served => gateway.service.serves(now),
                Said::Moved => gateway.service.doubt = None,
                Said::Still { since, excused } => gateway.service.is_doubted(by, one_address, since, excused),
                Said::Outdone => gateway.service.is_outdone(),
            }
        }
        match dispensable {
            Some(suspect) => self.settle_suspicion(suspect),
            None => Ok(()),
        }
    }

    /// Measures what a leecher got from its site, and makes the site fetch across its link if that would
    /// bring much more.
    fn measure_seeders(&mut self, left_before: u64) -> Result<(), Broken> {
        let view = self.view()?;
        let Some(rate) = supply::measure(&view, view.peer.judged, left_before) else {
            return Ok(());
        };
        let policy = self.cx.policy;
        let (memory, now) = (policy.lease(policy.intervals.leecher), self.now);
        self.site_mut()?.seeder_speed.measure(rate, memory, now);
        if supply::is_beaten(&self.view()?) {
            self.site_mut()?.seeder_speed.condemn();
            self.swarm.look_at(self.id);
        }
        Ok(())
    }

    fn judge(&mut self, left_before: u64) -> Result<(), Broken> {
        let (at, now, tick, policy) = (self.at, self.now, Tick::of(self.now), self.cx.policy);
        let wan = self.report().map_or(0, |report| report.wan);
        let view = self.view()?;
        let peer = view.peer;
        let alone = view.site.is_each_alone();
        let parent = view.swarm.forest.get(&view.id()).map(|parent| parent.site);
        // of use to a gateway alone that has gone past its parent
        let is_past = view.gateway().is_some_and(|gateway| gateway.from_root && gateway.doubts_parent);
        let proven =
            parent.filter(|_| is_past).and_then(|parent| Some((parent, parents::proven(&view, parent)?)));
        let across = peer.agent.as_ref().map_or(0, |agent| wan.saturating_sub(agent.wan));
        let has_across = across > 0 || peer.agent.is_none();
        let stalled = self.report().is_some_and(|report| report.stalled);
        let judged = starvation::judge(
            &policy.starvation,
            Facts {
                step: peer.step,
                still: peer.still,
                left_before,
                left: peer.left,
                fetched_across: across,
                is_due: tick.time() >= peer.judged.time() + policy.patience(),
                stalled,
                is_past_neighbours: stalled && starvation::is_past_neighbours(&view),
                is_excused: starvation::is_excused(&view),
                is_extra: view.gateway().is_some_and(|gateway| gateway.extra && !alone),
            },
        );
        self.outcome.step = judged.step;
        self.outcome.escalated = judged.escalated;

        let site = self.site_mut()?;
        let peer = site.peers.find_mut(at).ok_or(Broken::PeerMissing)?;
        let left = peer.left;
        let step_before = std::mem::replace(&mut peer.step, judged.step);
        peer.still = judged.still;
        if judged.judged {
            peer.judged = tick;
        }
        if let Some(agent) = peer.agent.as_mut().filter(|_| peer.left < left_before) {
            agent.wan = wan;
        }
        site.peers.climbed(step_before, judged.step);
        if let Some(gateway) = site.gateways.get_mut(&at) {
            let starvation = &policy.starvation;
            let is_top = judged.step == starvation.top;
            if judged.escalated {
                let until = now + starvation.useless;
                site.fed.had_nothing_of(gateway.upstreams.iter().map(|up| up.peer), until);
            } else if has_across && left < left_before {
                gateway.upstreams.iter().for_each(|up| site.fed.had_something_of(up.peer));
            }
            let mut source = None;
            if let Some(parent) = parent {
                if !gateway.from_root && has_across && left < left_before {
                    site.fed.brings(parent);
                    source = Some(parent);
                }
                if is_top && !gateway.from_root {
                    gateway.doubts_parent = site.fed.leaves(parent, now, starvation.root_remembered);
                }
            }
            if proven.is_some_and(|(parent, at)| site.fed.may_return(parent, at)) {
                (gateway.doubts_parent, gateway.root_until) = (false, now);
            }
            if gateway.from_root && gateway.doubts_parent && left < left_before {
                gateway.root_until = now + starvation.root_lasts;
            }
            let goes_on = judged.step > 0 || now < gateway.root_until;
            gateway.from_root = is_top || (gateway.from_root && goes_on);
            if let Some(source) = source {
                self.swarm.brought.insert(source, now);
            }
            for parent in parents::barren(&self.view()?) {
                self.swarm.replan |= self.swarm.barren.insert((self.id, parent));
            }
        }
        if starvation::assumes_data(&self.view()?) {
            self.swarm.assume_data = true;
            self.swarm.replan = true;
        }
        Ok(())
    }
}
