//! All swarms.
//!
//! A `DashMap`: announces for contents in different shards run in parallel, and a decision is microseconds of
//! work that never waits for I/O, so a plain lock per shard is enough and nothing is queued. What takes longer,
//! the planning of parents on large maps, is done beside the announces: see `planning`.
//!
//! Lock order: shard, then the ledger inside the assignment's code; never two shards. A walk over all swarms
//! (sweep, reload, status) first copies the keys and then locks one swarm at a time, so that no announce
//! waits longer than one swarm takes. The site map is read after the shard is locked: a swarm and the map
//! that its sites are counted by are therefore always of one generation.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dashmap::{DashMap, Entry};
use narrows_assignment::{
    Announce, Context, Counts, Decision, Explanation, Listed, Probed, Refusal, Swarm, SwarmRecord,
    SwarmStatus, Time, Untruths,
};
use narrows_protocol::{Host, InfoHash};
use narrows_topology::{SiteId, SiteMap};
use serde::{Deserialize, Serialize};

use crate::state::begun::{Begun, Full};
use crate::state::conditions::{Conditions, View};
use crate::state::distinct::Distinct;
use crate::state::faults::Faults;
use crate::state::plans::Plans;
use crate::state::targets::Targets;

pub(crate) struct Store {
    pub(super) conditions: Conditions,
    pub(super) swarms: DashMap<InfoHash, Tracked>,
    pub(super) plans: Plans,
    begun: Begun,
    faults: Faults,
    untruths: Mutex<Untruths>,
}

/// A swarm and the generation of the site map that its sites belong to.
pub(super) struct Tracked {
    pub(super) swarm: Swarm,
    generation: u64,
    /// Whether it is among those whose parents are to be planned.
    pub(super) waits_for_plan: bool,
    /// Who began it; not known of those that the operator lists.
    begun_by: Option<Host>,
}

/// Why an announce is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    By(Refusal),
    /// It would begin a content.
    NoRoom(Full),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::By(refusal)
    }
}

/// A swarm as it is kept over a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    swarm: SwarmRecord,
    /// Who began it: the bound for one host holds over a restart, too.
    begun_by: Option<[u8; 16]>,
}

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Swept {
    pub(crate) peers: usize,
    pub(crate) swarms: usize,
    /// How often invariants were found broken since the last sweep.
    pub(crate) broken: u64,
}

