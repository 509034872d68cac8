//! An announce, from the record to the reply.

use std::num::NonZeroU16;

use narrows_protocol::AnnounceEvent;
use narrows_topology::SiteId;
use rand::Rng;

use super::reply::{Told, farewell};
use crate::endpoint::Endpoint;
use crate::hash::AgentKey;
use crate::rules::gateway::Seat;
use crate::rules::intervals::expiry;
use crate::rules::trickle::Trial;
use crate::state::Swarm;
use crate::state::clients;
use crate::state::peer::{Agent, Class, Peer, Second, Tick};
use crate::state::site::Standing;
use crate::{Announce, Context, Decision, Outcome, Refusal, Time};

impl Swarm {
    /// Takes an announce and says what the peer is told. `now` never runs backwards.
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
        let id = cx.map.locate(from.ip()).ok_or(Refusal::UnmappedAddress)?;
        let mut outcome = Outcome::default();
        self.born.get_or_insert(now);
        let at = self.identify(cx, announce, id, from, now, &mut outcome);
        if announce.event == AnnounceEvent::Stopped {
            self.count_wan(cx, announce, (id, at), &mut outcome);
            self.add_wan(id, None, &outcome);
            self.remove(cx, (id, at));
            return Ok(farewell(self, cx, id, rng, outcome));
        }
        self.count_wan(cx, announce, (id, at), &mut outcome);
        let left_before = self.update(cx, announce, (id, at), now, &mut outcome);
        self.add_wan(id, left_before.is_none().then_some(announce.left), &outcome);

        self.avoided.retain(|_, until| *until > now);
        let mut soon = false;
        if let Some(site) = self.sites.get_mut(&id) {
            site.gone.retain(|report| report.peer != at);
        }
        if let Some(report) = announce.agent {
            self.forgetful |= report.restarted && !self.restored && self.is_young(cx, now);
            soon |= self.note_gone(cx, (id, at), &report.gone, now, &mut outcome);
            let lost = report.lost.or_else(|| self.still_lost(id, at).filter(|_| report.gateway.is_none()));
            if let Some(lost) = lost {
                soon |= self.lose(cx, id, at, lost, now, &mut outcome);
            } else if let Some(gateway) = report.gateway {
                self.expect(cx, id, gateway, now);
            }
        }
        let wants = self.sites.get(&id).is_some_and(|site| site.wanting(at).is_some());
        if let (Some(left_before), true) = (left_before, wants) {
            let judged = self.sites.get(&id).and_then(|site| site.peers.find(at));
            // what lies before a start says nothing of its neighbours, and stock clients take their time to
            // begin
            let tells = announce.agent.is_some() && announce.event != AnnounceEvent::Started;
            if let Some((_, peer)) = judged.filter(|_| tells) {
                let before = (peer.judged, left_before);
                self.measure_supply(cx, (id, at), before, now);
            }
            self.judge(cx, (id, at), left_before, announce.agent, now, &mut outcome);
        }
        self.note_pause(cx, id, at);
        self.look_at_rates(cx);
        outcome.planned = self.plan(cx, now);

