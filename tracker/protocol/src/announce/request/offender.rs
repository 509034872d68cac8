//! A peer that an agent saw doing what honest ones do not.

use std::fmt;
use std::net::IpAddr;

/// What a peer did to an agent, as that one says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeenOffender {
    kind: String,
    ip: IpAddr,
}

/// Most characters of a kind.
const MAX_KIND: usize = 32;

impl SeenOffender {
    /// `None`: the kind is no word in `snake_case` of 1 to 32 characters.
    pub fn new(kind: &str, ip: IpAddr) -> Option<Self> {
        let is_word = !kind.is_empty()
            && kind.len() <= MAX_KIND
            && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_word.then(|| Self {
            kind: kind.to_owned(),
            ip: ip.to_canonical(),
        })
    }

    /// `KIND:ADDRESS`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, ip) = text.split_once(':')?;
        Self::new(kind, ip.parse().ok()?)
    }

    /// What it did, in `snake_case`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// From where.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
}

impl fmt::Display for SeenOffender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.ip)
    }
}
