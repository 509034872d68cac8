//! The state of one content. It knows no rule: what is decided with it is in `rules/`, and applied by
//! `turn/`.

pub(crate) mod account;
pub(crate) mod accused;
pub(crate) mod agents;
pub(crate) mod bars;
pub(crate) mod clients;
mod crowd;
pub(crate) mod fed;
pub(crate) mod fetched;
pub(crate) mod flows;
pub(crate) mod peer;
pub(crate) mod peers;
pub(crate) mod picture;
mod planning;
mod record;
mod seeder_speed;
pub(crate) mod service;
pub(crate) mod site;
mod sites;
mod spoken_for;
pub(crate) mod stripes;
pub(crate) mod trials;
pub(crate) mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use narrows_protocol::{Host, InfoHash};
use narrows_topology::{Forest, SiteId};

use crate::endpoint::Endpoint;
use crate::invariant::{Broken, Faults};
use crate::{Context, Time};
use accused::Probes;
use agents::{Agents, Place};
use clients::Clients;
use fetched::Fetched;
use peer::{Class, Peer};
use picture::{Known, Planning};
use site::{Site, Supply};
use sites::Sites;
use stripes::Stripes;

pub use record::SwarmRecord;

/// How many peers a swarm has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Seeders.
    pub complete: u32,
    /// All others.
    pub incomplete: u32,
    /// How often the content was completed.
    pub downloaded: u32,
}

impl Counts {
    fn add(&mut self, class: Class, left: u64) {
        *self.of(class, left) += 1;
    }

    pub(crate) fn remove(&mut self, class: Class, left: u64) {
        *self.of(class, left) -= 1;
    }

    fn of(&mut self, class: Class, left: u64) -> &mut u32 {
        if class.is_complete(left) {
            &mut self.complete
        } else {
            &mut self.incomplete
        }
    }
}

/// Everything the tracker knows of one content.
#[derive(Debug)]
pub struct Swarm {
    pub(crate) info_hash: InfoHash,
    /// The content's size, if it is known from the .torrent.
    pub(crate) size: Option<u64>,
    /// The most that a peer ever lacked: the size, as far as known otherwise.
    pub(crate) most_left: u64,
    /// A peer waits and none is known to hold data: all are taken to hold some.
    pub(crate) assume_data: bool,
    /// When the first peer came; a tracker that restarted knows nothing from before.
    pub(crate) born: Option<Time>,
    /// What was before the tracker restarted is known from its snapshot.
    pub(crate) restored: bool,
    /// It is not, and an agent says that something was.
    pub(crate) forgetful: bool,
    pub(crate) sites: Sites,
    /// Where each agent is.
    pub(crate) agents: Agents,
    /// Where each stock client is that announces a key.
    pub(crate) clients: Clients,
    /// What agents reported to have fetched across links.
    pub(crate) fetched: Fetched,
    /// What the tracker found of peers that others accuse.
    pub(crate) probes: Probes,
    pub(crate) forest: Forest,
    /// The sites of it whose parent was chosen for them alone, and no plan knows yet.
    pub(crate) provisional: BTreeSet<SiteId>,
    /// How many sites are supplied.
    pub(crate) supplied: usize,
    /// The site with most bytes, while no site is supplied.
    pub(crate) root: Option<SiteId>,
    /// (child, parent) of parents that had nothing to give.
    pub(crate) barren: BTreeSet<(SiteId, SiteId)>,
    /// When gateways of other sites last had something of a site, by what they say.
    pub(crate) brought: BTreeMap<SiteId, Time>,
    /// (child, parent) where the child's gateway reached no peer, and until when that counts as barren.
    pub(crate) avoided: BTreeMap<(SiteId, SiteId), Time>,
    /// (child, parent) where one gateway alone said so: who, and until when that counts.
    pub(crate) missed: BTreeMap<(SiteId, SiteId), (Host, Time)>,
    pub(crate) stripes: Arc<Stripes>,
    /// The minute of the wall clock in which the links were last looked at.
    pub(crate) minute: i64,
    /// Whether parents are to be planned anew.
    pub(crate) replan: bool,
    pub(crate) planning: Planning,
    /// Roots and waiting sites of the last plan.
    pub(crate) known: Arc<Known>,
    pub(crate) counts: Counts,
    pub(crate) faults: Faults,
}