        let report = announce.agent;
        let trial = report.and_then(|report| self.measure_gateway(cx, (id, at), report, now));
        let seat = match trial == Some(Trial::Gateway) && self.displace(cx, (id, at), now) {
            true => {
                outcome.revoked = true;
                Seat::Member
            }
            false => self.seat(cx, id, at, report, now, &mut outcome),
        };
        let numwant =
            announce.numwant.unwrap_or(cx.policy.numwant_default).min(cx.policy.numwant_max) as usize;
        let is_stock = announce.agent.is_none();
        let upstream = if seat == Seat::Gateway {
            let want = if is_stock { numwant } else { usize::MAX };
            let stalled = announce.agent.is_some_and(|report| report.stalled);
            let rotate = trial.is_some() || outcome.step > 0 && (outcome.escalated || stalled);
            self.choose_upstreams(cx, id, at, rotate, want, now)
        } else {
            Vec::new()
        };
        // stock clients get one list
        let want = numwant - if is_stock { upstream.len().min(numwant) } else { 0 };
        let local = self.neighbours(cx, id, at, want, now);
        let settling = if is_stock {
            None
        } else {
            self.settling(cx, id, at, now)
        };
        let soon = soon.then_some(cx.policy.failover / 2).or(settling);
        let told = Told {
            seat,
            is_agent: !is_stock,
            soon,
            local,
            upstream,
        };
        Ok(self.reply(cx, (id, at), told, now, rng, outcome))
    }

    /// Writes the record. Returns what the peer lacked before, if it was known.
    fn update(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        (id, at): (SiteId, Endpoint),
        now: Time,
        outcome: &mut Outcome,
    ) -> Option<u64> {
        let class = Class::of(announce);
        let complete = class.is_complete(announce.left);
        // a claim: nobody can have had more than all of it
        let most = self.size().unwrap_or(MAX_SIZE);
        let reused = announce.agent.map_or(0, |report| report.reused.min(most));
        let before = self.sites.get(&id).and_then(|site| site.peers.find(at));
        if before.is_some_and(|(before, _)| before.shares() != class.shares()) {
            // a lease is held for others, or for oneself alone
            self.release(cx, id, at);
        }
        let waited = self.sites.get(&id).is_some_and(|site| site.standing == Standing::Waiting);
        let site = self.sites.get_mut(&id);
        let gateway = site.as_ref().is_some_and(|site| site.gateways.contains_key(&at));
        let expires = expiry(cx.policy, class, gateway, announce.agent.is_none(), now);
        let best_before = site.as_ref().and_then(|site| site.peers.best()).map(|(left, _)| left);
        let known =
            site.as_ref().and_then(|site| site.peers.find(at)).map(|(class, peer)| (class, peer.left));
        let was_complete = known.is_some_and(|(before, left)| before.is_complete(left));
        outcome.completed = complete && announce.event == AnnounceEvent::Completed && !was_complete;
        self.counts.downloaded += u32::from(outcome.completed);

        match (known, site) {
            (Some((before, left)), Some(site)) if before == class && was_complete == complete => {
                // a new session of a gateway
                if let Some(gateway) =
                    site.gateways.get_mut(&at).filter(|_| announce.event == AnnounceEvent::Started)
                {
                    gateway.since = now;
                }
                if let Some(peer) = site.peers.find_mut(at) {
                    let renamed = peer.agent.is_none() && !clients::is_written(peer, announce);
                    if renamed {
                        self.clients.remove(peer, at);
                    }
                    write(peer, announce, expires);
                    if renamed {
                        self.clients.insert(peer, at);
                    }
                }
                site.peers.restate(class, at, left, announce.left);
                site.peers.reuses(at, reused);
                if announce.left != u64::MAX {
                    self.most_left = self.most_left.max(announce.left);
                }
                self.look_at(id);
            }
            (Some(_), Some(site)) => {
                // the record is taken out by hand, so that a site of one peer is not dropped meanwhile
                let second = site.peers.paired(at);
                if let Some((before, mut peer)) = site.peers.remove(at) {
                    self.counts.remove(before, peer.left);
                    self.clients.remove(&peer, at);
                    write(&mut peer, announce, expires);
                    (peer.still, peer.step) = (0, 0);
                    peer.wanted |= class.wants();
                    if let Some(agent) = &mut peer.agent {
                        agent.reused = reused;
                    }
                    self.insert(cx, (id, at), class, peer, now);
                    if let (Some(second), Some(site)) = (second, self.sites.get_mut(&id)) {
                        site.peers.pair(at, second);
                    }
                }
            }
            (_, _) => {
                let agent = announce.agent.map(|report| {
                    Box::new(Agent {
                        key: AgentKey::of(&report.agent),
                        name: report.agent.as_str().into(),
                        second: Second::none(Tick::of(now)),
                        preference: report.preference,
                        wan: report.wan,
                        reused,
                        metrics: report.metrics.and_then(NonZeroU16::new),
                    })
                });
                let peer = Peer {
                    agent,
                    left: announce.left,
                    id: announce.peer_id,
                    key: self.machine(announce, Endpoint::of(announce.addr)),
                    expires,
                    judged: Tick::of(now),
                    still: 0,
                    step: 0,
                    // it fetched this content once, and is back; older agents' totals say it of some
                    wanted: class.wants()
                        || announce
                            .agent
                            .is_some_and(|report| report.wanted || report.wan > 0 || report.reused > 0),
                };
                self.insert(cx, (id, at), class, peer, now);
            }
        }
        let site = self.sites.get(&id)?;
        outcome.newly_waiting = !waited && site.standing == Standing::Waiting;
        if site.peers.best().map(|(left, _)| left) < best_before || class == Class::Seeder {
            self.came_on(id, now);
        }
        known.map(|(_, left)| left)
    }

    /// Bytes across links since the agent's last report, by the sites they came from.
    fn count_wan(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        at: (SiteId, Endpoint),
        outcome: &mut Outcome,
    ) {
        let Some(report) = announce.agent else {
            return;
        };
        let machine = self.machine(announce, Endpoint::of(announce.addr));
        let news = self.fetched.news(report, machine, announce.event, |name| cx.map.site_named(name));
        let known: u64 = news.from.iter().map(|(_, bytes)| bytes).sum();
        (outcome.wan_bytes, outcome.wan_from) = (news.bytes, news.from);
        if known < news.bytes
            && let Some(from) = self.likely_source(at)
        {
            outcome.wan_from.push((from, news.bytes - known));
        }
    }

    /// `newcomer`: what a peer lacks that was not known before.
    fn add_wan(&mut self, id: SiteId, newcomer: Option<u64>, outcome: &Outcome) {
        if let Some(site) = self.sites.get_mut(&id) {
            site.wan += outcome.wan_bytes;
            // whatever it has by now, it found at home; what comes later may have crossed a link already, as
            // its gateway has yet to report
            if let Some(left) = newcomer.filter(|_| site.wan == 0) {
                site.lacked = site.lacked.min(left);
            }
        }
    }

    /// Where the bytes of an agent come from that does not say.
    fn likely_source(&self, (id, at): (SiteId, Endpoint)) -> Option<SiteId> {
        let upstream =
            self.sites.get(&id).and_then(|site| site.gateways.get(&at)?.upstreams.first().map(|up| up.site));
        upstream.or_else(|| self.forest.get(&id).map(|parent| parent.site))
    }
}

/// Of a content whose size is not known, no more than this is believed to have been there before, in bytes.
const MAX_SIZE: u64 = 1 << 50;

/// What each announce may change in a record.
fn write(peer: &mut Peer, announce: &Announce<'_>, expires: Tick) {
    peer.left = announce.left;
    peer.id = announce.peer_id;
    peer.expires = expires;
    if announce.agent.is_none() {
        peer.key = announce.key.unwrap_or(0);
    }
    if let (Some(agent), Some(report)) = (&mut peer.agent, announce.agent) {
        agent.preference = report.preference;
        agent.metrics = report.metrics.and_then(NonZeroU16::new);
    }
}
