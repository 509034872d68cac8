//! Rules 6 and 7: whom a peer is told of in its own site.

use narrows_protocol::Peer as Told;
use narrows_topology::SiteId;

use crate::endpoint::Endpoint;
use crate::hash::{Draw, peer_name};
use crate::state::Swarm;
use crate::state::peer::{Class, Peer, Tick};
use crate::state::peers::Peers;
use crate::{Context, Time};

/// Why a peer of the own site is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// The site is small.
    Everybody,
    /// A seeder of a large site.
    Seeder,
    /// Beside the asker in the ring of a large site.
    Ring,
    /// Drawn at random from a large site.
    Random,
}

type Chosen<'s> = Vec<(Endpoint, &'s Peer, Rule)>;

impl Swarm {
    /// Peers of the own site, seeders first; at most `want`. Seeders are told of leechers only, who need
    /// them. Of those that do not share nobody is told. A starving peer (`step` > 0) of a large site is told
    /// twice as many. What is drawn at random depends on the peer and on `now` alone, so that it can be
    /// explained later.
    pub(crate) fn neighbours(
        &self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        want: usize,
        now: Time,
    ) -> Vec<Told> {
        let chosen = self.choose_neighbours(cx, id, at, want, now);
        let Some(site) = self.sites.get(&id) else {
            return Vec::new();
        };
        let told = chosen.into_iter().map(|(other, peer, _)| Told {
            addr: site.peers.address_for(other, peer, at).addr(),
            peer_id: Some(peer.id),
        });
        told.collect()
    }

    /// As [`Swarm::neighbours`], with the rule that each is told by.
    pub(crate) fn neighbours_by_rule(
        &self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        want: usize,
        announced: Time,
    ) -> Vec<(Endpoint, Rule)> {
        let chosen = self.choose_neighbours(cx, id, at, want, announced);
        chosen.into_iter().map(|(other, _, rule)| (other, rule)).collect()
    }

    fn choose_neighbours(
        &self,
        cx: &Context<'_>,
        id: SiteId,
        at: Endpoint,
        want: usize,
        now: Time,
    ) -> Chosen<'_> {
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
            Class::Leecher | Class::Guest => &[Class::Seeder, Class::Leecher, Class::Partial],
            Class::Partial => &[Class::Leecher],
            Class::Sated => &[],
        };
        let mut draw = Draw::of(
            &self.info_hash,
            peer_name(me.agent_key(), at),
            Tick::of(now).number(),
        );
        // many that only fetch spread over the others
        let crowd = if class.shares() {
            site.peers.sharers()
        } else {
            site.peers.len()
        };
        let everybody = crowd <= cx.policy.full_mesh as usize + 1;
        if everybody {
            return all(&site.peers, classes, at, want, &mut draw);
        }
        let degree = cx.policy.degree as usize * if me.step > 0 { 2 } else { 1 };
        some(cx, &site.peers, classes, at, want.min(degree), &mut draw)
    }
}

/// Whether somebody at `at` can use this peer beside those that are chosen: it is not itself, and has an
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
                out.push((other, peer, Rule::Everybody));
            }
        }
    }
    out
}

/// Some seeders, the neighbours in the ring, so that the site stays connected, and random ones.
fn some<'s>(
    cx: &Context<'_>,
    peers: &'s Peers,
    classes: &[Class],
    at: Endpoint,
    want: usize,
    draw: &mut Draw,
) -> Chosen<'s> {
    let mut chosen: Chosen<'s> = Vec::with_capacity(want);
    if classes.contains(&Class::Seeder) {
        let seeders = (cx.policy.degree_seeders as usize).min(want);
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

/// Draws random peers of a class until there are `want`; gives up after a few vain draws.
fn fill<'s>(
    chosen: &mut Chosen<'s>,
    peers: &'s Peers,
    (class, rule): (Class, Rule),
    at: Endpoint,
    want: usize,
    draw: &mut Draw,
) {
    let mut draws = want.saturating_sub(chosen.len()) * 2;
    while chosen.len() < want && draws > 0 {
        draws -= 1;
        let Some((other, peer)) = peers.random(class, draw) else {
            return;
        };
        if is_another(peers, chosen, at, (other, peer)) {
            chosen.push((other, peer, rule));
        }
    }
}
