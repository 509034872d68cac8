//! Which requests come from a program or from a page of ours, and not from a page elsewhere: by the headers
//! that a browser writes.

use std::net::IpAddr;

/// The names that a port answers to, beside addresses and `localhost`. Any page could have a name of its own
/// point here and then read as if it were this port's page (DNS rebinding); it then stands in `Host`.
#[derive(Clone, Debug)]
pub struct OwnNames(Vec<String>);

impl OwnNames {
    /// Without ports.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Whether `host`, with a port or without, is an address or a name of ours: nothing that a stranger could
    /// have registered.
    pub fn has(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(host, |(name, _)| name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if bare.unwrap_or(name).parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let is = |own: &str| own.eq_ignore_ascii_case(name);
        is("localhost") || self.0.iter().any(|own| is(own))
    }
}

/// Whether a page of the same site, or no page, sent a request with this `Sec-Fetch-Site` (W3C Fetch Metadata).
pub fn is_own_page(sec_fetch_site: &[u8]) -> bool {
    matches!(sec_fetch_site, b"same-origin" | b"none")
}
