//! Addresses that the tracker named in its last reply, for each content: peers that belong here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use narrows_protocol::InfoHash;

/// The most addresses that are kept for a content: a reply has some dozens.
const MAX_NAMED: usize = 512;

/// Which addresses the tracker named for which content.
#[derive(Debug, Default)]
pub(super) struct Named {
    by_content: Mutex<HashMap<InfoHash, Vec<IpAddr>>>,
}

impl Named {
    /// Takes over what the last reply for a content named; nothing, when the content ends.
    pub(super) fn set(&self, info_hash: InfoHash, addresses: impl Iterator<Item = IpAddr>) {
        let addresses: Vec<IpAddr> = addresses.take(MAX_NAMED).map(|ip| ip.to_canonical()).collect();
        self.with(|named| match addresses.is_empty() {
            true => named.remove(&info_hash),
            false => named.insert(info_hash, addresses),
        });
    }

    /// Whether a reply named `ip`, for whichever content.
    pub(super) fn holds(&self, ip: IpAddr) -> bool {
        self.with(|named| named.values().any(|addresses| addresses.contains(&ip)))
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<InfoHash, Vec<IpAddr>>) -> T) -> T {
        f(&mut self.by_content.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
