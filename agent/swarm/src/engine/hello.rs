//! What agents tell each other about themselves, and what follows for their connections.

use narrows_wire::{ExtendedHandshake, Extensions, Hello, Message};

use super::Swarm;
use super::peer::Peer;
use crate::policy::relation::Relation;
use crate::policy::sites::Whereabouts;
use crate::policy::{depth, flood};
use crate::{Action, AnnounceReason, Class, Origin, PeerKey, Time};

/// What an agent says of itself that may change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Introduced {
    pub(super) gateway: bool,
    /// The tracker names a gateway no upstream.
    forgotten: bool,
    site: String,
}

impl Swarm {
    /// Our extension handshake for a peer.
    pub(super) fn introduction(&self, peer: &Peer) -> Message {
        let hello = Hello {
            agent: self.config.agent.clone(),
            site: self.duty.site.clone(),
            wan: peer.origin == Origin::Dialled(Class::Upstream),
            gateway: self.is_site_gateway(),
            forgotten: self.forgotten && self.is_acting_gateway(),
            non_sharing: !self.shares(),
        };
        let handshake = ExtendedHandshake {
            client: concat!("Narrows ", env!("CARGO_PKG_VERSION")).into(),
            reqq: Some(depth::MAX_REQUESTS),
            port: Some(self.config.listen.port()).filter(|port| *port != 0),
            takes: Extensions::OURS,
            upload_only: false, // our bitfield says so
            narrows: Some(hello),
        };
        Message::Extended {
            id: 0,
            payload: handshake.encode(),
        }
    }

    /// Says to agents that we are gateway now, or are not any more, or have learned our site. A later
    /// handshake changes what an earlier one said (BEP 10).
    pub(super) fn tell_role(&mut self, out: &mut Vec<Action>) {
        let present = Introduced {
            gateway: self.is_site_gateway(),
            forgotten: self.forgotten,
            site: self.duty.site.clone(),
        };
        if self.introduced_as == present {
            return;
        }
        let before = std::mem::replace(&mut self.introduced_as, present);
        let moved =
            before.forgotten != self.introduced_as.forgotten || before.site != self.introduced_as.site;
        for (key, peer) in &self.peers {
            if peer.hello.is_some() && (moved || !peer.relation.is_wan()) {
                out.push(Action::Send {
                    peer: *key,
                    message: self.introduction(peer),
                });
            }
        }
    }

    /// An upstream that hears that the tracker does not name it announces, so that a restarted tracker knows
    /// it again: as a seeder it would do so in a quarter of an hour only.
    pub(super) fn hear_of_being_forgotten(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let asks = |peer: &Peer| peer.hello.as_ref().is_some_and(|hello| hello.forgotten);
        if self.peers.get(&key).is_some_and(asks) && now >= self.doubt_due {
            self.doubt(now, out);
        }
    }

    /// Asks the tracker because of what a peer says, ever more rarely while nothing follows from it.
    fn doubt(&mut self, now: Time, out: &mut Vec<Action>) {
        self.doubt_due = now + flood::doubt(self.doubts);
        self.doubts += 1;
        self.announce(AnnounceReason::Doubt, now, out);
    }

    /// A gateway that hears of another one asks the tracker, so that the two share the pieces from now on.
    pub(super) fn hear_of_gateway(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get(&key) else { return };
        let listed = peer.listen.is_some_and(|addr| self.duty.roster.contains(&addr));
        if peer.is_local_gateway() && !listed && self.is_acting_gateway() && now >= self.doubt_due {
            self.doubt(now, out);
        }
    }

    /// A gateway of our site says that it is none any more, and not because it has everything: it cannot
    /// fetch. One of us is to take its place, and the tracker hears of that at once.
    pub(super) fn hear_of_resignation(&mut self, key: PeerKey, now: Time, out: &mut Vec<Action>) {
        let resigned = |peer: &Peer| !peer.is_local_gateway() && !peer.has.is_full();
        let needed = self.is_fetching() && !self.duty.is_gateway();
        if needed && self.peers.get(&key).is_some_and(resigned) && now >= self.doubt_due {
            self.doubt(now, out);
        }
    }

    /// Has the packets of a connection marked if it crosses a link: to an upstream or a gateway of another
    /// site; a stock client that the tracker has not named is no peer of our site either.
    pub(super) fn mark(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let stock = peer.hello.is_none() && (peer.introduced || !peer.extended);
        let crosses = match peer.relation {
            Relation::Upstream | Relation::Remote => true,
            Relation::Unknown => match peer.whereabouts {
                Whereabouts::Untold => stock && !self.duty.site.is_empty(),
                Whereabouts::There(_) => true,
                Whereabouts::Here | Whereabouts::Nowhere => false,
            },
            Relation::Local => false,
        };
        let mark = crosses.then(|| self.duty.dscp.unwrap_or(0));
        if std::mem::replace(&mut peer.marked, mark) != mark {
            out.push(Action::Mark {
                peer: key,
                dscp: mark.unwrap_or(0),
            });
        }
    }

    /// The parent site that an upstream's address belongs to, if the tracker said.
    pub(super) fn site_at(&self, addr: std::net::SocketAddr) -> Option<String> {
        let parent = self.parents.get(self.parent_at(addr)?)?;
        Some(parent.site.clone()).filter(|site| !site.is_empty())
    }

    /// Whether others of our site are fed by us.
    fn is_site_gateway(&self) -> bool {
        self.is_acting_gateway() && self.shares()
    }

    /// Whether we are gateway and still need something.
    fn is_acting_gateway(&self) -> bool {
        self.duty.is_gateway() && self.left > 0 && self.obstacle().is_none()
    }
}
