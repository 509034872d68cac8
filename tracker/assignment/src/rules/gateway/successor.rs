//! Which peer should hold a site's lease once it is free.

use crate::endpoint::Endpoint;
use crate::hash::{peer_name, rendezvous, site_name};
use crate::rules::service;
use crate::state::peer::{Class, Peer};
use crate::state::view::View;

/// Another one that can take the lease of a gateway.
pub(crate) fn successor_willing(view: &View<'_>) -> Option<Endpoint> {
    successor(view, Some(view.at), true)
}

/// The leecher that should hold the site's lease: one of our agents before a stock client, then the one with
/// most bytes, then by rendezvous hash of (swarm, site, agent id). In large sites, among the best-supplied
/// and a sample.
pub(crate) fn successor(view: &View<'_>, not: Option<Endpoint>, willing: bool) -> Option<Endpoint> {
    let site = view.site;
    let count = site.peers.count(Class::Leecher);
    let stride = count.div_ceil(view.cx.policy.gateways.candidates).max(1);
    let sample = (0..count).step_by(stride).filter_map(|i| site.peers.at(Class::Leecher, i));
    let best = site.peers.best().and_then(|(_, at)| Some((at, site.leecher(at)?)));
    let candidates = sample.chain(best).filter(|(at, peer)| {
        Some(*at) != not && !site.gateways.contains_key(at) && (!willing || peer.fitness() > 0)
    });
    let name = site_name(site.id);
    let rank = |at: Endpoint, peer: &Peer| {
        let fitness = peer.fitness();
        let hash = rendezvous(&view.swarm.info_hash, name, peer_name(peer.agent_key(), at));
        let is_fresh = site.displaced != Some(at);
        (
            fitness > 0,
            std::cmp::Reverse(service::line(view, at)),
            is_fresh,
            fitness,
            std::cmp::Reverse(peer.left),
            hash,
            at,
        )
    };
    candidates.map(|(at, peer)| rank(at, peer)).max().map(|(.., at)| at)
}
