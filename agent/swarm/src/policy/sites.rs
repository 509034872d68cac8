//! Which peers are of our site, of another one or of none, and what may be sent to the others: as the tracker
//! told of its map, by a peer's address. A peer's word has no say here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use narrows_protocol::{Networks, PathRate, PathRates, Place};

use crate::Time;

/// What the tracker told of the map. Shared by all contents of an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sites {
    /// The networks of each site.
    pub networks: Arc<Networks>,
    /// Where our own addresses are: one site, or those of IPv4 and IPv6.
    pub ours: BTreeSet<Place>,
    /// What may be sent to other sites, if it was told.
    pub rates: Option<Arc<PathRates>>,
    /// When a schedule changes these next.
    pub change: Option<Time>,
}

/// Where a peer is, by its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Whereabouts {
    /// The tracker tells no networks, or we do not ask.
    #[default]
    Untold,
    /// At our site.
    Here,
    /// At this other one.
    There(Place),
    /// In no network of the map: such a peer is refused.
    Nowhere,
}

impl Sites {
    /// Where a peer with this address is.
    pub fn whereabouts(&self, address: IpAddr) -> Whereabouts {
        match self.networks.place(address) {
            None => Whereabouts::Nowhere,
            Some(place) if self.ours.contains(&place) => Whereabouts::Here,
            Some(place) => Whereabouts::There(place),
        }
    }

    /// What may be sent to a peer there: nothing to another site before the tracker has said.
    pub fn rate_to(&self, whereabouts: Whereabouts) -> PathRate {
        match (whereabouts, &self.rates) {
            (Whereabouts::Untold | Whereabouts::Here, _) => PathRate::Unlimited,
            (Whereabouts::There(place), Some(rates)) => rates.to(place),
            (Whereabouts::There(_), None) | (Whereabouts::Nowhere, _) => PathRate::Stopped,
        }
    }
}
