//! Who may change something over the admin port.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, ORIGIN};

/// What the admin port asks of a request that changes something.
#[derive(Debug)]
pub(crate) struct Access {
    /// The token that it must carry.
    pub(crate) token: Option<String>,
    /// Whether the port is bound to a loopback address.
    pub(crate) is_loopback: bool,
}

impl Access {
    /// Whether a request with these headers may change something.
    ///
    /// # Errors
    /// A status and a sentence with what to do.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let Some(token) = &self.token else {
            if !self.is_loopback {
                return Err((
                    StatusCode::FORBIDDEN,
                    "the admin port is not bound to a loopback address, so changes need a token: set `admin_token: FILE` \
                     in tracker.yaml and send `Authorization: Bearer TOKEN`\n",
                ));
            }
            if headers.contains_key(ORIGIN) {
                return Err((
                    StatusCode::FORBIDDEN,
                    "a web page may not change anything here without a token: set `admin_token: FILE` in tracker.yaml\n",
                ));
            }
            return Ok(());
        };
        let sent = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let sent = sent.and_then(|value| value.strip_prefix(b"Bearer "));
        match sent {
            Some(sent) if is_same(sent, token.as_bytes()) => Ok(()),
            Some(_) => Err((
                StatusCode::UNAUTHORIZED,
                "this is not the token in the file that `admin_token` of tracker.yaml names\n",
            )),
            None => Err((
                StatusCode::UNAUTHORIZED,
                "changes need the token in the file that `admin_token` of tracker.yaml names: send `Authorization: \
                 Bearer TOKEN`\n",
            )),
        }
    }
}

/// Compares in a time that does not tell how much is right.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differing == 0
}
