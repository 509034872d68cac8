//! What plain BitTorrent and plain downloads would do to the links.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{LAN, Rollout, START, WIRE, after};
use crate::forest::room::Room;
use crate::{Hop, LinkId, Load, Rate, SiteId, SiteMap};

/// An estimate of another way of distributing.
#[derive(Clone, PartialEq, Debug)]
pub struct Other {
    /// Wire bytes that clients get from other sites.
    pub wan: f64,
    /// Wire bytes over each hop.
    pub hops: BTreeMap<Hop, f64>,
    /// Seconds until the busiest hop has carried its bytes, which is the least time it can take; `None`:
    /// never.
    pub seconds: Option<f64>,
    /// That hop; `None` if nothing crosses a limited link.
    pub busiest: Option<Hop>,
}

/// Peers that choose each other at random, wherever they are: each client gets from each other peer an equal
/// part, so `F x sum of n_v x (1 - (n_v - 1 + seeds_v) / (N + seeds - 1))` comes from other sites
/// (notes/assignment.md, 2.2).
pub(super) fn torrent(map: &SiteMap, rollout: &Rollout) -> Other {
    let sites = rollout.sites();
    let of = |peers: &BTreeMap<SiteId, u32>, site: SiteId| f64::from(peers.get(&site).copied().unwrap_or(0));
    let peers = |site: SiteId| of(&rollout.seeds, site) + of(&rollout.clients, site);
    let others = sites.iter().map(|site| peers(*site)).sum::<f64>() - 1.0;
    let mut pairs = Vec::new();
    for (to, clients) in &rollout.clients {
        for from in sites.iter().filter(|from| *from != to && others > 0.0) {
            pairs.push((*from, *to, f64::from(*clients) * peers(*from) / others));
        }
    }
    estimate(map, rollout, sites, pairs)
}

/// Each client downloads from the seeders' site that it has the widest path from.
pub(super) fn unicast(map: &SiteMap, rollout: &Rollout) -> Other {
    let sites = rollout.sites();
    let room = Room::new(map, rollout.at, sites.clone(), &Load::default());
    let mut pairs = Vec::new();
    for (to, clients) in rollout.clients.iter().filter(|(site, _)| !rollout.seeds.contains_key(site)) {
        let speed = |from: &SiteId| {
            let (rate, hops) = room.speed(room.index(*from)?, room.index(*to)?)?;
            Some((rate, std::cmp::Reverse(hops), std::cmp::Reverse(*from)))
        };
        if let Some((_, _, from)) = rollout.seeds.keys().filter_map(speed).max() {
            pairs.push((from.0, *to, f64::from(*clients)));
        }
    }
    estimate(map, rollout, sites, pairs)
}

/// The estimate for copies of the content that go from site to site.
fn estimate(
    map: &SiteMap,
    rollout: &Rollout,
    sites: BTreeSet<SiteId>,
    pairs: Vec<(SiteId, SiteId, f64)>,
) -> Other {
    let room = Room::new(map, rollout.at, sites, &Load::default());
    let copy = rollout.size as f64 * WIRE;
    let mut sent = vec![0.0; room.hops().count()];
    let mut wan = 0.0;
    for (from, to, copies) in pairs {
        let (Some(from), Some(to)) = (room.index(from), room.index(to)) else {
            continue;
        };
        for hop in room.path(from, to).into_iter().flatten() {
            sent[hop] += copies * copy;
        }
        wan += copies * copy;
    }
    let attached = room.sites.iter().filter_map(|site| match site {
        SiteId::Attached(net) => Some(LinkId::Attached(*net)),
        SiteId::Named(_) => None,
    });
    let names =
        map.links().chain(attached).flat_map(|link| [false, true].map(|forward| Hop { link, forward }));
    let hops: BTreeMap<Hop, f64> = names.zip(sent).filter(|(_, bytes)| *bytes > 0.0).collect();
    let least = Some(START + copy / LAN);
    let mut seconds = least;
    let mut busiest = None;
    for (hop, time) in hops.iter().map(|(hop, bytes)| (*hop, carry(map, rollout.at, hop, *bytes))) {
        if seconds.is_some_and(|most| time.is_none_or(|time| START + time > most)) {
            seconds = time.map(|time| START + time);
            busiest = Some(hop);
        }
    }
    Other {
        wan,
        hops,
        seconds,
        busiest,
    }
}

/// Seconds until a hop has carried so many bytes, through its schedule; `None`: it never does.
fn carry(map: &SiteMap, at: Timestamp, hop: &Hop, bytes: f64) -> Option<f64> {
    let (mut now, mut left) = (0.0, bytes);
    let mut instant = at;
    let mut idle = 0u32;
    loop {
        let rate = map.rate(*hop, instant).as_f64();
        if rate.is_infinite() {
            return Some(now);
        }
        let change = map.next_change(instant);
        let until = change.map_or(f64::INFINITY, |change| {
            change.duration_since(instant).as_secs_f64()
        });
        if rate * until >= left {
            return Some(now + left / rate);
        }
        idle = if map.rate(*hop, instant) == Rate::ZERO {
            idle + 1
        } else {
            0
        };
        // a week of a schedule has no more changes than this, even if every line has hours of its own
        if idle > 20_000 {
            return None;
        }
        left -= rate * until;
        now += until;
        instant = after(at, now)?.max(change?);
    }
}
