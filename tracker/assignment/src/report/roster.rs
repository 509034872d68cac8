//! The peers of a site, page by page.

use std::net::SocketAddr;

use narrows_topology::SiteId;
use serde::Serialize;

use crate::state::peer::Class;
use crate::{Swarm, Time};

/// A peer in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Listed {
    /// The agent's id; `None`: a stock client.
    pub id: Option<String>,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// `gateway` or `member`.
    pub role: &'static str,
    /// Why it is what it is.
    pub because: String,
    /// What it has, 0.0 to 1.0; `None`: not known.
    pub progress: Option<f64>,
    /// For how long it has held the lease, in seconds.
    pub since_seconds: Option<u64>,
    /// The peers that it fetches from across the WAN.
    pub upstream: Vec<SocketAddr>,
    /// Its step on the starvation ladder: 0, it is none.
    pub step: u8,
}

impl Swarm {
    /// Peers of a site whose id or address contains `filter`: gateways first, then by id and address. How
    /// many there are, and at most `limit` of them from `offset` on.
    pub fn roster(
        &self,
        id: SiteId,
        filter: &str,
        (offset, limit): (usize, usize),
        now: Time,
    ) -> (usize, Vec<Listed>) {
        let Some(site) = self.sites.get(&id) else {
            return (0, Vec::new());
        };
        let name = |peer: &crate::state::peer::Peer| {
            let agent = peer.agent.as_ref();
            agent.map(|agent| agent.name.to_string())
        };
        let mut found: Vec<_> = site
            .peers
            .iter()
            .map(|(class, at, peer)| (!site.gateways.contains_key(&at), name(peer), at, class, peer))
            .filter(|(_, name, at, ..)| {
                filter.is_empty()
                    || name.as_ref().is_some_and(|name| name.contains(filter))
                    || at.addr().to_string().contains(filter)
            })
            .collect();
        found.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        let total = found.len();
        let page = found.into_iter().skip(offset).take(limit);
        let page = page.map(|(_, name, at, class, peer)| {
            let gateway = site.gateways.get(&at);
            let size = self.size().filter(|size| *size > 0 && peer.left != u64::MAX);
            let progress = size.map(|size| (1.0 - peer.left as f64 / size as f64).clamp(0.0, 1.0));
            Listed {
                id: name,
                address: at.addr(),
                role: if gateway.is_some() { "gateway" } else { "member" },
                because: self.role_because(site, class, gateway),
                progress: progress.or((class == Class::Seeder).then_some(1.0)),
                since_seconds: gateway.map(|gateway| now.saturating_sub(gateway.since).as_secs()),
                upstream: gateway.map_or_else(Vec::new, |gateway| {
                    gateway.upstreams.iter().map(|up| up.addr.addr()).collect()
                }),
                step: peer.step,
            }
        });
        (total, page.collect())
    }
}
