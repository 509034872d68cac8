//! The address of a tracker, as a .torrent and `create --tracker` have it (BEP 3).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// An announce URL that our agents can use: `http://host[:port]/path`, or `https://`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnounceUrl {
    /// Whether it is `https`.
    pub is_https: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// 80 if the URL does not say, for https 443.
    pub port: u16,
    /// From the first `/` on, with a query if there is one.
    pub path: String,
    authority: String,
}

/// Why a URL is none that an agent could announce to, and what to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AnnounceUrlError {
    /// Spaces, control characters, letters that are not ASCII.
    #[error(
        "it holds a space, a control character or a letter that is not ASCII; write names as DNS has them (xn--...)"
    )]
    Character,
    /// No scheme.
    #[error("it has no scheme; write http:// before it, as in http://tracker.example.com:6969/announce")]
    NoScheme,
    /// Another scheme than http and https.
    #[error(
        "agents announce over http and https only, not over udp or anything else; write http:// or https://"
    )]
    Scheme,
    /// No host.
    #[error("it names no host; write http://HOST:6969/announce")]
    NoHost,
    /// `user@host`.
    #[error("it holds a user or a password, which no tracker takes; remove what is before the @")]
    User,
    /// Not a port.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// `http://host:port` alone.
    #[error("it has no path; our tracker serves /announce: write http://HOST:PORT/announce")]
    NoPath,
}

impl AnnounceUrl {
    /// Host and port as they stand in the URL: what the `Host` header says.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl FromStr for AnnounceUrl {
    type Err = AnnounceUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AnnounceUrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AnnounceUrlError::NoScheme)?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(AnnounceUrlError::Scheme);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(AnnounceUrlError::User);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let (host, after) = inside.split_once(']').ok_or(AnnounceUrlError::NoHost)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| AnnounceUrlError::NoHost)?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(AnnounceUrlError::NoHost),
                }
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err(AnnounceUrlError::NoHost);
        }
        let port = match port {
            None if is_https => 443,
            None => 80,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port != 0).ok_or(AnnounceUrlError::Port)?
            }
            Some(_) => return Err(AnnounceUrlError::Port),
        };
        if !path.starts_with('/') {
            return Err(AnnounceUrlError::NoPath);
        }
        let path = path.split('#').next().unwrap_or(path);
        Ok(Self {
            is_https,
            host: host.to_owned(),
            port,
            path: path.trim_end_matches('?').to_owned(),
            authority: authority.to_owned(),
        })
    }
}

impl fmt::Display for AnnounceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}
