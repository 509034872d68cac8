//! The record of the announcing peer, and the bytes that it reports.

use std::num::NonZeroU16;

use narrows_protocol::AnnounceEvent;
use narrows_topology::SiteId;

use super::Turn;
use crate::Announce;
use crate::hash::AgentKey;
use crate::invariant::Broken;
use crate::rules::intervals::expiry;
use crate::rules::possible;
use crate::state::clients;
use crate::state::peer::{Agent, Class, Peer, Second, Tick};
use crate::state::site::Supply;

impl Turn<'_> {
    /// Writes the record. Returns what the peer lacked before, if it was known.
    pub(super) fn write_record(&mut self) -> Result<Option<u64>, Broken> {
        let (id, at, cx, announce) = (self.id, self.at, self.cx, self.announce);
        let class = Class::of(announce);
        let site = self.swarm.sites.get_mut(&id);
        let known =
            site.as_ref().and_then(|site| site.peers.find(at)).map(|(class, peer)| (class, peer.left));
        let (mut was_waiting, mut best_before, mut is_gateway) = (false, None, false);
        if let Some(site) = site {
            if known.is_some_and(|(before, _)| before.shares() != class.shares()) {
                // a lease is held for others, or for oneself alone
                site.release(cx, at);
            }
            was_waiting = site.supply == Supply::Waiting;
            best_before = site.peers.best().map(|(left, _)| left);
            is_gateway = site.gateways.contains_key(&at);
        }
        let expires = expiry(cx.policy, class, is_gateway, announce.agent.is_none(), self.now);
        let is_complete = class.is_complete(announce.left);
        let was_complete = known.is_some_and(|(before, left)| before.is_complete(left));
        self.outcome.completed = is_complete && announce.event == AnnounceEvent::Completed && !was_complete;
        let completed = u32::from(self.outcome.completed);
        self.swarm.counts.downloaded = self.swarm.counts.downloaded.saturating_add(completed);
        // a claim: no peer can have had more than all of it
        let most = self.swarm.size().unwrap_or(cx.policy.identity.max_reused);
        let reused = announce.agent.map_or(0, |report| report.reused.min(most));

        match known {
            Some((before, left)) if before == class && was_complete == is_complete => {
                self.overwrite(class, left, expires, reused)?;
            }
            Some(_) => self.reclassify(class, expires, reused)?,
            None => self.admit(class, expires, reused),
        }
        let site = self.site()?;
        let has_progressed = site.peers.best().map(|(left, _)| left) < best_before || class == Class::Seeder;
        self.outcome.newly_waiting = !was_waiting && site.supply == Supply::Waiting;
        if has_progressed {
            self.swarm.progressed(id, self.now);
        }
        Ok(known.map(|(_, left)| left))
    }

    /// The peer is what it was; `left_before` is what it lacked.
    fn overwrite(
        &mut self,
        class: Class,
        left_before: u64,
        expires: Tick,
        reused: u64,
    ) -> Result<(), Broken> {
        let (at, now, announce) = (self.at, self.now, self.announce);
        let site = self.swarm.sites.get_mut(&self.id).ok_or(Broken::SiteMissing)?;
        if let Some(gateway) = site.gateways.get_mut(&at)
            && announce.event == AnnounceEvent::Started
        {
            // a new session of a gateway
            gateway.since = now;
        }
        let peer = site.peers.find_mut(at).ok_or(Broken::PeerMissing)?;
        let is_renamed = peer.agent.is_none() && !clients::is_written(peer, announce);
        if is_renamed {
            self.swarm.clients.remove(peer, at);
        }
        write(peer, announce, expires);
        if is_renamed {
            self.swarm.clients.insert(peer, at);
        }
        site.peers.restate(class, at, left_before, announce.left);
        site.peers.reuses(at, reused);
        if announce.left != u64::MAX {
            self.swarm.most_left = self.swarm.most_left.max(announce.left);
        }
        self.swarm.look_at(self.id);
        Ok(())
    }

    /// The peer was something else. Its record is taken out by hand, so that a site of one peer is not
    /// dropped meanwhile.
    fn reclassify(&mut self, class: Class, expires: Tick, reused: u64) -> Result<(), Broken> {
        let (at, announce) = (self.at, self.announce);
        let site = self.site_mut()?;
        let second = site.peers.paired(at);
        let (before, mut peer) = site.peers.remove(at).ok_or(Broken::PeerMissing)?;
        self.swarm.counts.remove(before, peer.left);
        self.swarm.clients.remove(&peer, at);
        write(&mut peer, announce, expires);
        (peer.still, peer.step) = (0, 0);
        peer.wanted |= class.wants();
        if let Some(agent) = &mut peer.agent {
            agent.reused = reused;
        }
        self.swarm.insert(self.cx, (self.id, at), class, peer, self.now);
        if let Some(second) = second {
            self.site_mut()?.peers.pair(at, second);
        }
        Ok(())
    }

    /// The peer is new here.
    fn admit(&mut self, class: Class, expires: Tick, reused: u64) {
        let (now, announce) = (self.now, self.announce);
        let agent = announce.agent.map(|report| {
            Box::new(Agent {
                key: AgentKey::of(&report.agent),
                machine: self.machine(AgentKey::of(&report.agent)),
                name: report.agent.as_str().into(),
                second: Second::none(Tick::of(now)),
                since: Tick::of(now),
                preference: report.preference,
                wan: report.wan,
                reused,
                metrics: report.metrics.and_then(NonZeroU16::new),
            })
        });
        // it fetched this content once, and is back; older agents' totals say it of some
        let is_back =
            announce.agent.is_some_and(|report| report.wanted || report.wan > 0 || report.reused > 0);
        let peer = Peer {
            agent,
            left: announce.left,
            id: announce.peer_id,
            key: announce.key.unwrap_or(0),
            expires,
            judged: Tick::of(now),
            still: 0,
            step: 0,
            wanted: class.wants() || is_back,
        };
        self.swarm.insert(self.cx, (self.id, self.at), class, peer, now);
    }

    /// Bytes across links since the agent's last report, by the sites they came from, as far as they can have
    /// crossed.
    pub(super) fn count_wan(&mut self) {
        let Some(report) = self.report() else {
            return;
        };
        let (machine, map) = (self.machine(AgentKey::of(&report.agent)), self.cx.map);
        let unheard = self.swarm.fetched.take(
            &self.cx.policy.identity,
            report,
            (machine, self.from.host()),
            (self.announce.event, self.now),
            |name| map.site_named(name),
        );
        if unheard.bytes == 0 {
            return;
        }
        let known: u64 = unheard.from.iter().map(|(_, bytes)| bytes).sum();
        let (since, mut from) = (unheard.since, unheard.from);
        if known < unheard.bytes
            && let Some(likely) = self.likely_source()
        {
            from.push((likely, unheard.bytes - known));
        }
        let sources: Vec<SiteId> = from.iter().map(|(site, _)| *site).collect();
        let rate = self.cx.fastest(&sources, self.id);
        let most = possible::since(&self.cx.policy.totals, self.swarm.size(), rate, since, self.now);
        self.outcome.impossible = unheard.bytes > most;
        (self.outcome.wan_bytes, self.outcome.wan_from) = (unheard.bytes, from);
        self.outcome.book_at_most(most);
        self.outcome.book_at_most(self.room_for(rate));
    }

    /// What of all that a site's agents say they fetched can have crossed its links by now, and was not booked
    /// yet.
    fn room_for(&self, rate: u64) -> u64 {
        let (policy, now, size) = (&self.cx.policy.totals, self.now, self.swarm.size());
        let site = self.swarm.sites.get(&self.id);
        let since = site.map_or(now, |site| site.since);
        let booked = site.map_or(0, |site| site.wan);
        possible::in_all(policy, size, rate, since, now).saturating_sub(booked)
    }

    /// Adds them to the site's.
    pub(super) fn add_wan(&mut self, is_newcomer: bool) {
        let left = self.announce.left;
        match self.swarm.sites.get_mut(&self.id) {
            Some(site) => {
                site.wan = site.wan.saturating_add(self.outcome.wan_bytes);
                // whatever a newcomer has by now, it found at home; what comes later may have crossed a link
                // already, as its gateway has yet to report
                if is_newcomer && site.wan == 0 {
                    site.lacked = site.lacked.min(left);
                }
            }
            // of a site without a peer nothing is kept, so that nothing bounds what is said of it
            None => self.outcome.book_at_most(0),
        }
    }

    /// Where the bytes of an agent come from that does not say.
    fn likely_source(&self) -> Option<SiteId> {
        let site = self.swarm.sites.get(&self.id);
        let gateway = site.and_then(|site| site.gateways.get(&self.at));
        let upstream = gateway.and_then(|gateway| gateway.upstreams.first()).map(|up| up.site);
        upstream.or_else(|| self.swarm.forest.get(&self.id).map(|parent| parent.site))
    }
}

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
