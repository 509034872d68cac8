//! What peers say against others, and what the tracker itself found of those: the one is a claim, the other a
//! fact. Claims are counted by address, since any client may announce any number of ids and ports.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use narrows_protocol::Host;

use super::peer::Tick;
use crate::Time;
use crate::endpoint::Endpoint;
use crate::policy::ReachPolicy;

/// The most accusations that are kept for a site, those of one address against one peer counting once: two
/// are enough to act upon.
pub(crate) const MAX_ACCUSATIONS: usize = 64;

/// A peer's claim that another one of its site does not answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accusation {
    pub(crate) accused: Endpoint,
    pub(crate) by: Endpoint,
    pub(crate) since: Time,
    /// The tracker has reached the accused since.
    pub(crate) refuted: bool,
}

/// The accusations at a site.
#[derive(Debug, Default)]
pub(crate) struct Accusations(Vec<Accusation>);

impl Accusations {
    /// Notes what a peer says. A claim that its address has made before stays as old as it is; one that was
    /// refuted is made anew after `again`.
    pub(crate) fn add(&mut self, accused: Endpoint, by: Endpoint, again: Duration, now: Time) {
        let voice = by.host();
        let new = Accusation {
            accused,
            by,
            since: now,
            refuted: false,
        };
        let mut known = self.0.iter_mut();
        if let Some(known) = known.find(|known| known.accused == accused && known.by.host() == voice) {
            known.by = by;
            if known.refuted && known.since + again <= now {
                *known = new;
            }
            return;
        }
        if self.0.len() >= MAX_ACCUSATIONS {
            self.make_room();
        }
        self.0.push(new);
    }

    /// The address that accuses most gives way first.
    fn make_room(&mut self) {
        let mut by_voice: BTreeMap<Host, usize> = BTreeMap::new();
        for accusation in &self.0 {
            *by_voice.entry(accusation.by.host()).or_default() += 1;
        }
        let most = by_voice.into_iter().max_by_key(|(_, count)| *count).map(|(voice, _)| voice);
        if let Some(oldest) = self.0.iter().position(|accusation| Some(accusation.by.host()) == most) {
            self.0.remove(oldest);
        }
    }

    /// Those against a peer, one for each address.
    pub(crate) fn against(&self, accused: Endpoint) -> impl Iterator<Item = &Accusation> {
        self.0.iter().filter(move |accusation| accusation.accused == accused)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Accusation> {
        self.0.iter()
    }

    /// The tracker has reached a peer: what was said against it was wrong. Returns which peers said so.
    pub(crate) fn refute(&mut self, accused: Endpoint) -> Vec<Endpoint> {
        let against = self.0.iter_mut().filter(|known| known.accused == accused && !known.refuted);
        let refuted = against.map(|known| {
            known.refuted = true;
            known.by
        });
        refuted.collect()
    }

    /// Forgets all that was said against a peer.
    pub(crate) fn drop_against(&mut self, accused: Endpoint) {
        self.0.retain(|accusation| accusation.accused != accused);
    }

    /// Forgets what is older than `age`.
    pub(crate) fn forget(&mut self, age: Duration, now: Time) {
        self.0.retain(|accusation| accusation.since + age > now);
    }
}

/// What the tracker found when it dialled a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) reached: bool,
    pub(crate) at: Time,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    asked: Tick,
    found: Option<Found>,
}

/// What was asked of the tracker, and what it found, by address and port.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    probes: HashMap<Endpoint, Probe, RandomState>,
}

impl Probes {
    /// Notes that a peer is to be dialled; no, if it was a moment ago or too many are.
    pub(crate) fn ask(&mut self, policy: &ReachPolicy, at: Endpoint, now: Time) -> bool {
        let key = at.at_place(0);
        if self.probes.get(&key).is_some_and(|probe| now < probe.asked.time() + policy.probe_again) {
            return false;
        }
        if self.probes.len() >= policy.max_probes {
            self.probes.retain(|_, probe| now < probe.asked.time() + policy.avoided);
            if self.probes.len() >= policy.max_probes {
                return false;
            }
        }
        let asked = Tick::of(now);
        self.probes
            .entry(key)
            .and_modify(|probe| probe.asked = asked)
            .or_insert(Probe { asked, found: None });
        true
    }

    /// Notes what was found; no, if it was not asked for.
    pub(crate) fn note(&mut self, addr: SocketAddr, found: Found) -> bool {
        let probe = self.probes.get_mut(&Endpoint::of(addr));
        probe.map(|probe| probe.found = Some(found)).is_some()
    }

    /// What was last found of a peer.
    pub(crate) fn found(&self, at: Endpoint) -> Option<Found> {
        self.probes.get(&at.at_place(0))?.found
    }
}
