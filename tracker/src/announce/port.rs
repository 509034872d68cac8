//! What the tracker's port needs beside the tracker.

use std::sync::Arc;

use ipnet::IpNet;

use crate::announce::odd_clients::OddClients;
use crate::announce::probe::Probes;
use crate::state::tracker::Tracker;

/// The port where /announce and /scrape are served.
pub(crate) struct Port {
    pub(crate) tracker: Arc<Tracker>,
    /// Networks whose X-Forwarded-For and `ip=` are believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) odd_clients: OddClients,
    /// Peers that are being dialled, since others accuse them.
    pub(crate) probes: Arc<Probes>,
}

impl Port {
    pub(crate) fn new(tracker: Arc<Tracker>, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            tracker,
            trusted_proxies,
            odd_clients: OddClients::default(),
            probes: Arc::default(),
        }
    }
}
