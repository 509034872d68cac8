//! A toy tracker: the first leecher of a site is its gateway; a successor when one is lost or silent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::{Assignment, Role};
use narrows_swarm::{Assigned, Report, Time};

use crate::net::Net;

const LEASE: Time = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Entry {
    pub addr: SocketAddr,
    pub site: usize,
    left: u64,
    seen: Time,
}

#[derive(Debug, Default)]
pub struct Tracker {
    pub entries: BTreeMap<usize, Entry>,
    pub gateways: BTreeMap<usize, Vec<usize>>,
    /// Parent site of each site.
    pub parents: BTreeMap<usize, usize>,
    /// Gateways per site.
    pub wanted: usize,
    /// Share of the bottleneck that is assigned.
    pub share: f64,
    pub turn: usize,
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
                seen: now,
            },
        );
        if let Some(lost) = report.lost {
            let dead = self
                .entries
                .iter()
                .find(|(_, e)| e.addr == lost)
                .map(|(id, _)| *id);
            if let Some(dead) = dead.filter(|dead| *dead != agent) {
                self.entries.remove(&dead);
            }
        }
        self.entries.retain(|_, entry| now < entry.seen + LEASE * 2);
        let entries = &self.entries;
        let supplied = |site: usize| entries.values().any(|e| e.site == site && e.left == 0);
        let gateways = self.gateways.entry(site).or_default();
        gateways.retain(|id| {
            entries
                .get(id)
                .is_some_and(|e| e.site == site && e.left > 0 && now < e.seen + LEASE)
        });
        if supplied(site) {
            gateways.clear();
        } else if report.left > 0 && gateways.len() < self.wanted && !gateways.contains(&agent) {
            gateways.push(agent);
        }
        let gateway = gateways.contains(&agent);
        let roster = gateways.iter().map(|id| entries[id].addr).collect();
        let parent = self.parents.get(&site).copied();
        let upstream = parent.filter(|_| gateway).map_or(Vec::new(), |parent| {
            let mut there: Vec<_> = entries.iter().filter(|(_, e)| e.site == parent).collect();
            let fed = self.gateways.get(&parent).cloned().unwrap_or_default();
            there.sort_by_key(|(id, e)| (e.left > 0, !fed.contains(id), e.left, (*id + site) % 5));
            self.turn += usize::from(report.stalled);
            let skip = if report.stalled && there.len() > 2 {
                self.turn % (there.len() - 1)
            } else {
                0
            };
            there
                .into_iter()
                .skip(skip)
                .take(2)
                .map(|(_, e)| e.addr)
                .collect()
        });
        let rate = parent.map_or(0, |parent| {
            (net.rate(parent, site) * self.share / self.wanted as f64) as u64
        });
        let local = entries
            .iter()
            .filter(|(id, e)| **id != agent && e.site == site)
            .map(|(_, e)| e.addr)
            .collect();
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
                ..Assignment::default()
            }),
            interval: Duration::from_secs(30),
            min_interval: Duration::from_secs(2),
            external_ip: Some(addr.ip()),
        }
    }

    pub fn forget(&mut self, agent: usize) {
        self.entries.remove(&agent);
    }
}
