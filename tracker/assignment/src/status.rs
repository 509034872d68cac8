//! What `/status` shows of a swarm.

use std::net::SocketAddr;

use serde::Serialize;

/// One content.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SwarmStatus {
    /// 40 hex digits.
    pub info_hash: String,
    /// Everybody.
    pub peers: u32,
    /// Peers with all of the content.
    pub seeders: u32,
    /// Peers that want some of it.
    pub leechers: u32,
    /// How often it was completed.
    pub downloaded: u32,
    /// Sites with peers, by name.
    pub sites: Vec<SiteStatus>,
}

/// One site in a swarm.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SiteStatus {
    /// Its name.
    pub site: String,
    /// Everybody in it.
    pub peers: u32,
    /// Peers with all of the content.
    pub seeders: u32,
    /// Peers that want some of it.
    pub leechers: u32,
    /// What the best-supplied peer has, 0.0 to 1.0; `None` while the size is unknown.
    pub progress: Option<f64>,
    /// The parent site's name.
    pub parent: Option<String>,
    /// The links from the parent, in the order in which bytes cross them.
    pub route: Vec<String>,
    /// Who fetches across the WAN.
    pub gateways: Vec<GatewayStatus>,
    /// The site's share of its route, bytes per second; `None`: no limit, or nothing to fetch.
    pub rate: Option<u64>,
    /// Bytes that its agents say they fetched across links.
    pub wan_bytes: u64,
}

/// One gateway.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GatewayStatus {
    /// The agent's id; `None` for a stock client.
    pub agent: Option<String>,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// For how long it has held the lease.
    pub since_seconds: u64,
    /// Whom it was told to fetch from.
    pub upstream: Vec<SocketAddr>,
}
