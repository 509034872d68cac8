//! A client, small.

use std::net::{Ipv4Addr, SocketAddr};

use narrows_protocol::PeerId;

use super::calendar::Millis;

/// A site's network is a /19 of 10.0.0.0/8.
pub(crate) const PREFIX: u32 = 19;
/// Most sites.
pub(crate) const SITES: usize = 1 << (PREFIX - 8);
/// Most clients in a site.
pub(crate) const HOSTS: usize = (1 << (32 - PREFIX)) - 2;
/// 10.0.0.0.
const TEN: u32 = 10 << 24;
const PORT: u16 = 6881;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// What it had at `at`, in bytes; less than what it has now if it is a member that fetches.
    pub(crate) have: f64,
    /// Bytes it fetched across links in this run.
    pub(crate) wan: f64,
    /// When `have` was so; of one that is away, when it went.
    pub(crate) at: Millis,
    /// When it announces next; other events of it are void.
    pub(crate) next: Millis,
    pub(crate) site: u16,
    pub(crate) up: bool,
    /// It has told the tracker of this run.
    pub(crate) started: bool,
    pub(crate) complete: bool,
    pub(crate) gateway: bool,
    /// It was handed out as an upstream.
    pub(crate) upstream: bool,
    /// It saw its connection to the gateway that the site lost last close, and has not told yet.
    pub(crate) noticed: bool,
    /// It went without a word.
    pub(crate) silent: bool,
}

impl Client {
    pub(crate) fn new(site: u16) -> Client {
        Client {
            have: 0.0,
            wan: 0.0,
            at: 0,
            next: 0,
            site,
            up: false,
            started: false,
            complete: false,
            gateway: false,
            upstream: false,
            noticed: false,
            silent: false,
        }
    }
}

/// The first address of a site's network.
pub(crate) fn network(site: usize) -> Ipv4Addr {
    Ipv4Addr::from(TEN + ((site as u32) << (32 - PREFIX)))
}

/// Where the `host`-th client of a site listens.
pub(crate) fn address(site: usize, host: usize) -> SocketAddr {
    let ip = u32::from(network(site)) + host as u32 + 1;
    SocketAddr::from((Ipv4Addr::from(ip), PORT))
}

/// The other way round: (site, host).
pub(crate) fn whose(addr: SocketAddr) -> Option<(usize, usize)> {
    let SocketAddr::V4(addr) = addr else { return None };
    let offset = u32::from(*addr.ip()).checked_sub(TEN)?;
    let site = (offset >> (32 - PREFIX)) as usize;
    let host = (offset & ((1 << (32 - PREFIX)) - 1)).checked_sub(1)?;
    Some((site, host as usize))
}

/// A client's name for itself.
pub(crate) fn peer_id(client: u32) -> PeerId {
    let mut id = *b"-NW0001-000000000000";
    id[16..].copy_from_slice(&client.to_be_bytes());
    PeerId(id)
}
