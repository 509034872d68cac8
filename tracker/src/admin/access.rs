//! Who may change something over the admin port.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, StatusCode, Uri};
use narrows_host::bearer::{Bearer, Shown};

use crate::net::reply::Refusal;

/// What the admin port asks of a request that changes something.
#[derive(Debug)]
pub(crate) struct Access {
    /// The token that it must carry.
    pub(crate) token: Option<Bearer>,
    /// Whether the port is bound to a loopback address.
    pub(crate) is_loopback: bool,
}

/// What programs ask for; a page that a foreign name serves could learn nothing of people's doings from it.
const FOR_PROGRAMS: [&str; 3] = ["/metrics", "/healthz", "/sd"];

impl Access {
    /// Whether a request comes from where it may. A browser says if another site's page sent it; and a
    /// loopback port without a token answers only to a loopback name or an address, as any page could have a
    /// name of its own point there (DNS rebinding).
    ///
    /// # Errors
    /// Says what to do.
    pub(crate) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site");
        if is_foreign && !is_read {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "a page of another site may not change or ask anything here",
            ));
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        if self.is_loopback
            && self.token.is_none()
            && !FOR_PROGRAMS.contains(&uri.path())
            && !host.is_none_or(is_local_name)
        {
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "the admin port is bound to a loopback address and answers to localhost or an address only; to reach it by \
                 another name, set `admin_token: FILE` in tracker.yaml",
            ));
        }
        Ok(())
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

/// Whether a Host header names this machine or an address, and nothing that a stranger could have registered.
fn is_local_name(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = name.map_or(host, |(name, _)| name);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}
