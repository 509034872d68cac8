//! What a reply says of them.

use std::sync::Arc;

use super::rates::PathRates;
use super::table::Networks;

/// What a reply says of the site map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Its networks.
    pub networks: ToldNetworks,
    /// What may be sent to other sites, if the agent asks for it.
    pub rates: Option<ToldRates>,
    /// An operator has stopped the content: none of it is to be sent across links.
    pub braked: bool,
}

/// What a reply says of the map's networks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldNetworks {
    /// Of the tracker's map.
    pub version: u64,
    /// The networks, if the agent holds others.
    pub table: Option<Arc<Networks>>,
}

/// What a reply says of what may be sent to other sites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldRates {
    /// Of what may be sent now.
    pub version: u64,
    /// In how many seconds a schedule next changes a link; 0: never.
    pub change: u32,
    /// The rates, if the agent holds others.
    pub table: Option<Arc<PathRates>>,
}
