//! After a restart of the tracker: which gateways peers say that they are served by. Each address has one voice, and
//! none for itself.

use narrows_protocol::Host;

use crate::endpoint::Endpoint;

/// The most that are remembered: some are enough to tell which of two gateways works.
const MAX_VOICES: usize = 64;
const MAX_CLAIMANTS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct SpokenFor {
    voices: Vec<(Host, Endpoint)>,
    /// Peers that said that they work, while another had the lease; one of each address.
    claimants: Vec<Endpoint>,
}

impl SpokenFor {
    /// A peer says that it is connected to a gateway.
    pub(crate) fn note(&mut self, by: Endpoint, gateway: Endpoint) {
        let voice = by.host();
        if voice == gateway.host() {
            return;
        }
        if let Some((_, named)) = self.voices.iter_mut().find(|(known, _)| *known == voice) {
            *named = gateway;
        } else if self.voices.len() < MAX_VOICES {
            self.voices.push((voice, gateway));
        }
    }

    /// A peer says that it works, while another has the lease.
    pub(crate) fn claims(&mut self, at: Endpoint) {
        if let Some(known) = self.claimants.iter_mut().find(|known| known.host() == at.host()) {
            *known = at;
        } else if self.claimants.len() < MAX_CLAIMANTS {
            self.claimants.push(at);
        }
    }

    /// Peers that said so.
    pub(crate) fn claimants(&self) -> impl Iterator<Item = Endpoint> {
        self.claimants.iter().copied()
    }

    /// Whether any peer said so.
    pub(crate) fn has_claimants(&self) -> bool {
        !self.claimants.is_empty()
    }

    /// Whether a peer said so.
    pub(crate) fn is_claimant(&self, at: Endpoint) -> bool {
        self.claimants.contains(&at)
    }

    /// How many addresses speak for a gateway; that of `not` does not count.
    pub(crate) fn voices(&self, gateway: Endpoint, not: Endpoint) -> usize {
        let named =
            self.voices.iter().filter(|(voice, named)| named.is_beside(gateway) && *voice != not.host());
        named.count()
    }
}
