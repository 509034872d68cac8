//! Rules 6, links are the gateway's, and 7, neighbours: the peers that a peer is handed of its own site.

use crate::endpoint::Endpoint;
use crate::hash::{Draw, peer_name};
use crate::policy::Policy;
use crate::state::peer::{Class, NonSharing, Peer, Tick};
use crate::state::peers::Peers;
use crate::state::view::View;

/// Why a peer of the own site is handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// The site is small.
    FullMesh,
    /// A seeder of a large site.
    Seeder,
    /// Beside the asker in the ring of a large site.
    Ring,
    /// Drawn at random from a large site.
    Random,
}

type Chosen<'s> = Vec<(Endpoint, &'s Peer, Rule)>;

/// Peers of the own site, seeders first; at most `want`. Seeders are handed leechers only, which need them.
/// Peers that do not share are handed to no other. A starving peer (`step` > 0) of a large site is handed
/// twice as many. What is drawn at random depends on the peer and on the time alone, so that it can be
/// explained later.
pub(crate) fn choose<'a>(view: &View<'a>, want: usize) -> Chosen<'a> {
    let (peers, at, policy) = (&view.site.peers, view.at, view.cx.policy);
    if !view.site.sharing || want == 0 {
        return Vec::new();
    }
    let classes: &[Class] = match view.class {
        Class::Seeder => &[Class::Leecher],
        Class::Leecher | Class::NonSharing(NonSharing::Leecher) => {
            &[Class::Seeder, Class::Leecher, Class::Partial]
        }
        Class::Partial => &[Class::Leecher],
        Class::NonSharing(NonSharing::Complete) => &[],
    };
    let name = peer_name(view.peer.agent_key(), at);
    let mut draw = Draw::of(&view.swarm.info_hash, name, Tick::of(view.now).number());
    // many that only fetch spread over the others
    let crowd = if view.class.shares() {
        peers.sharers()
    } else {
        peers.len()
    };
    if crowd <= policy.full_mesh as usize + 1 {
        return all(peers, classes, at, want, &mut draw);
    }
    let times = if view.peer.step > 0 {
        policy.degree_starving
    } else {
        1
    };
    let degree = (policy.degree * times) as usize;
    some(policy, peers, classes, at, want.min(degree), &mut draw)
}

/// Whether a peer at `at` can use this peer beside those that are chosen: it is not itself, and has an
/// address and port of its own. Behind a NAT several have one, which leads to one of them at most.
fn is_another(peers: &Peers, chosen: &Chosen<'_>, at: Endpoint, (other, peer): (Endpoint, &Peer)) -> bool {
    if other == at || chosen.iter().any(|(have, ..)| *have == other) {
        return false;
    }
    if !peers.is_crowded() {
        return true;
    }
    let addr = peers.address_for(other, peer, at);
    let same = |(have, peer, _): &(Endpoint, &Peer, Rule)| peers.address_for(*have, peer, at).is_beside(addr);
    !peers.is_at(at, addr) && !chosen.iter().any(same)
}

/// All peers of these classes; if that is more than wanted, from a random one on.
fn all<'s>(peers: &'s Peers, classes: &[Class], at: Endpoint, want: usize, draw: &mut Draw) -> Chosen<'s> {
    let mut out: Chosen<'s> = Vec::with_capacity(want.min(peers.len()));
    for class in classes {
        let count = peers.count(*class);
        let start = if count > 1 && count > want - out.len() {
            draw.below(count)
        } else {
            0
        };
        let order = (start..count).chain(0..start).filter_map(|i| peers.at(*class, i));
        for (other, peer) in order {
            if out.len() >= want {
                return out;
            }
            if is_another(peers, &out, at, (other, peer)) {
                out.push((other, peer, Rule::FullMesh));
            }
        }
    }
    out
}

/// Some seeders, the neighbours in the ring, so that the site stays connected, and random ones.
fn some<'s>(
    policy: &Policy,
    peers: &'s Peers,
    classes: &[Class],
    at: Endpoint,
    want: usize,
    draw: &mut Draw,
) -> Chosen<'s> {
    let mut chosen: Chosen<'s> = Vec::with_capacity(want);
    if classes.contains(&Class::Seeder) {
        let seeders = (policy.degree_seeders as usize).min(want);
        fill(
            &mut chosen,
            peers,
            (Class::Seeder, Rule::Seeder),
            at,
            seeders,
            draw,
        );
    }
    for other in peers.ring_neighbours(at) {
        if chosen.len() >= want {
            break;
        }
        let found = peers.find(other).filter(|(class, _)| classes.contains(class));
        if let Some((_, peer)) = found.filter(|(_, peer)| is_another(peers, &chosen, at, (other, peer))) {
            chosen.push((other, peer, Rule::Ring));
        }
    }
    fill(&mut chosen, peers, (Class::Leecher, Rule::Random), at, want, draw);
    for class in [Class::Partial, Class::Seeder] {
        if classes.contains(&class) {
            fill(&mut chosen, peers, (class, Rule::Random), at, want, draw);
        }
    }
    chosen
}

/// Draws random peers of a class until there are `want`, one of each address before a second one of any: one machine may
/// make up a thousand. Gives up after a few vain draws, and where few addresses have many peers after a walk.
fn fill<'s>(
    chosen: &mut Chosen<'s>,
    peers: &'s Peers,
    (class, rule): (Class, Rule),
    at: Endpoint,
    want: usize,
    draw: &mut Draw,
) {
    let is_first =
        |chosen: &Chosen<'_>, other: Endpoint| !chosen.iter().any(|(have, ..)| have.ip() == other.ip());
    let mut draws = want.saturating_sub(chosen.len()) * 2;
    let mut seconds: Vec<(Endpoint, &Peer)> = Vec::new();
    while chosen.len() < want && draws > 0 {
        draws -= 1;
        let Some((other, peer)) = peers.random(class, draw) else {
            return;
        };
        if !is_another(peers, chosen, at, (other, peer)) {
            continue;
        }
        if is_first(chosen, other) {
            chosen.push((other, peer, rule));
        } else {
            seconds.push((other, peer));
        }
    }
    if chosen.len() >= want || seconds.is_empty() {
        return;
    }
    for (other, peer) in peers.one_of_each_address(class, draw.below(peers.count(class))) {
        if chosen.len() >= want {
            break;
        }
        if is_first(chosen, other) && is_another(peers, chosen, at, (other, peer)) {
            chosen.push((other, peer, rule));
        }
    }
    for (other, peer) in seconds {
        if chosen.len() < want && is_another(peers, chosen, at, (other, peer)) {
            chosen.push((other, peer, rule));
        }
    }
}

/// Whether a peer was handed its whole site, or one peer of each address there.
pub(crate) fn has_all(view: &View<'_>) -> bool {
    let (peers, policy) = (&view.site.peers, view.cx.policy);
    let most = (policy.degree / 2) as usize;
    peers.len() <= policy.full_mesh as usize
        || [Class::Seeder, Class::Leecher, Class::Partial]
            .into_iter()
            .flat_map(|class| peers.one_of_each_address(class, 0))
            .nth(most)
            .is_none()
}
