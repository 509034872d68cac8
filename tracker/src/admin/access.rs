//! Who may ask something over the admin port, and who may change something.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, StatusCode, Uri};
use narrows_host::bearer::{Bearer, Shown};

use crate::net::reply::Refusal;

/// What the admin port asks of a request.
#[derive(Debug)]
pub(crate) struct Access {
    /// The token that a request which changes something must carry.
    pub(crate) token: Option<Bearer>,
    /// Whether the port is bound to a loopback address.
    pub(crate) is_loopback: bool,
    /// Names that it answers to, in lower case, beside addresses and localhost.
    pub(crate) names: Vec<String>,
}

/// What a load balancer asks, by any name; the answer says nothing.
const FOR_ALL_NAMES: &str = "/healthz";

/// Where people are led to by a link on another page: the same for every tracker, and no frame may show it.
const FOR_ALL_PAGES: &str = "/";

impl Access {
    /// Whether a request comes from where it may. A browser says if another site's page sent it
    /// (Sec-Fetch-Site, W3C Fetch Metadata); and the port answers to addresses and to its own names only, as any page
    /// could have a name of its own point here and then read as if it were this port's page (DNS rebinding).
    ///
    /// # Errors
    /// Says what to do.
    pub(crate) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
        let is_led_here = is_read && uri.path() == FOR_ALL_PAGES;
        if !is_led_here && !headers.get_all("sec-fetch-site").iter().all(is_own) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "a page of another site may not ask or change anything here; open this address itself",
            ));
        }
        let host = |host: &HeaderValue| host.to_str().is_ok_and(|host| self.is_own_name(host));
        let is_here = headers.get_all(HOST).iter().all(host)
            && uri.authority().is_none_or(|authority| self.is_own_name(authority.as_str()));
        if !is_here && uri.path() != FOR_ALL_NAMES {
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "the admin port answers to an address, to localhost and to its own names only; to reach it by this name, add it \
                 in tracker.yaml, as in `admin_names: [tracker.example.com]`",
            ));
        }
        Ok(())
    }

    /// Whether a Host header names this machine or an address, and nothing that a stranger could have
    /// registered.
    fn is_own_name(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(host, |(name, _)| name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if bare.unwrap_or(name).parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        name.eq_ignore_ascii_case("localhost") || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether a request with these headers may change something.
    ///
    /// # Errors
    /// Says what to do.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            if !self.is_loopback {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "the admin port is not bound to a loopback address, so changes need a token: set `admin_token: FILE` \
                     in tracker.yaml and send `Authorization: Bearer TOKEN`",
                ));
            }
            if headers.contains_key(ORIGIN) {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "a web page may not change anything here without a token: set `admin_token: FILE` in tracker.yaml",
                ));
            }
            return Ok(());
        };
        match token.shown_in(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)) {
            Shown::Right => Ok(()),
            Shown::Wrong => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "this is not the token in the file that `admin_token` of tracker.yaml names",
            )),
            Shown::Nothing => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "changes need the token in the file that `admin_token` of tracker.yaml names: send `Authorization: \
                 Bearer TOKEN`",
            )),
        }
    }
}