impl Store {
    pub(crate) fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            swarms: DashMap::new(),
            plans: Plans::default(),
            begun: Begun::default(),
            faults: Faults::default(),
            untruths: Mutex::default(),
        }
    }

    pub(crate) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub(crate) fn plans(&self) -> &Plans {
        &self.plans
    }

    /// Takes an announce; `then` sees the decision and the map it was made by, after the lock is released.
    /// A refused announce and a `stopped` of an unknown swarm leave nothing behind. `size` is what the operator's
    /// list says; without it, the content is one that any client may begin, if there is room.
    pub(crate) fn announce<R>(
        &self,
        hash: InfoHash,
        size: Option<u64>,
        announce: &Announce<'_>,
        then: impl FnOnce(&SiteMap, Decision) -> R,
    ) -> Result<R, Denied> {
        let mut rng = rand::rng();
        let (view, decision) = match self.swarms.entry(hash) {
            Entry::Occupied(mut entry) => {
                let view = self.conditions.view();
                let tracked = entry.get_mut();
                tracked.follow(&view);
                let decision = tracked.swarm.announce(&view.context(), announce, view.now, &mut rng)?;
                self.ask_for_plan(hash, tracked, &view);
                (view, decision)
            }
            Entry::Vacant(entry) => {
                let view = self.conditions.view();
                let begun_by = size.is_none().then(|| Host::of(announce.addr.ip()));
                // before it is there, so that two that begin at once never have the last place both
                self.begun.begin(begun_by).map_err(Denied::NoRoom)?;
                let mut swarm = new_swarm(hash, size);
                let decision = swarm.announce(&view.context(), announce, view.now, &mut rng);
                if decision.is_ok() && !swarm.is_empty() {
                    let mut tracked = Tracked::new(swarm, begun_by, &view);
                    self.ask_for_plan(hash, &mut tracked, &view);
                    entry.insert(tracked);
                } else {
                    self.begun.end(begun_by);
                }
                (view, decision?)
            }
        };
        Ok(then(view.map(), decision))
    }

    /// Takes what was found when a peer of a swarm was dialled; `None`: there is no such swarm any more.
    pub(crate) fn probed(&self, hash: InfoHash, addr: SocketAddr, reached: bool) -> Option<Probed> {
        let mut tracked = self.swarms.get_mut(&hash)?;
        let view = self.conditions.view();
        tracked.follow(&view);
        let probed = tracked.swarm.probed(&view.context(), addr, reached, view.now);
        self.ask_for_plan(hash, &mut tracked, &view);
        Some(probed)
    }

    /// Counts that a machine said of a peer of a content that it does not answer, and it does; whether it did so again
    /// and again, of whichever contents.
    pub(crate) fn is_untrue_again(&self, hash: InfoHash, ip: IpAddr, now: Time) -> bool {
        let view = self.conditions.view();
        let mut untruths = self.untruths.lock().unwrap_or_else(PoisonError::into_inner);
        untruths.count(&view.context().policy.reach, ip, hash, now)
    }

    /// What of a swarm is worth keeping over a restart.
    pub(crate) fn record(&self, hash: InfoHash) -> Option<Kept> {
        let mut tracked = self.swarms.get_mut(&hash)?;
        let view = self.conditions.view();
        tracked.follow(&view);
        Some(Kept {
            swarm: tracked.swarm.record(&view.context(), view.now),
            begun_by: tracked.begun_by.map(Host::bytes),
        })
    }

    /// Takes over what was kept of a swarm, `away` ago; one that has peers already is left alone. Returns how
    /// many peers came back.
    pub(crate) fn restore(&self, hash: InfoHash, size: Option<u64>, kept: Kept, away: Duration) -> usize {
        let Entry::Vacant(entry) = self.swarms.entry(hash) else {
            return 0;
        };
        let view = self.conditions.view();
        let mut swarm = new_swarm(hash, size);
        let restored = swarm.restore(&view.context(), kept.swarm, away, view.now);
        let begun_by = kept.begun_by.filter(|_| size.is_none()).map(Host::of_bytes);
        self.begun.restore(begun_by);
        let mut tracked = Tracked::new(swarm, begun_by, &view);
        self.ask_for_plan(hash, &mut tracked, &view);
        entry.insert(tracked);
        restored
    }

    pub(crate) fn counts(&self, hash: InfoHash) -> Counts {
        self.swarms.get(&hash).map(|tracked| tracked.swarm.counts()).unwrap_or_default()
    }

    /// Forgets peers that did not come back, and swarms that `keep` does not want: with their being empty or
    /// not.
    pub(crate) fn sweep(&self, keep: impl Fn(&InfoHash, bool) -> bool) -> Swept {
        let mut swept = Swept::default();
        for hash in self.hashes() {
            let Some(mut tracked) = self.swarms.get_mut(&hash) else {
                continue;
            };
            let view = self.conditions.view();
            tracked.follow(&view);
            swept.peers += tracked.swarm.expire(&view.context(), view.now);
            self.ask_for_plan(hash, &mut tracked, &view);
            let broken = tracked.swarm.take_broken();
            drop(tracked);
            for (broken, count) in broken {
                swept.broken += u64::from(count);
                self.faults.seen(&hash, broken, count, view.now);
            }
            // asked again under the lock: a peer may have announced meanwhile
            let gone = self.swarms.remove_if(&hash, |hash, tracked| !keep(hash, tracked.swarm.is_empty()));
            if let Some((_, mut tracked)) = gone {
                tracked.swarm.retire(&self.conditions.view().context());
                self.begun.end(tracked.begun_by);
                swept.swarms += 1;
            }
        }
        swept
    }

    /// Brings every swarm to the site map in force. One that is announced to before its turn follows by
    /// itself.
    pub(crate) fn follow(&self) {
        for hash in self.hashes() {
            if let Some(mut tracked) = self.swarms.get_mut(&hash) {
                let view = self.conditions.view();
                tracked.follow(&view);
                self.ask_for_plan(hash, &mut tracked, &view);
            }
        }
    }

    /// Describes all swarms, one after the other, ordered by hash.
    pub(crate) fn statuses(&self) -> Vec<(InfoHash, SwarmStatus)> {
        self.each(Swarm::status)
    }

    /// The same in short: see [`Swarm::status_in_short`].
    pub(crate) fn statuses_in_short(&self) -> Vec<(InfoHash, SwarmStatus)> {
        self.each(Swarm::status_in_short)
    }

    fn each(&self, describe: fn(&Swarm, &Context<'_>, Time) -> SwarmStatus) -> Vec<(InfoHash, SwarmStatus)> {
        let mut hashes = self.hashes();
        hashes.sort_unstable();
        let status = |hash: InfoHash| Some((hash, self.described(hash, describe)?));
        hashes.into_iter().filter_map(status).collect()
    }

    /// Where agents want their metrics to be read: the same agent once, and not from networks that the map
    /// lacks.
    pub(crate) fn metrics_targets(&self) -> Targets {
        let mut targets = Targets::default();
        for hash in self.hashes() {
            let Some(mut tracked) = self.swarms.get_mut(&hash) else {
                continue;
            };
            let view = self.conditions.view();
            tracked.follow(&view);
            for (site, (id, machine), address) in tracked.swarm.metrics_addresses() {
                if matches!(site, SiteId::Named(_)) {
                    targets.add((id, machine), address, || view.map().name(site).into_owned());
                }
            }
        }
        targets
    }

    /// Describes one swarm.
    pub(crate) fn status(&self, hash: InfoHash) -> Option<SwarmStatus> {
        self.described(hash, Swarm::status)
    }

    fn described(
        &self,
        hash: InfoHash,
        describe: fn(&Swarm, &Context<'_>, Time) -> SwarmStatus,
    ) -> Option<SwarmStatus> {
        let mut tracked = self.swarms.get_mut(&hash)?;
        let view = self.conditions.view();
        tracked.follow(&view);
        Some(describe(&tracked.swarm, &view.context(), view.now))
    }

    /// A page of a swarm's peers at a site: see [`Swarm::roster`].
    pub(crate) fn roster(
        &self,
        hash: InfoHash,
        site: &str,
        filter: &str,
        page: (usize, usize),
    ) -> (usize, Vec<Listed>) {
        let Some(mut tracked) = self.swarms.get_mut(&hash) else {
            return (0, Vec::new());
        };
        let view = self.conditions.view();
        tracked.follow(&view);
        match view.map().site_named(site) {
            Some(site) => tracked.swarm.roster(site, filter, page, view.now),
            None => (0, Vec::new()),
        }
    }

    /// Explains an agent of a swarm; `None`: it is not in it.
    pub(crate) fn explain(&self, hash: InfoHash, agent: &str) -> Option<Explanation> {
        let mut tracked = self.swarms.get_mut(&hash)?;
        let view = self.conditions.view();
        tracked.follow(&view);
        tracked.swarm.explain(&view.context(), agent, view.now)
    }

    /// Ids of a swarm's agents, at most so many.
    pub(crate) fn agent_names(&self, hash: InfoHash, max: usize) -> Vec<String> {
        let tracked = self.swarms.get(&hash);
        tracked.map_or(Vec::new(), |tracked| tracked.swarm.agent_names(max))
    }

    /// How many agents there are in all swarms, about.
    pub(crate) fn agents(&self) -> u64 {
        let mut agents = Distinct::default();
        for hash in self.hashes() {
            if let Some(tracked) = self.swarms.get(&hash) {
                tracked.swarm.agent_numbers().for_each(|number| agents.add(number));
            }
        }
        agents.count()
    }

    pub(crate) fn hashes(&self) -> Vec<InfoHash> {
        self.swarms.iter().map(|entry| *entry.key()).collect()
    }
}

fn new_swarm(hash: InfoHash, size: Option<u64>) -> Swarm {
    match size {
        Some(size) => Swarm::with_size(hash, size),
        None => Swarm::new(hash),
    }
}

impl Tracked {
    fn new(swarm: Swarm, begun_by: Option<Host>, view: &View<'_>) -> Tracked {
        Tracked {
            swarm,
            generation: view.generation(),
            waits_for_plan: false,
            begun_by,
        }
    }

    pub(super) fn follow(&mut self, view: &View<'_>) {
        if self.generation != view.generation() {
            self.swarm.remap(&view.context(), view.now);
            self.generation = view.generation();
        }
    }
}

#[cfg(test)]
mod tests;
