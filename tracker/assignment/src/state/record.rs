//! A swarm as it is kept over a restart of the tracker.
//!
//! What is in a record is hearsay until its owner announces: such peers are handed to others, their leases
//! hold, they expire when they would have, and nothing is held against them for the time in which there was
//! no tracker. Sites are not in it: addresses are located anew, since the site map may be another one.

use std::time::Duration;

use narrows_protocol::{GatewayPreference, PeerId};
use narrows_topology::{Parent, Rate, SiteId};
use serde::{Deserialize, Serialize};

use super::Swarm;
use super::bars::BarRecord;
use super::fetched::TotalsRecord;
use super::peer::{Agent, Class, Peer, Second, Tick};
use super::site::{Gateway, Upstream};
use crate::endpoint::{Endpoint, EndpointRecord};
use crate::hash::{AgentKey, Machine};
use crate::invariant::Broken;
use crate::{Context, Time};

/// One content's peers and leases.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SwarmRecord {
    most_left: u64,
    downloaded: u32,
    peers: Vec<PeerRecord>,
    fetched: Vec<TotalsRecord>,
    /// Who had a lease to no avail.
    barred: Vec<BarRecord>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct PeerRecord {
    at: EndpointRecord,
    peer_id: [u8; 20],
    /// What its machine calls itself; 0: it does not.
    key: u32,
    class: u8,
    left: u64,
    wanted: bool,
    /// Until it is forgotten.
    seconds: u32,
    agent: Option<AgentRecord>,
    lease: Option<LeaseRecord>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct AgentRecord {
    id: String,
    other: Option<EndpointRecord>,
    /// 0 auto, 1 never, 2 prefer.
    preference: u8,
    wan: u64,
    reused: u64,
    metrics: Option<u16>,
    /// Its address tells it from others of its id, as several machines have its key.
    by_address: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct LeaseRecord {
    upstreams: Vec<(EndpointRecord, EndpointRecord)>,
    /// Bytes per second that it was granted; `None`: no limit, or nothing yet.
    rate: Option<u64>,
}

impl SwarmRecord {
    /// How many peers it holds.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }
}

impl Swarm {
    /// What is worth keeping over a restart.
    pub fn record(&self, cx: &Context<'_>, now: Time) -> SwarmRecord {
        let granted = self.granted(cx);
        let mut peers = Vec::new();
        for (_, site) in self.sites.iter() {
            for (class, at, peer) in site.peers.iter() {
                let remaining = peer.expires.time().saturating_sub(now).as_secs();
                let lease = site.gateways.get(&at).map(|gateway| LeaseRecord {
                    upstreams: gateway.upstreams.iter().map(|up| (up.peer.into(), up.addr.into())).collect(),
                    rate: granted.get(&at).and_then(|rate| rate.bytes_per_second()),
                });
                peers.push(PeerRecord {
                    at: at.into(),
                    peer_id: peer.id.0,
                    key: peer.key,
                    class: class.index() as u8,
                    left: peer.left,
                    wanted: peer.wanted,
                    seconds: u32::try_from(remaining).unwrap_or(u32::MAX),
                    agent: peer.agent.as_ref().map(|agent| AgentRecord {
                        id: agent.name.to_string(),
                        other: agent.second.other.map(EndpointRecord::from),
                        preference: match agent.preference {
                            GatewayPreference::Auto => 0,
                            GatewayPreference::Never => 1,
                            GatewayPreference::Prefer => 2,
                        },
                        wan: agent.wan,
                        reused: agent.reused,
                        metrics: agent.metrics.map(std::num::NonZeroU16::get),
                        by_address: matches!(agent.machine, Machine::At(_)),
                    }),
                    lease,
                });
            }
        }
        SwarmRecord {
            most_left: self.most_left,
            downloaded: self.counts.downloaded,
            peers,
            fetched: self.fetched.record(),
            barred: self.sites.iter().flat_map(|(_, site)| site.bars.record(now)).collect(),
        }
    }

    /// Takes a record over into a swarm without peers; `away`: how long ago it was made. Peers whose time was
    /// over by now, and those of no site of the map, are left out. Returns how many came back.
    pub fn restore(&mut self, cx: &Context<'_>, record: SwarmRecord, away: Duration, now: Time) -> usize {
        self.born.get_or_insert(now);
        self.restored = true;
        self.counts.downloaded = record.downloaded;
        self.fetched.restore(&cx.policy.identity, record.fetched, now);
        let mut leases = Vec::new();
        let mut restored = 0;
        for peer in record.peers {
            let at = Endpoint::from(peer.at);
            let remaining = Duration::from_secs(peer.seconds.into()).saturating_sub(away);
            // nothing is kept for longer than its owner could stay away
            let longest = cx.policy.lease(cx.policy.intervals.seeder.max(cx.policy.stock_interval));
            let (Some(id), Some(class)) = (
                cx.map.locate(at.ip()),
                Class::ALL.get(usize::from(peer.class)).copied(),
            ) else {
                continue;
            };
            let known = self.sites.get(&id).is_some_and(|site| site.peers.find(at).is_some());
            if remaining.is_zero() || known {
                continue;
            }
            let agent = peer.agent.map(|agent| {
                let id = AgentKey::of(&agent.id);
                if agent.by_address && peer.key != 0 {
                    self.agents.share(&cx.policy.identity, id, peer.key);
                }
                Box::new(Agent {
                    key: id,
                    machine: self.agents.machine(id, peer.key, at),
                    name: agent.id.as_str().into(),
                    second: Second {
                        other: agent.other.map(Endpoint::from),
                        ..Second::none(Tick::of(now))
                    },
                    since: Tick::of(now),
                    preference: match agent.preference {
                        1 => GatewayPreference::Never,
                        2 => GatewayPreference::Prefer,
                        _ => GatewayPreference::Auto,
                    },
                    wan: agent.wan,
                    reused: agent.reused,
                    metrics: agent.metrics.and_then(std::num::NonZeroU16::new),
                })
            });
            if agent.as_ref().is_some_and(|agent| self.agents.find(agent.key, agent.machine).is_some()) {
                continue;
            }
            let record = Peer {
                agent,
                left: peer.left,
                id: PeerId(peer.peer_id),
                key: peer.key,
                expires: Tick::of(now + remaining.min(longest)),
                judged: Tick::of(now),
                still: 0,
                step: 0,
                wanted: peer.wanted,
            };
            let left = record.left;
            self.insert(cx, (id, at), class, record, now);
            // what crossed links before the restart is not counted after it
            if let Some(site) = self.sites.get_mut(&id) {
                site.lacked = site.lacked.min(left);
            }
            leases.extend(peer.lease.map(|lease| (id, at, lease)));
            restored += 1;
        }
        self.most_left = self.most_left.max(record.most_left);
        for bar in record.barred {
            let site = cx.map.locate(bar.at().ip()).and_then(|id| self.sites.get_mut(&id));
            site.into_iter().for_each(|site| site.bars.restore(&cx.policy.gateways.barred, bar, away, now));
        }
        for (id, at, lease) in leases {
            self.restore_lease(cx, (id, at), lease, now);
        }
        self.replan = true;
        restored
    }

    /// The parent of before the restart, so that it can stay; unless two sites without a seeder fed each
    /// other: a forest has no loops.
    fn keep_parent(&mut self, id: SiteId, parent: SiteId) {
        let mut above = Some(parent);
        while let Some(site) = above {
            if site == id {
                return;
            }
            above = self.forest.get(&site).map(|parent| parent.site);
        }
        let parent = Parent {
            site: parent,
            // planned anew with the next announce
            rate: Rate::ZERO,
        };
        self.forest.entry(id).or_insert(parent);
    }

    fn restore_lease(
        &mut self,
        cx: &Context<'_>,
        (id, at): (SiteId, Endpoint),
        lease: LeaseRecord,
        now: Time,
    ) {
        let upstreams: Vec<Upstream> = lease
            .upstreams
            .iter()
            .filter_map(|(peer, addr)| {
                let peer = Endpoint::from(*peer);
                let site = cx.map.locate(peer.ip())?;
                self.translate(
                    cx,
                    Upstream {
                        site,
                        peer,
                        addr: Endpoint::from(*addr),
                    },
                )
            })
            .filter(|up| up.site != id)
            .collect();
        let Some(site) = self.sites.get_mut(&id) else {
            return self.faults.note(Broken::SiteMissing);
        };
        let full = site.gateways.len() >= cx.map.gateways(id).max(1) as usize;
        let (alone, is_non_sharing) = (site.is_each_alone(), site.is_non_sharing_leecher(at));
        if site.wanting_peer(at).is_none() || (!alone && (is_non_sharing || full)) {
            return;
        }
        let parent = upstreams.first().filter(|_| !is_non_sharing).map(|up| up.site);
        let mut gateway = Gateway::new(now, is_non_sharing);
        gateway.adopted = true;
        site.gateways.insert(at, gateway);
        site.set_upstreams(cx, at, upstreams);
        if let Some(rate) = lease.rate.map(Rate::from_bytes_per_second) {
            site.used_flows(at).for_each(|flow| cx.ledger.note(flow.id, at, rate));
        }
        if let Some(parent) = parent {
            self.keep_parent(id, parent);
        }
    }
}
