//! Rules 6 and 7: whom a peer is told of in its own site.

use narrows_protocol::Peer as Told;
use narrows_topology::SiteId;
use rand::Rng;

use crate::Context;
use crate::endpoint::Endpoint;
use crate::swarm::Swarm;
use crate::swarm::peer::{Class, Peer};
use crate::swarm::peers::{Peers, below};

impl Swarm {
    /// Peers of the own site, seeders first; at most `want`. Seeders are told of leechers only, who need them.
    /// A starving peer (`step` > 0) of a large site is told twice as many, drawn anew.
    pub(crate) fn neighbours(
        &self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        want: usize,
        rng: &mut dyn Rng,
    ) -> Vec<Told> {
        let Some(site) = self.sites.get(&id).filter(|site| site.sharing) else {
            return Vec::new();
        };
        let Some((class, me)) = site.peers.find(at) else {
            return Vec::new();
        };
        if want == 0 {
            return Vec::new();
        }
        let classes: &[Class] = match class {
            Class::Seeder => &[Class::Leecher],
            Class::Leecher => &[Class::Seeder, Class::Leecher, Class::Partial],
            Class::Partial => &[Class::Leecher],
        };
        let everybody = site.peers.len() <= cx.policy.full_mesh as usize + 1;
        if everybody {
            return all(&site.peers, classes, at, want, rng);
        }
        let degree = cx.policy.degree as usize * if me.step > 0 { 2 } else { 1 };
        some(cx, &site.peers, classes, at, want.min(degree), rng)
    }
}

/// All peers of these classes; if that is more than wanted, from a random one on.
fn all(peers: &Peers, classes: &[Class], at: Endpoint, want: usize, rng: &mut dyn Rng) -> Vec<Told> {
    let mut out = Vec::with_capacity(want.min(peers.len()));
    for class in classes {
        let count = peers.count(*class);
        let start = if count > 1 && count > want - out.len() {
            below(rng, count)
        } else {
            0
        };
        let order = (start..count).chain(0..start).filter_map(|i| peers.at(*class, i));
        let others = order.filter(|(other, _)| *other != at);
        out.extend(
            others
                .take(want - out.len())
                .map(|(other, peer)| tell(other, peer, at)),
        );
        if out.len() >= want {
            break;
        }
    }
    out
}

/// Some seeders, the neighbours in the ring, so that the site stays connected, and random ones.
fn some(
    cx: &Context<'_>,
    peers: &Peers,
    classes: &[Class],
    at: Endpoint,
    want: usize,
    rng: &mut dyn Rng,
) -> Vec<Told> {
    let mut chosen: Vec<(Endpoint, &Peer)> = Vec::with_capacity(want);
    if classes.contains(&Class::Seeder) {
        let seeders = (cx.policy.degree_seeders as usize).min(want);
        draw(&mut chosen, peers, Class::Seeder, at, seeders, rng);
    }
    for other in peers.ring_neighbours(at) {
        if chosen.len() >= want || other == at || chosen.iter().any(|(have, _)| *have == other) {
            continue;
        }
        if let Some((_, peer)) = peers.find(other).filter(|(class, _)| classes.contains(class)) {
            chosen.push((other, peer));
        }
    }
    draw(&mut chosen, peers, Class::Leecher, at, want, rng);
    for class in [Class::Partial, Class::Seeder] {
        if classes.contains(&class) {
            draw(&mut chosen, peers, class, at, want, rng);
        }
    }
    chosen
        .into_iter()
        .map(|(other, peer)| tell(other, peer, at))
        .collect()
}

/// Draws random peers of a class until there are `want`; gives up after a few vain draws.
fn draw<'a>(
    chosen: &mut Vec<(Endpoint, &'a Peer)>,
    peers: &'a Peers,
    class: Class,
    at: Endpoint,
    want: usize,
    rng: &mut dyn Rng,
) {
    let mut draws = want.saturating_sub(chosen.len()) * 2;
    while chosen.len() < want && draws > 0 {
        draws -= 1;
        let Some((other, peer)) = peers.random(class, rng) else {
            return;
        };
        if other != at && chosen.iter().all(|(have, _)| *have != other) {
            chosen.push((other, peer));
        }
    }
}

fn tell(other: Endpoint, peer: &Peer, asker: Endpoint) -> Told {
    Told {
        addr: peer.address_for(other, asker).addr(),
        peer_id: Some(peer.id),
    }
}