impl Swarm {
    /// A swarm without peers, of a content whose size is not known.
    pub fn new(info_hash: InfoHash) -> Swarm {
        Swarm {
            info_hash,
            size: None,
            most_left: 0,
            assume_data: false,
            born: None,
            restored: false,
            forgetful: false,
            sites: Sites::default(),
            agents: Agents::default(),
            clients: Clients::default(),
            fetched: Fetched::default(),
            probes: Probes::default(),
            forest: Forest::new(),
            provisional: BTreeSet::new(),
            supplied: 0,
            root: None,
            barren: BTreeSet::new(),
            brought: BTreeMap::new(),
            avoided: BTreeMap::new(),
            missed: BTreeMap::new(),
            stripes: Arc::default(),
            minute: 0,
            replan: false,
            planning: Planning::default(),
            known: Arc::default(),
            counts: Counts::default(),
            faults: Faults::default(),
        }
    }

    /// A swarm without peers, of a content of `size` bytes. Knowing the size, the tracker can tell from the
    /// first announce on who holds data.
    pub fn with_size(info_hash: InfoHash, size: u64) -> Swarm {
        Swarm {
            size: Some(size),
            ..Swarm::new(info_hash)
        }
    }

    /// How many peers there are.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A number of each agent, the same in every swarm that it is in, spread evenly: to count agents over
    /// swarms.
    pub fn agent_numbers(&self) -> impl Iterator<Item = u64> {
        self.agents.numbers()
    }

    /// Whether a broken invariant ends the program: yes in debug builds, which tests are; simulations ask for
    /// it in release builds too.
    pub fn set_strict(&mut self, strict: bool) {
        self.faults.set_strict(strict);
    }

    /// The invariants that broke since this was last asked, and how often each did: to be logged and counted.
    pub fn take_broken(&mut self) -> Vec<(Broken, u32)> {
        self.faults.take()
    }

    /// Counts once more what is kept as a sum: for tests, since a sum that has drifted never comes back.
    ///
    /// # Errors
    /// Which sum differs, and where.
    pub fn recount(&self) -> Result<(), String> {
        let mut counts = Counts {
            downloaded: self.counts.downloaded,
            ..Counts::default()
        };
        let (mut agents, mut clients, mut supplied) = (0, Clients::default(), 0);
        for (id, site) in self.sites.iter() {
            supplied += usize::from(site.supply == Supply::Supplied);
            site.peers.recount().map_err(|problem| format!("{id:?}: {problem}"))?;
            for (class, at, peer) in site.peers.iter() {
                counts.add(class, peer.left);
                clients.insert(peer, at);
                agents += usize::from(peer.agent.is_some());
            }
        }
        let counted = (counts, agents, clients.len(), supplied);
        let kept = (self.counts, self.agents.len(), self.clients.len(), self.supplied);
        if kept != counted {
            return Err(format!("kept {kept:?}, counted {counted:?}"));
        }
        Ok(())
    }

    /// Whether there are no peers.
    pub fn is_empty(&self) -> bool {
        self.counts.complete == 0 && self.counts.incomplete == 0
    }

