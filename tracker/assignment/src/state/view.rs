//! A peer of a swarm as the rules look at it.

use narrows_topology::SiteId;

use super::Swarm;
use super::peer::{Class, Peer};
use super::site::{Flow, Gateway, Site};
use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::{Context, Time};

/// A peer with its site and its swarm, at a moment.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) swarm: &'a Swarm,
    pub(crate) cx: &'a Context<'a>,
    pub(crate) now: Time,
    /// Its site.
    pub(crate) site: &'a Site,
    /// The key of its record.
    pub(crate) at: Endpoint,
    pub(crate) class: Class,
    pub(crate) peer: &'a Peer,
}

impl Swarm {
    /// Looks at a peer.
    ///
    /// # Errors
    /// The peer is not there, although it was found or has just been written.
    pub(crate) fn view<'a>(
        &'a self,
        cx: &'a Context<'a>,
        (id, at): (SiteId, Endpoint),
        now: Time,
    ) -> Result<View<'a>, Broken> {
        let site = self.sites.get(&id).ok_or(Broken::SiteMissing)?;
        let (class, peer) = site.peers.find(at).ok_or(Broken::PeerMissing)?;
        Ok(View {
            swarm: self,
            cx,
            now,
            site,
            at,
            class,
            peer,
        })
    }
}

impl<'a> View<'a> {
    /// The site's id.
    pub(crate) fn id(&self) -> SiteId {
        self.site.id
    }

    /// The peer's lease, if it is a gateway.
    pub(crate) fn gateway(&self) -> Option<&'a Gateway> {
        self.site.gateways.get(&self.at)
    }

    /// Whether it is one of our agents.
    pub(crate) fn is_agent(&self) -> bool {
        self.peer.agent.is_some()
    }

    /// The flows that it uses as a gateway.
    pub(crate) fn used_flows(&self) -> impl Iterator<Item = &'a Flow> + Clone + use<'a> {
        self.site.used_flows(self.at)
    }

    /// The record of another peer of the swarm.
    pub(crate) fn find(&self, site: SiteId, at: Endpoint) -> Option<(Class, &'a Peer)> {
        self.swarm.sites.get(&site)?.peers.find(at)
    }
}
