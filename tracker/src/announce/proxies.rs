//! Whose address an announce counts for: the socket's, or what a trusted proxy says.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Why the client's address is not known. The texts are constants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProxyError {
    /// A proxy that does not say which client it forwards; taking its own address would put every client at
    /// the proxy's site.
    NoHeader,
    /// The entry that counts is no address.
    BadHeader,
}

impl ProxyError {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NoHeader => "the request came through a trusted proxy that sent no X-Forwarded-For",
            Self::BadHeader => {
                "the request came through a trusted proxy whose X-Forwarded-For has no usable address"
            }
        }
    }
}

/// The client's address: IPv4 even if it came over an IPv6 socket.
///
/// `forwarded` are the values of the X-Forwarded-For headers in their order. The right-most address that is
/// not trusted counts: what stands left of it may come from anywhere. `claimed` (`ip=`) is believed
/// only where the client itself is trusted, since a proxy passes on whatever query its clients send.
pub(crate) fn client<'h>(
    socket: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'h [u8]>,
    claimed: Option<IpAddr>,
    trusted: &[IpNet],
) -> Result<IpAddr, ProxyError> {
    let socket = socket.to_canonical();
    let is_trusted = |addr: &IpAddr| trusted.iter().any(|network| network.contains(addr));
    if trusted.is_empty() || !is_trusted(&socket) {
        return Ok(socket);
    }
    let mut origin = None;
    for value in forwarded.rev() {
        for entry in value.rsplit(|byte| *byte == b',') {
            let addr = address(entry).ok_or(ProxyError::BadHeader)?;
            if !is_trusted(&addr) {
                return Ok(addr);
            }
            origin = Some(addr);
        }
    }
    // trusted hosts alone were involved
    claimed.map(|addr| addr.to_canonical()).or(origin).ok_or(ProxyError::NoHeader)
}

/// Whether a socket's address is one whose X-Forwarded-For is believed.
pub(crate) fn is_trusted(socket: IpAddr, trusted: &[IpNet]) -> bool {
    let socket = socket.to_canonical();
    trusted.iter().any(|network| network.contains(&socket))
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let addr = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))?;
    Some(addr.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client_of(socket: &str, forwarded: &[&str], claimed: Option<&str>) -> Result<IpAddr, ProxyError> {
        let trusted = ["10.0.0.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        client(
            ip(socket),
            forwarded.iter().map(|value| value.as_bytes()),
            claimed.map(ip),
            &trusted,
        )
    }

    #[test]
    fn no_client_but_a_trusted_proxy_can_say_another_address() {
        assert_eq!(
            client_of("192.0.2.1", &["1.2.3.4"], Some("5.6.7.8")),
            Ok(ip("192.0.2.1"))
        );
        assert_eq!(
            client(ip("10.0.0.1"), [&b"1.2.3.4"[..]].into_iter(), None, &[]),
            Ok(ip("10.0.0.1"))
        );
    }

    #[test]
    fn the_right_most_address_that_is_not_a_trusted_proxy_counts() {
        assert_eq!(client_of("10.0.0.1", &["1.2.3.4"], None), Ok(ip("1.2.3.4")));
        assert_eq!(
            client_of("10.0.0.1", &["6.6.6.6, 1.2.3.4 ,10.0.0.2"], None),
            Ok(ip("1.2.3.4"))
        );
        assert_eq!(
            client_of("10.0.0.1", &["6.6.6.6", "1.2.3.4", "10.0.0.9"], None),
            Ok(ip("1.2.3.4"))
        );
        assert_eq!(
            client_of("10.0.0.1", &["garbage, 1.2.3.4:555"], None),
            Ok(ip("1.2.3.4"))
        );
        assert_eq!(
            client_of("2001:db8::1", &["[2001:470::1]:80"], None),
            Ok(ip("2001:470::1"))
        );
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_addresses_they_are() {
        assert_eq!(client_of("::ffff:192.0.2.1", &[], None), Ok(ip("192.0.2.1")));
        assert_eq!(
            client_of("::ffff:10.0.0.1", &["::ffff:1.2.3.4"], None),
            Ok(ip("1.2.3.4"))
        );
    }

    #[test]
    fn ip_is_believed_of_a_trusted_host_but_not_of_a_client_behind_it() {
        assert_eq!(client_of("10.0.0.1", &[], Some("5.6.7.8")), Ok(ip("5.6.7.8")));
        assert_eq!(
            client_of("10.0.0.1", &["10.0.0.3"], Some("5.6.7.8")),
            Ok(ip("5.6.7.8"))
        );
        assert_eq!(
            client_of("10.0.0.1", &["1.2.3.4"], Some("5.6.7.8")),
            Ok(ip("1.2.3.4"))
        );
    }

    #[test]
    fn a_proxy_that_does_not_say_its_client_is_refused() {
        assert_eq!(client_of("10.0.0.1", &[], None), Err(ProxyError::NoHeader));
        for garbage in ["", "unknown", "1.2.3.4,", "\u{ff}"] {
            assert_eq!(
                client_of("10.0.0.1", &[garbage], None),
                Err(ProxyError::BadHeader),
                "{garbage}"
            );
        }
        assert_eq!(
            client_of("10.0.0.1", &["10.0.0.7, 10.0.0.8"], None),
            Ok(ip("10.0.0.7"))
        );
    }
}
