//! A toy tracker: the first leecher of a site is its gateway; a successor when one is lost or silent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::{Assignment, Parent, Role};
use narrows_swarm::{Assigned, Report, Time};

use crate::net::Net;

const LEASE: Time = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Entry {
    pub addr: SocketAddr,
    pub site: usize,
    left: u64,
    able: bool,
    seen: Time,
}

#[derive(Debug, Default)]
pub struct Tracker {
    pub entries: BTreeMap<usize, Entry>,
    pub gateways: BTreeMap<usize, Vec<usize>>,
    /// Parent site of each site.
    pub parents: BTreeMap<usize, usize>,
    /// The parents of sites that have several, with their stripes.
    pub striped: BTreeMap<usize, Vec<(usize, Vec<u8>)>>,
    /// Into how many stripes the pieces are divided.
    pub stripes: u8,
    /// Agents that another reported as gone, and when.
    pub gone: BTreeMap<SocketAddr, Time>,
    /// Gateways per site.
    pub wanted: usize,
    /// Share of the bottleneck that is assigned.
    pub share: f64,
    pub turn: usize,
    /// Agents that do not share: they are handed out to no peer, and are gateways only where no other can be.
    pub non_sharing: BTreeSet<usize>,
    /// Agents that are never gateway.
    pub no_gateways: BTreeSet<usize>,
    /// When the first agent of each site came.
    pub came: BTreeMap<usize, Time>,
}

impl Tracker {
    pub fn announce(
        &mut self,
        agent: usize,
        addr: SocketAddr,
        site: usize,
        report: &Report,
        net: &Net,
        now: Time,
    ) -> Assigned {
        self.entries.insert(
            agent,
            Entry {
                addr,
                site,
                left: report.left,
                able: report.able,
                seen: now,
            },
        );
        if let Some(lost) = report.lost {
            let dead = self.entries.iter().find(|(_, e)| e.addr == lost).map(|(id, _)| *id);
            if let Some(dead) = dead.filter(|dead| *dead != agent) {
                self.entries.remove(&dead);
            }
        }
        self.entries.retain(|_, entry| now < entry.seen + LEASE * 2);
        self.gone.extend(report.gone.iter().map(|addr| (*addr, now)));
        self.gone.retain(|gone, at| now < *at + Duration::from_secs(30) && *gone != addr);
        let entries = &self.entries;
        let non_sharing = &self.non_sharing;
        let sharing = || entries.iter().filter(|(id, _)| !non_sharing.contains(id));
        let supplied = |site: usize| sharing().any(|(_, e)| e.site == site && e.left == 0);
        let alone = !sharing().any(|(_, e)| e.site == site);
        // who shares has a moment to come
        let came = *self.came.entry(site).or_insert(now);
        let waits_for_others = alone && now < came + Duration::from_secs(2);
        let gateways = self.gateways.entry(site).or_default();
        gateways.retain(|id| {
            entries.get(id).is_some_and(|e| e.site == site && e.left > 0 && e.able && now < e.seen + LEASE)
                && (alone || !non_sharing.contains(id))
        });
        if supplied(site) {
            gateways.clear();
        } else if report.left > 0
            && report.able
            && !gateways.contains(&agent)
            && !self.no_gateways.contains(&agent)
        {
            let is_non_sharing = non_sharing.contains(&agent);
            if alone && is_non_sharing && !waits_for_others || !is_non_sharing && gateways.len() < self.wanted
            {
                gateways.push(agent);
            }
        }
        let gateway = gateways.contains(&agent);
        let listed = gateways.iter().filter(|id| !non_sharing.contains(id));
        let roster = listed.map(|id| entries[id].addr).collect();
        self.turn += usize::from(report.stalled);
        let (fed, gone, turn) = (&self.gateways, &self.gone, self.turn);
        let upstreams = |parent: usize| -> Vec<SocketAddr> {
            let mut there: Vec<_> = sharing().filter(|(_, e)| e.site == parent).collect();
            let fed = fed.get(&parent).cloned().unwrap_or_default();
            there.sort_by_key(|(id, e)| {
                let lacks = e.left > 0;
                (
                    gone.contains_key(&e.addr),
                    lacks,
                    !fed.contains(id),
                    e.left,
                    (*id + site) % 5,
                )
            });
            let turns = report.stalled && report.gone.is_empty() && there.len() > 2;
            let skip = if turns { turn % (there.len() - 1) } else { 0 };
            there.into_iter().skip(skip).take(2).map(|(_, e)| e.addr).collect()
        };
        let rate = |parent: usize| (net.rate(parent, site) * self.share / self.wanted as f64) as u64;
        let several: Vec<Parent> = match self.striped.get(&site) {
            Some(parents) if gateway => parents
                .iter()
                .map(|(parent, stripes)| Parent {
                    site: format!("site{parent}"),
                    rate: rate(*parent),
                    paused: false,
                    stripes: stripes.clone(),
                    upstreams: upstreams(*parent),
                })
                .collect(),
            _ => Vec::new(),
        };
        let waits = waits_for_others || several.iter().any(|parent| parent.upstreams.is_empty());
        let parent = self.parents.get(&site).copied();
        let (upstream, rate) = match parent.filter(|_| several.is_empty()) {
            Some(parent) if gateway => (upstreams(parent), rate(parent)),
            Some(parent) => (Vec::new(), rate(parent)),
            None => (
                several.iter().flat_map(|parent| parent.upstreams.clone()).collect(),
                several.iter().map(|parent| parent.rate).sum(),
            ),
        };
        let local =
            sharing().filter(|(id, e)| **id != agent && e.site == site).map(|(_, e)| e.addr).collect();
        Assigned {
            local,
            assignment: Some(Assignment {
                role: if gateway { Role::Gateway } else { Role::Member },
                site: format!("site{site}"),
                gateways: roster,
                lease: if gateway { LEASE.as_secs() as u32 } else { 0 },
                rate,
                paused: false,
                upstream,
                stripes: self.stripes,
                parents: several,
                ..Assignment::default()
            }),
            // a parent without an agent yet will have one soon
            interval: Duration::from_secs(if waits { 1 } else { 30 }),
            min_interval: Duration::from_secs(2),
            external_ip: Some(addr.ip()),
        }
    }

    pub fn forget(&mut self, agent: usize) {
        self.entries.remove(&agent);
    }
}
