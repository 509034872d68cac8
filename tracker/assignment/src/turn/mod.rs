//! An announce under way, and what else changes a swarm: peers that have not come back, and a new site map.
//! What the rules decide is applied in here, and nowhere else.

mod announce;
mod expire;
mod identify;
mod lease;
mod parents;
mod probe;
mod progress;
mod reach;
mod record;
mod remap;
mod reply;
#[cfg(test)]
mod tests;

use narrows_protocol::AgentReport;
use narrows_topology::SiteId;
use rand::Rng;

use crate::endpoint::Endpoint;
use crate::invariant::Broken;
use crate::state::Swarm;
use crate::state::site::{Gateway, Site};
use crate::state::view::View;
use crate::{Announce, Context, Outcome, Time};

/// An announce under way. Once its record is written, its site and its peer are there: where one of them is
/// not, an invariant is broken, and the announce ends with [`Broken`].
pub(crate) struct Turn<'a> {
    swarm: &'a mut Swarm,
    cx: &'a Context<'a>,
    announce: &'a Announce<'a>,
    now: Time,
    rng: &'a mut dyn Rng,
    /// The address that it came from.
    from: Endpoint,
    /// The site of that address.
    id: SiteId,
    /// The key of the peer's record.
    at: Endpoint,
    outcome: Outcome,
}

impl<'a> Turn<'a> {
    /// What only agents say.
    fn report(&self) -> Option<&'a AgentReport> {
        self.announce.agent
    }

    fn is_agent(&self) -> bool {
        self.announce.agent.is_some()
    }

    /// The announcing peer as the rules look at it.
    fn view(&self) -> Result<View<'_>, Broken> {
        self.swarm.view(self.cx, (self.id, self.at), self.now)
    }

    fn site(&self) -> Result<&Site, Broken> {
        self.swarm.sites.get(&self.id).ok_or(Broken::SiteMissing)
    }

    fn site_mut(&mut self) -> Result<&mut Site, Broken> {
        self.swarm.sites.get_mut(&self.id).ok_or(Broken::SiteMissing)
    }

    /// The announcing peer's lease, if it is a gateway.
    fn gateway_mut(&mut self) -> Result<Option<&mut Gateway>, Broken> {
        let at = self.at;
        Ok(self.site_mut()?.gateways.get_mut(&at))
    }

    /// Takes a gateway of the site out of office.
    fn release(&mut self, gateway: Endpoint) -> Result<(), Broken> {
        let cx = self.cx;
        self.site_mut()?.release(cx, gateway);
        Ok(())
    }
}
