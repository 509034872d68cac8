//! What follows from where peers are, by their addresses: which are refused, what is sent to other sites, and
//! when the tracker is asked what that may be.

use std::sync::Arc;

use super::Swarm;
use super::peer::Peer;
use crate::policy::sites::{Sites, Whereabouts};
use crate::{Action, AnnounceReason, CloseReason, Misdeed, PeerKey, Time};

/// While we send to another site, the tracker is asked this often whether we still may: so long a brake takes
/// to reach us.
const WHILE_SENDING: Time = Time::from_secs(60);
/// While a peer asks for what we may not send: an honest one does so once the brake is off.
const WHILE_STOPPED: Time = Time::from_secs(3);
/// The least between two questions.
const FLOOR: Time = Time::from_secs(1);

impl Swarm {
    /// The tracker told something else of the map; `None`: it tells nothing of it, and any peer is served.
    pub(super) fn set_sites(&mut self, sites: Option<Arc<Sites>>, now: Time, out: &mut Vec<Action>) {
        self.sites = sites;
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.whereabouts = whereabouts(self.sites.as_deref(), peer);
            }
            self.reclassify(key, now, out);
        }
        self.close_unmapped(now, out);
        self.serve(now, out);
    }

    /// An operator stopped the content, or lets it go on.
    pub(super) fn set_braked(&mut self, braked: bool, now: Time, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.braked, braked) && !braked {
            self.serve(now, out);
        }
    }

    fn close_unmapped(&mut self, now: Time, out: &mut Vec<Action>) {
        let unmapped = |(key, peer): (&PeerKey, &Peer)| {
            (peer.whereabouts == Whereabouts::Nowhere).then_some((*key, peer.addr.ip()))
        };
        let unmapped: Vec<_> = self.peers.iter().filter_map(unmapped).collect();
        for (key, ip) in unmapped {
            self.close(key, CloseReason::Unmapped(ip), now, out);
        }
    }

    /// Where a peer is.
    pub(super) fn locate(&self, peer: &Peer) -> Whereabouts {
        whereabouts(self.sites.as_deref(), peer)
    }

    /// Whether nothing may be sent to this peer now.
    pub(super) fn is_stopped(&self, peer: &Peer) -> bool {
        let (Some(sites), Whereabouts::There(_)) = (&self.sites, peer.whereabouts) else {
            return peer.whereabouts == Whereabouts::Nowhere;
        };
        self.braked || sites.rate_to(peer.whereabouts) == narrows_protocol::PathRate::Stopped
    }

    /// Whether we are connected to peers of other sites that may ask us for something: the tracker is then
    /// asked for the rates.
    pub(super) fn sends_across(&self) -> bool {
        let across =
            |peer: &Peer| matches!(peer.whereabouts, Whereabouts::There(_)) && !peer.is_upstream_dial();
        self.sites.is_some() && self.shares() && self.peers.values().any(across)
    }

    /// Asks the tracker what may be sent to other sites, if that is due.
    pub(super) fn ask_for_rates(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.paused || !self.announcer.may_ask() || !self.sends_across() {
            return;
        }
        let Some(sites) = &self.sites else { return };
        let asked = self.rates_asked;
        let waits = |peer: &Peer| !peer.queue.is_idle() && self.is_stopped(peer);
        let due = match asked {
            None => Time::ZERO,
            Some(asked) if sites.rates.is_none() => asked + FLOOR,
            Some(asked) if sites.change.is_some_and(|change| asked < change && change <= now) => {
                asked + FLOOR
            }
            Some(asked) if self.peers.values().any(waits) => asked + WHILE_STOPPED,
            Some(asked) => asked + WHILE_SENDING,
        };
        if now >= due {
            self.announce(AnnounceReason::Rates, now, out);
        }
    }

    /// An agent that says that it is of our site while its address is of another one.
    pub(super) fn judge_site(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get(&key) else { return };
        let ours = &self.duty.site;
        let claims = |hello: &narrows_wire::Hello| !ours.is_empty() && hello.site == *ours;
        if let (Whereabouts::There(_), Some(hello)) = (peer.whereabouts, &peer.hello)
            && claims(hello)
        {
            out.push(Action::Name {
                misdeed: Misdeed::FalseSite,
                ip: peer.addr.ip(),
                agent: Some(hello.agent.clone()),
            });
        }
    }
}

fn whereabouts(sites: Option<&Sites>, peer: &Peer) -> Whereabouts {
    sites.map_or(Whereabouts::Untold, |sites| sites.whereabouts(peer.addr.ip()))
}
