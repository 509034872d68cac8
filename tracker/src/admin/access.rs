//! Who may ask something over the admin port, and who may change something.

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, StatusCode, Uri};
use narrows_host::bearer::{Bearer, Shown};
use narrows_host::own_names::{OwnNames, is_own_page};

use crate::net::reply::Refusal;

/// What the admin port asks of a request.
#[derive(Debug)]
pub(crate) struct Access {
    /// The token that a request which changes something must carry.
    pub(crate) token: Option<Bearer>,
    /// Names that it answers to.
    pub(crate) names: OwnNames,
}

/// What a load balancer asks, by any name; the answer says nothing.
const FOR_ALL_NAMES: &str = "/healthz";

/// Where people are led to by a link on another page: the same for every tracker, and no frame may show it.
const FOR_ALL_PAGES: &str = "/";

impl Access {
    /// Whether a request comes from where it may. A browser says if another site's page sent it
    /// (Sec-Fetch-Site); and the port answers to addresses and to its [own names](OwnNames) only.
    ///
    /// # Errors
    /// Says what to do.
    pub(crate) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let is_own = |site: &HeaderValue| is_own_page(site.as_bytes());
        let is_led_here = is_read && uri.path() == FOR_ALL_PAGES;
        if !is_led_here && !headers.get_all("sec-fetch-site").iter().all(is_own) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "a page of another site may not ask or change anything here; open this address itself",
            ));
        }
        let host = |host: &HeaderValue| host.to_str().is_ok_and(|host| self.names.has(host));
        let is_here = headers.get_all(HOST).iter().all(host)
            && uri.authority().is_none_or(|authority| self.names.has(authority.as_str()));
        if !is_here && uri.path() != FOR_ALL_NAMES {
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                "the admin port answers to an address, to localhost and to its own names only; to reach it by this name, add it \
                 in tracker.yaml, as in `admin_names: [tracker.example.com]`",
            ));
        }
        Ok(())
    }

    /// Whether a request with these headers may change something, at a port that is bound to a loopback address or not.
    ///
    /// # Errors
    /// Says what to do.
    pub(crate) fn check(&self, headers: &HeaderMap, is_loopback: bool) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            if !is_loopback {
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