    /// The content's size, as far as known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size.or((self.most_left > 0).then_some(self.most_left))
    }

    /// Whether the size is known from the .torrent.
    pub(crate) fn knows_size(&self) -> bool {
        self.size.is_some()
    }

    /// Whether a peer that lacks so much holds some of the content.
    pub(crate) fn holds(&self, left: u64) -> bool {
        self.assume_data || self.size().is_some_and(|size| left < size)
    }

    /// Whether a peer of a site holds data that others may fetch.
    pub(crate) fn has_data(&self, site: &Site) -> bool {
        site.sharing
            && (site.peers.count(Class::Seeder) > 0
                || site.peers.best().is_some_and(|(left, _)| self.holds(left)))
    }

    /// Adds a record, or puts one back that was taken out to be changed.
    pub(crate) fn insert(
        &mut self,
        cx: &Context<'_>,
        at: (SiteId, Endpoint),
        class: Class,
        peer: Peer,
        now: Time,
    ) {
        if peer.left != u64::MAX {
            self.most_left = self.most_left.max(peer.left);
        }
        if let Some(agent) = &peer.agent {
            let (site, at) = at;
            let machine = agent.machine;
            self.agents.insert(agent.key, Place { site, at, machine });
        }
        self.clients.insert(&peer, at.1);
        self.counts.add(class, peer.left);
        let new = || Site::new(cx.map, cx.policy, at.0, now);
        let site = self.sites.get_or_insert_with(at.0, new);
        if class == Class::Seeder {
            site.seeder_speed.joined(at.1);
        }
        site.peers.insert(class, at.1, peer);
        self.look_at(at.0);
    }

    /// Forgets a peer, its lease and, with the last peer, its site.
    pub(crate) fn remove(&mut self, cx: &Context<'_>, (id, at): (SiteId, Endpoint)) -> Option<(Class, Peer)> {
        let site = self.sites.get_mut(&id)?;
        let (class, peer) = site.peers.remove(at)?;
        site.release(cx, at);
        site.accusations.drop_against(at);
        if let Some(agent) = &peer.agent {
            self.agents.remove(agent.key, agent.machine, at);
        }
        self.clients.remove(&peer, at);
        self.counts.remove(class, peer.left);
        self.look_at(id);
        self.drop_empty(cx, id);
        Some((class, peer))
    }

    fn drop_empty(&mut self, cx: &Context<'_>, id: SiteId) {
        if let Some(site) = self.sites.get_mut(&id).filter(|site| site.peers.len() == 0) {
            site.drop_flows(cx);
            self.supplied -= usize::from(site.supply == Supply::Supplied);
            self.sites.remove(&id);
            self.forest.remove(&id);
            self.provisional.remove(&id);
            self.brought.remove(&id);
            self.barren.retain(|(child, parent)| *child != id && *parent != id);
            self.avoided.retain(|(child, parent), _| *child != id && *parent != id);
            self.missed.retain(|(child, parent), _| *child != id && *parent != id);
            self.replan = true;
        }
    }

    /// The best-supplied peer of a site came on, or the site has a seeder: it is a parent worth having again.
    pub(crate) fn progressed(&mut self, id: SiteId, now: Time) {
        match self.sites.get_mut(&id) {
            Some(site) => site.progressed = now,
            None => self.faults.note(Broken::SiteMissing),
        }
        if !self.barren.is_empty() {
            self.barren.retain(|(_, parent)| *parent != id);
        }
    }

    /// Plans parents anew when a site joins, leaves, becomes supplied, or has a peer that shares for the
    /// first time or no more.
    pub(crate) fn look_at(&mut self, id: SiteId) {
        let Some(site) = self.sites.get_mut(&id) else {
            return self.faults.note(Broken::SiteMissing);
        };
        let seeders = u32::try_from(site.peers.count(Class::Seeder)).unwrap_or(u32::MAX);
        site.seeder_speed.follow(seeders, site.wanting());
        let (supply, serves) = (site.present_supply(), site.can_serve());
        let changed = site.supply != supply || site.serves != serves;
        self.supplied -= usize::from(site.supply == Supply::Supplied);
        self.supplied += usize::from(supply == Supply::Supplied);
        (site.supply, site.serves) = (supply, serves);
        let nothing_planned = self.root.is_none() && self.forest.is_empty();
        let Some(site) = self.sites.get(&id).filter(|_| !changed) else {
            self.replan = true;
            return;
        };
        if self.root == Some(id) || (nothing_planned && supply != Supply::Supplied) {
            let has_data = self.has_data(site);
            self.replan |= if self.root == Some(id) {
                !has_data
            } else {
                has_data
            };
        }
    }
}
